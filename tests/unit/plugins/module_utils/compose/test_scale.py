# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how many servers the edge needs room while a service is scaled."""

from __future__ import annotations

from typing import Any, cast

from ansible_collections.steady.runbooks.plugins.module_utils.compose import scale
from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import LABEL, Host

WEB, BESIDE = {"replicas": {"web": 1}}, {"replicas": {"web": 1, "api": 1}}


class Here:
    """A host by what runs in its slots, as {service: number}, and one container more that has ended."""

    def __init__(self, **slots: dict[str, int]) -> None:
        self.slots = slots

    def slot_containers(self, slot: str) -> list[dict[str, Any]]:
        def one(service: str, running: bool) -> dict[str, Any]:
            labels = {"com.docker.compose.service": f"{service}-{slot}", f"{LABEL}.slot": slot}
            return {"Config": {"Labels": labels}, "State": {"Status": "running" if running else "exited"}}

        found = self.slots.get(slot) or {}
        return [one(name, number < count) for name, count in found.items() for number in range(count + 1)]


def test_the_fuller_slot_counts_and_workers_do_not() -> None:
    here = cast(Host, Here(blue={"web": 10, "worker": 100}, green={"web": 3, "api": 12}))
    assert scale.most_running(here, WEB, None) == 10
    assert scale.most_running(here, WEB, BESIDE) == 12
    assert scale.most_running(cast(Host, Here()), WEB) == 0

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service of the smallest example that serves, and users who may notice nothing of what is done to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import services, shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

SETTINGS: dict[str, Any] = {"service_drain_seconds": 5, "service_start_seconds": 30, "service_min_free_mib": 0}


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Acting]:
    """A service *name* that serves 1.0.0, taken away in the end."""
    lab.up(["redis:8"])
    shop.provide_hello()
    hello = services.overlapping(folder, name, **SETTINGS)
    hello.remove()
    try:
        one = Acting(hello)
        one.done("apply_update", "1.0.0")
        yield one
    finally:
        hello.remove()


@contextmanager
def unnoticed(acting: Acting) -> Iterator[None]:
    """Users are there, and none of them may notice; afterwards one whole release serves."""
    url = f"http://127.0.0.1:{acting.hello.port}"
    with Traffic(url, rate=20, seconds=3600, requests=["1 GET /"], timeout=30) as users:
        yield
        seen = users.seen()
    assert seen.failed == 0, seen
    wrong = not_whole(acting)
    assert not wrong, "\n".join(wrong)

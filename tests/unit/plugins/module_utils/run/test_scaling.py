# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scaling would do, what undoes it, and what there is no room for."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.plan import describe_steps
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan
from ansible_collections.steady.runbooks.plugins.module_utils.run.scaling import told_scale
from ansible_collections.steady.runbooks.plugins.module_utils.run.sizes import number_of, size_text

from .test_recover import TWO, observed

MIB = 1 << 20
ROLES = {"web": "web", "worker": "worker", "cron": "scheduler", "db": "state", "files": "web"}
MEMBERS = {"files": {"exclusive": True, "exclusive_why": ["it writes to volume data"]}}
LIVE = {**TWO, "roles": ROLES, "replicas": {"web": 1, "files": 1}, "understanding": {"services": MEMBERS}}


def room(free: int = 1000, cpus: int = 2, **used: list[int]) -> dict[str, Any]:
    """*free* and *used* in MiB; used by the services of the slot that serves."""
    mine = {name: [one * MIB for one in each] for name, each in (used or {"web": [100]}).items()}
    return {"cpus": cpus, "free": free * MIB, "slots": {"green": mine, "blue": {}}}


def plan(has: dict[str, Any], scale: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    seen = observed("green", scale=scale or {})
    seen["releases"] = {**seen["releases"], LIVE["id"]: LIVE}
    request = {"runbook": "scale", "service": "shop", "release": None, "options": options, "room": has}
    return make_plan(seen, request)[0]


def args(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step["args"] for step in steps]


def test_replicas_and_back() -> None:
    planned = plan(room(), service="web", replicas="3", cpus="0.5")
    assert args(planned["steps"]) == [{"service": "web", "wanted": {"replicas": 3, "cpus": 0.5}}]
    assert args(planned["back"]) == [{"service": "web", "wanted": {}}]
    assert "1. Run 3 (each at most 0.5 CPUs) of web  [undo: run 1 of web]" in describe_steps(planned)
    assert "Now 1 of web run in green." in planned["notes"]


def test_what_is_asked_for_is_added_to_what_was_and_unset_ends_all_of_it() -> None:
    before = {"web": {"replicas": 2}}
    planned = plan(room(web=[100, 100]), before, service="web", memory="256m")
    assert args(planned["steps"]) == [{"service": "web", "wanted": {"replicas": 2, "memory": 256 * MIB}}]
    ended = plan(room(web=[100, 100]), before, service="web", unset=True)
    assert (args(ended["steps"])[0]["wanted"], args(ended["back"])[0]["wanted"]) == ({}, {"replicas": 2})


def test_what_is_so_already_needs_nothing_unless_a_container_is_missing() -> None:
    asked = {"web": {"replicas": 2}}
    assert plan(room(web=[1, 1]), asked, service="web", replicas=2)["steps"] == []
    assert plan(room(web=[1]), asked, service="web", replicas=2)["steps"]


@pytest.mark.parametrize(
    ("has", "options", "code", "named"),
    [
        (room(), {}, "invalid_variable", "no service"),
        (room(), {"service": "web"}, "invalid_variable", "neither"),
        (room(), {"service": "web", "replicas": "2", "unset": True}, "invalid_variable", "neither"),
        (room(), {"service": "wbe", "replicas": "2"}, "unknown_service", "did you mean 'web'?"),
        (room(), {"service": "db", "replicas": "2"}, "not_in_a_slot", "state service"),
        (room(), {"service": "cron", "replicas": "2"}, "exclusive", "never run twice"),
        (room(), {"service": "files", "replicas": "2"}, "exclusive", "volume data"),
        (room(), {"service": "web", "replicas": "3", "cpus": "1"}, "no_room", "are 3, and the host has 2"),
        (
            room(150),
            {"service": "web", "replicas": "3"},
            "no_room",
            "50.0 MiB of memory are missing: 150.0 MiB",
        ),
        (
            room(300),
            {"service": "web", "replicas": "2", "memory": "256m"},
            "no_room",
            "112.0 MiB of memory are missing",
        ),
        (room(), {"service": "web", "memory": "50m"}, "too_small", "uses 100.0 MiB now"),
    ],
)
def test_what_is_refused(has: dict[str, Any], options: dict[str, Any], code: str, named: str) -> None:
    with pytest.raises(Refused) as refused:
        plan(has, **options)
    assert refused.value.code == code and named in refused.value.detail and refused.value.next_step


def test_the_warm_slot_needs_room_too() -> None:
    has = room(150, web=[100])
    has["slots"]["blue"] = {"web": [100 * MIB]}
    with pytest.raises(Refused, match=r"50.0 MiB of memory are missing"):
        plan(has, service="web", replicas="2")


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 * MIB), ("1.5GiB", 1536 * MIB), ("2K", 2048), ("100", 100), ("64mb", 64 * MIB), ("lots", 0)],
)
def test_sizes(text: str, size: int) -> None:
    assert number_of(text) == size


def test_how_it_is_told() -> None:
    assert told_scale("web", {"replicas": 3, "memory": 512 * MIB}) == "3 (each at most 512.0 MiB) of web"
    assert told_scale("web", {"cpus": 0.5}) == "as many as its release has (each at most 0.5 CPUs) of web"
    assert [size_text(one) for one in (100, 5 << 20, 5 << 40)] == ["0.1 KiB", "5.0 MiB", "5120.0 GiB"]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans beside who serves: their steps, and those that undo them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import recover
from ansible_collections.steady.runbooks.plugins.module_utils.run.plan import describe_steps
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan

from .test_recover import ONE, observed, release


def plan(seen: dict[str, Any], runbook: str, **options: Any) -> dict[str, Any]:
    return make_plan(seen, {"runbook": runbook, "service": "shop", "release": None, "options": options})[0]


def args(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step["args"] for step in steps]


def page(on: bool) -> dict[str, Any]:
    return {"live": "green", "share": 0, "canary": "", "maintenance": on}


def test_the_steps_of_maintenance_and_back() -> None:
    planned = plan(observed("green"), "maintenance", state="on")
    assert args(planned["steps"]) == [{"on": True}] and args(planned["back"]) == [{"on": False}]
    assert "maintenance shop: 1.1.0 in green goes on serving" in describe_steps(planned)
    up = observed("green", traffic=page(True))
    assert plan(up, "maintenance", state="on")["steps"] == []
    assert plan(up, "maintenance", state="off")["steps"] == planned["back"]
    untold = observed("green", traffic={**page(True), "told": False})
    assert args(plan(untold, "maintenance", state="on")["steps"]) == [{"on": True}]


def test_a_renewed_certificate_is_taken_whether_users_get_the_page_or_not() -> None:
    for up in (True, False):
        seen = observed("green", traffic=page(up))
        assert plan(seen, "maintenance", state="keep")["steps"] == []
        planned = plan({**seen, "edge_due": True}, "maintenance", state="keep")
        assert args(planned["steps"]) == args(planned["back"]) == [{"on": None}]


@pytest.mark.parametrize("state", ["keep", "on", "off"])
def test_an_edge_that_does_not_run_is_started(state: str) -> None:
    seen = observed("green", traffic=page(state == "on"), edge="stopped")
    assert len(plan(seen, "maintenance", state=state)["steps"]) == 1


def test_what_is_done_behind_the_maintenance_page_says_that_the_page_stays() -> None:
    planned = plan(observed("green", traffic=page(True)), "blue_green_switch")
    assert "maintain" not in [step["do"] for step in planned["steps"]]
    assert "maintenance.yml -e state=off ends that" in planned["notes"][-1]


@pytest.mark.parametrize(
    ("live", "options", "code", "named"),
    [
        (None, {"state": "on"}, "nothing_live", "no release serves here"),
        ("blue", {}, "invalid_variable", "state is not given"),
        ("blue", {"state": "maybe"}, "invalid_variable", "state is 'maybe'"),
    ],
)
def test_maintenance_that_cannot_be_planned(live: Any, options: dict[str, Any], code: str, named: str) -> None:
    with pytest.raises(Refused) as refused:
        plan(observed(live), "maintenance", **options)
    assert refused.value.code == code and named in refused.value.detail and refused.value.next_step


# -- prune ------------------------------------------------------------------------------------------------------------

DAY = 86_400.0
NOW = 100 * DAY


def stock(*days: float, runs: int = 0, keep: dict[str, int] | None = None, **images: str) -> dict[str, Any]:
    """Releases ``0.N.0-1`` beside the two that run, live so many days ago, each with an image of its own."""
    running = dict.fromkeys(("1.0.0-1", "1.1.0-1"), NOW)
    times = {**running, **{f"0.{number}.0-1": NOW - ago * DAY for number, ago in enumerate(days)}}
    return {
        "at": NOW,
        "keep": {"releases": 3, "runs": 2, "days": 10, **(keep or {})},
        "releases": {
            name: {"bytes": 12 * 1024, "time": time, "images": [f"i{name[:3]}"], "used": ""}
            for name, time in times.items()
        },
        "runs": {f"run{number}": {"bytes": 1 << 20, "time": NOW - number * 20 * DAY} for number in range(runs)},
        "images": {f"i{name[:3]}": {"bytes": 285 << 20, "used": images.get(f"i{name[2]}", "")} for name in times},
    }


def prune(kept: dict[str, Any], **more: Any) -> dict[str, Any]:
    seen = observed("green", **more)
    request = {"runbook": "prune", "service": "shop", "release": None, "options": {}, "stock": kept}
    return make_plan(seen, request)[0]


def going(planned: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(step["args"]["kind"], step["args"]["names"]) for step in planned["steps"]]


def test_what_is_old_and_beyond_the_count_goes_with_its_image() -> None:
    planned = prune(stock(5, 20, 30))
    assert going(planned) == [
        ("release", ["0.1.0-1"]),
        ("release", ["0.2.0-1"]),
        ("image", ["i0.1"]),
        ("image", ["i0.2"]),
    ]
    text = describe_steps(planned)
    assert "Remove release 0.1.0-1, live last on 1970-03-22 (12.0 KiB)" in text
    assert "Remove image i0.1 (up to 285.0 MiB)" in text
    assert "1.1.0 (1.1.0-1) stays: it serves." in text and planned["back"] == []


@pytest.mark.parametrize("keep", [{"releases": 5}, {"days": 40}])
def test_count_and_age_each_keep(keep: dict[str, int]) -> None:
    assert going(prune(stock(5, 20, 30, keep=keep))) == []


def test_an_image_that_somebody_needs_stays_and_the_reason_is_told() -> None:
    planned = prune(stock(5, 20, i1="container db has it"))
    assert going(planned) == [("release", ["0.1.0-1"])]
    assert "Image i0.1 (285.0 MiB) stays: container db has it." in planned["notes"]


def test_an_image_of_a_release_that_stays_is_not_even_named() -> None:
    kept = stock(5, 20)
    kept["releases"]["0.1.0-1"]["images"] = ["i1.0", "gone"]
    assert going(prune(kept)) == [("release", ["0.1.0-1"])]


def test_what_a_rollback_needs_never_goes() -> None:
    kept = stock(20, 30, keep={"releases": 1, "days": 0})
    for entry in kept["releases"].values():
        entry["time"] = 0.0
    live = {**ONE, **observed()["releases"]["1.1.0-1"], "previous": "0.1.0-1"}
    planned = prune(kept, releases={**observed()["releases"], "1.1.0-1": live})
    assert [name for kind, (name,) in going(planned) if kind == "release"] == ["0.0.0-1"]
    assert "0.1.0-1 (0.1.0-1) stays: a rollback from 1.1.0 goes there." in planned["notes"]


def test_what_tells_that_a_release_can_live_with_the_database_never_goes() -> None:
    """1.0.0 knows r1 only; that r2 only adds to r1 is told by the release that brought r2."""
    brought = release("0.0.0", "r2", additive_to=["r1"])
    kept = stock(20, keep={"releases": 1})
    one = observed()["releases"]
    assert going(prune(kept, releases={**one, "0.0.0-1": brought}, schema="r2")) == []
    assert going(prune(kept, releases={**one, "0.0.0-1": brought}, schema="r1"))


def test_a_release_that_has_a_container_stays() -> None:
    kept = stock(5, 20)
    kept["releases"]["0.1.0-1"]["used"] = "container shop-job"
    assert going(prune(kept)) == []


def test_old_runs_go_together_and_each_is_named() -> None:
    planned = prune(stock(runs=5))
    assert going(planned) == [("run", ["run2", "run3", "run4"])]
    assert planned["steps"][0]["title"] == "Remove 3 runs with their reports (3.0 MiB): run2, run3, run4"


def test_a_dead_prune_is_finished_whichever_way_is_taken() -> None:
    planned = prune(stock(5, 20))
    dead = {"runbook": "prune", "plan": planned, "release": {}, "to": planned["to"], "direction": "forward"}
    assert recover.ways(observed("green"), dead) == dict.fromkeys(("finish", "back"), planned["steps"])

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending a dead run: which way is safe and why, and what both ways would do."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import recover


def release(version: str, revision: str = "r1", **more: Any) -> dict[str, Any]:
    schema = {"revision": revision, "compatible": [revision], "additive_to": more.pop("additive_to", [])}
    fixed = {"images": {}, "jobs": [], "jobs_done": [], "strategy": "overlap", "workers": False, "previous": None}
    return {"id": f"{version}-1", "version": version, "schema": schema, **fixed, **more}


ONE, TWO = release("1.0.0"), release("1.1.0")
ONE_WAY = release("2.0.0", "r2", jobs=["migrate"])


def observed(live: str | None = "blue", schema: str = "r1", **more: Any) -> dict[str, Any]:
    """1.0.0 runs in blue and 1.1.0 in green."""
    runs = {"state": "running", "ready": True, "workers": "none", "warm_until": None}
    return {
        "live": live,
        "traffic": {"live": live or "hold", "share": 0, "canary": ""},
        "base": "running",
        "edge": "running",
        "slots": {"blue": {"release": "1.0.0-1", **runs}, "green": {"release": "1.1.0-1", **runs}},
        "releases": {"1.0.0-1": ONE, "1.1.0-1": TWO},
        "jobs": [],
        "schema": schema,
        **more,
    }


def end(slot: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"slot": slot, "release": record["id"], "version": record["version"], "images": {}}


def intent(runbook: str = "apply_update", *, direction: str = "forward", **more: Any) -> dict[str, Any]:
    """A dead run from 1.0.0 in blue to 1.1.0 in green, unless *more* says otherwise."""
    steps = more.pop("steps", ["prepare", "stage", "verify", "shift", "watch"])
    settle = {"do": "settle", "args": {"previous": "1.0.0-1"}}
    return {
        "run": "20300101T000000-apply_update-000001",
        "runbook": runbook,
        "direction": direction,
        "from": end("blue", ONE),
        "to": end("green", TWO),
        "release": TWO,
        "plan": {"steps": [*({"do": do, "args": {"service": "migrate"}} for do in steps), settle]},
        **more,
    }


def plan(seen: dict[str, Any], dead: dict[str, Any] | None, direction: str = "auto") -> dict[str, Any]:
    return recover.plan(seen, dead, direction, service="shop")[0]


def dos(steps: list[dict[str, Any]]) -> list[str]:
    return [" ".join(filter(None, (step["do"], step["args"].get("slot")))) for step in steps]


JOB = [{"release": ONE_WAY["id"], "service": "migrate"}]
LOST = {"releases": {"1.1.0-1": TWO}}


@pytest.mark.parametrize(
    ("seen", "dead", "way", "why"),
    [
        (observed(), intent(), "back", "1.0.0 was known to be good"),
        (observed("green"), intent(), "back", "1.1.0 had not passed"),
        (observed(None), intent(), "back", "known to be good"),
        (observed(), intent("blue_green_switch"), "back", "known to be good"),
        (observed(), intent("rollback"), "finish", "known to be good"),
        (observed(), intent("retire"), "finish", "known to be good"),
        (observed(), intent("maintenance"), "finish", "what was asked for"),
        (observed(), intent("prune"), "finish", "what was asked for"),
        (observed(), intent("rollback", direction="back"), "back", "going back already"),
        (observed(), intent(direction="back"), "back", "going back already"),
        (observed(None), intent(**{"from": None}), "finish", "nothing served before"),
        (observed(None), intent(direction="back", **{"from": None}), "back", "going back already"),
        (observed(schema="r2"), intent(), "finish", "1.0.0 cannot live with schema r2"),
        (observed(schema="r2"), intent(direction="back"), "finish", "1.0.0 cannot live with schema r2"),
        (observed(jobs=JOB), intent(release=ONE_WAY), "finish", "job migrate still runs"),
        (observed(**LOST), intent(), "finish", "the record of 1.0.0 is lost"),
    ],
)
def test_the_safe_direction_is_taken_and_named(seen: dict[str, Any], dead: dict[str, Any], way: str, why: str) -> None:
    assert recover.safe_direction(seen, dead)[0] == way
    assert why in recover.safe_direction(seen, dead)[1]
    planned = plan(seen, dead)
    assert planned["way"] == way
    assert any(why in note for note in planned["notes"])


def test_what_is_finished_past_the_point_of_no_return_says_so() -> None:
    dead = intent()
    dead["plan"]["notes"] = ["Point of no return: after the migration to r2, 1.0.0 cannot serve again.", "Else."]
    assert plan(observed(), dead, "finish")["notes"][2:] == dead["plan"]["notes"][:1]
    assert not plan(observed(), dead, "back")["notes"][2:]


def test_nothing_died_so_nothing_is_recovered() -> None:
    with pytest.raises(Refused) as refused:
        plan(observed(), None)
    assert refused.value.code == "nothing_to_recover"


def test_one_can_choose_the_other_way_and_is_told_what_would_be_safe() -> None:
    planned = plan(observed(), intent(), "finish")
    assert planned["way"] == "finish"
    assert any("the safe way would be back" in note for note in planned["notes"])
    assert dos(planned["steps"]) == [
        "prepare",
        "stage green",
        "verify green",
        "shift green",
        "watch green",
        "settle green",
    ]


@pytest.mark.parametrize("seen", [observed(schema="r2"), observed(jobs=JOB), observed(**LOST)])
def test_going_back_is_refused_where_there_is_no_way_back(seen: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        plan(seen, intent(release=ONE_WAY), "back")
    assert refused.value.code == "no_way_back" and "finish" in refused.value.next_step


def test_both_ways_are_told() -> None:
    ways = recover.ways(observed("green"), intent())
    assert dos(ways["back"]) == ["shift blue", "settle blue", "halt green"]
    assert dos(ways["finish"]) == ["prepare", "watch green", "settle green"]
    assert ways["finish"][-1]["args"]["previous"] == "1.0.0-1"


def test_a_dead_run_beside_who_serves_is_ended_by_what_its_own_plan_says() -> None:
    dead = intent("maintenance", to=end("blue", ONE), release=ONE)
    on, off = ({"do": "maintain", "args": {"on": on}, "title": "", "undo": ""} for on in (True, False))
    dead["plan"] = {"steps": [on], "back": [off]}
    assert recover.ways(observed(), dead) == {"finish": [on], "back": [off]}
    assert plan(observed(), dead, "back")["back"] == [off]


@pytest.mark.parametrize("gone", [True, False])
def test_a_dead_retire_is_finished_even_when_nothing_is_left_to_remove(gone: bool) -> None:
    """A plan without steps would never be started, and the run would stay dead."""
    seen = observed()
    if gone:
        seen["slots"]["green"] = {**seen["slots"]["green"], "release": None, "state": "absent", "ready": False}
    dead = intent("retire", to=end("blue", ONE), release=ONE, steps=[])
    for way in ("finish", "back"):
        steps = dos(plan(seen, dead, way)["steps"])
        assert steps == ([] if gone else ["retire green"]) + ["settle blue"]


def recovery(way: str, direction: str, **more: Any) -> dict[str, Any]:
    """A recovery that died itself."""
    dead = intent(**more)
    record = ONE if way == "back" else TWO
    return {
        **intent("recover", direction=direction, release=record),
        "run": "20300101T000000-recover-000002",
        "ends": dead,
        "plan": {"way": way, "steps": []},
    }


@pytest.mark.parametrize(
    ("dead", "way"),
    [
        (recovery("back", "back"), "back"),
        (recovery("finish", "forward", runbook="rollback"), "finish"),
        (recovery("finish", "back", runbook="rollback"), "back"),  # it failed, and went back
        (recovery("finish", "forward", runbook="retire"), "finish"),
    ],
)
def test_a_recovery_of_a_dead_recovery_goes_on_with_what_that_was_for(dead: dict[str, Any], way: str) -> None:
    planned = plan(observed(), dead)
    assert planned["way"] == way
    assert any(dead["ends"]["run"] in note for note in planned["notes"])


def test_a_recovery_of_a_dead_recovery_knows_what_was_planned_at_first() -> None:
    """Not the release that the recovery went back to, and not its steps."""
    steps = dos(plan(observed(), recovery("back", "back"), "finish")["steps"])
    assert steps == ["prepare", "stage green", "verify green", "shift green", "watch green", "settle green"]


def test_a_chain_of_dead_recoveries_stays_one_link_long() -> None:
    first = recover.root(recovery("back", "back"))
    again = {**recovery("back", "forward"), "ends": first}
    assert recover.root(again)["run"] == first["run"]
    assert recover.root(again)["direction"] == "back", "once back, always back"
    assert "ends" not in recover.root(again)


def test_the_plan_has_a_hash_that_tells_the_ways_apart() -> None:
    hashes = {plan(observed(), intent(), way)["hash"] for way in ("finish", "back")}
    assert len(hashes) == 2
    assert plan(observed(), intent())["hash"] == plan(observed(), intent())["hash"]

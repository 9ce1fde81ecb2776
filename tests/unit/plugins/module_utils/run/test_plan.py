# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans as tables: from what is observed to the steps, their order and their hash."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import plan as plans
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan

Release = dict[str, Any]
Observation = dict[str, Any]


def release(version: str, **more: Any) -> Release:
    return {
        "id": f"{version}-1",
        "version": version,
        "images": {"backend": f"backend@{version}"},
        "schema": {"revision": "r1", "compatible": ["r1"]},
        "jobs": [],
        "jobs_done": [],
        "strategy": "overlap",
        "workers": False,
        "previous": None,
        **more,
    }


def slot(record: Release | None = None, state: str = "running", workers: str = "") -> dict[str, Any]:
    """A slot; *workers* as observed, by default running where the release has some and the slot runs."""
    if record is None:
        return {"release": None, "state": "absent", "ready": False, "workers": "none", "warm_until": None}
    has = "none" if not record["workers"] else state
    return {
        "release": record["id"],
        "state": state,
        "ready": state == "running",
        "workers": workers or has,
        "warm_until": None,
    }


def observed(blue: Any = None, green: Any = None, live: str | None = None, **more: Any) -> Observation:
    """An observation; *blue* and *green* are releases that run, or slots."""
    slots = {}
    records = {}
    for name, one in (("blue", blue), ("green", green)):
        record, state = one if isinstance(one, tuple) else (one, "running")
        slots[name] = slot(record, state)
        if record:
            records[record["id"]] = record
    return {
        "live": live,
        "traffic": {"live": live or "none", "canary": "", "share": 0},
        "edge": "running" if live else "absent",
        "base": "running" if live else "absent",
        "slots": slots,
        "releases": {**records, **more.pop("releases", {})},
        "schema": "r1",
        "drift": [],
        "checks": [],
        **more,
    }


def dos(steps: list[dict[str, Any]]) -> list[str]:
    """The steps in short: what, and in which slot."""
    return [" ".join(filter(None, (step["do"], _where(step)))) for step in steps]


def _where(step: dict[str, Any]) -> str | None:
    slot: str | None = step["args"].get("slot")
    return None if step["do"] == "hold" else slot  # it is the edge that holds


def plan(seen: Observation, runbook: str, new: Release | None = None, **options: Any) -> dict[str, Any]:
    request = {"runbook": runbook, "service": "shop", "release": new, "options": options}
    return make_plan(seen, request)[0]


ONE, TWO = release("1.0.0"), release("1.1.0", previous="1.0.0-1")
ORPHAN = release("1.0.0", previous="0.9.0-1")


# -- going back -------------------------------------------------------------------------------------------------------


def ends(seen: Observation, name: str, record: Release) -> dict[str, Any]:
    return {"slot": name, "release": record["id"], "version": record["version"]}


@pytest.mark.parametrize(
    ("seen", "steps"),
    [
        (observed(ONE, TWO, live="green"), ["shift blue", "settle blue", "halt green"]),
        (observed(ONE, TWO, live="blue"), ["settle blue", "halt green"]),
        (observed(ONE, (TWO, "stopped"), live="blue"), ["settle blue"]),
        (observed(ONE, None, live="blue"), ["settle blue"]),
        (observed((ONE, "stopped"), TWO, live="green"), ["stage blue", "shift blue", "settle blue", "halt green"]),
    ],
)
def test_back_ends_with_the_old_release_and_the_new_one_stopped(seen: Observation, steps: list[str]) -> None:
    assert dos(plans.back(seen, ends(seen, "blue", ONE), ends(seen, "green", TWO), ONE)) == steps


def test_back_to_a_release_that_runs_needs_no_good_health() -> None:
    seen = observed(ONE, TWO, live="green")
    seen["slots"]["blue"]["ready"] = False
    steps = plans.back(seen, ends(seen, "blue", ONE), ends(seen, "green", TWO), ONE)
    assert dos(steps) == ["shift blue", "settle blue", "halt green"]


def test_back_from_a_run_in_one_slot_never_stops_what_serves() -> None:
    """A retire begins and ends in the slot that serves: when it fails, that one goes on."""
    seen = observed((ONE, "stopped"), TWO, live="green")
    assert dos(plans.back(seen, ends(seen, "green", TWO), ends(seen, "green", TWO), TWO)) == ["settle green"]


@pytest.mark.parametrize(
    ("live", "steps"),
    [("green", ["shift blue", "halt green"]), ("blue", ["halt green"]), (None, ["shift blue", "halt green"])],
)
def test_back_to_a_release_whose_record_is_lost_never_closes_the_edge(live: str | None, steps: list[str]) -> None:
    seen = observed(ONE, TWO, live=live)
    assert dos(plans.back(seen, ends(seen, "blue", ONE), ends(seen, "green", TWO), None)) == steps


def test_back_from_a_first_release_closes_the_edge() -> None:
    seen = observed(ONE, None, live="blue")
    assert dos(plans.back(seen, None, ends(seen, "blue", ONE), None)) == ["close", "halt blue"]


@pytest.mark.parametrize(("live", "first"), [("green", "shift blue"), (None, "stage blue")])
def test_back_waits_for_the_old_release_only_while_requests_are_held(live: str | None, first: str) -> None:
    """What users have now is worse than a health check that fails for a moment; a hold can wait for a start."""
    seen = observed(ONE, (release("1.1.0", strategy="hold"), "stopped" if live is None else "running"), live=live)
    seen["slots"]["blue"]["ready"] = False
    steps = dos(plans.back(seen, ends(seen, "blue", ONE), ends(seen, "green", TWO), ONE))
    assert next(step for step in steps if step.split()[0] in ("shift", "stage")) == first


# -- workers ----------------------------------------------------------------------------------------------------------

BUSY = release("1.0.0", workers=True)


@pytest.mark.parametrize(
    ("old", "new", "handed"),
    [
        (ONE, TWO, False),
        (BUSY, release("1.1.0", workers=True), True),
        (ONE, release("1.1.0", workers=True), True),
        (BUSY, TWO, True),  # the old workers must not go on beside a release that has none
    ],
)
def test_workers_are_handed_over_when_either_release_has_some(old: Release, new: Release, handed: bool) -> None:
    steps = dos(plan(observed(old, live="blue"), "apply_update", new)["steps"])
    assert ("handover green" in steps) is handed


@pytest.mark.parametrize(("mine", "theirs"), [("partial", "stopped"), ("running", "partial"), ("stopped", "stopped")])
def test_a_handover_that_was_cut_short_is_done_again(mine: str, theirs: str) -> None:
    seen = observed(BUSY, release("1.1.0", workers=True), live="blue")
    seen["slots"]["blue"]["workers"], seen["slots"]["green"]["workers"] = mine, theirs
    assert "handover blue" in dos(plans.towards(seen, "blue", BUSY))


# -- jobs that are still at work -----------------------------------------------------------------------------------


def migrating(version: str) -> Release:
    return release(version, jobs=["migrate"], schema={"revision": "r2", "compatible": ["r2"], "additive_to": ["r1"]})


def test_no_run_ends_while_a_job_is_at_work() -> None:
    job = {"release": "1.1.0-1", "service": "migrate"}
    seen = observed(ONE, None, live="blue", jobs=[job])
    waits = [step for step in plans.towards(seen, "blue", ONE) if step["do"] == "end_jobs"]
    assert waits and "migrate" in waits[0]["title"]
    assert dos(plans.back(seen, None, {"slot": "blue", "release": ONE["id"]}, None)) == [
        "close",
        "halt blue",
        "end_jobs",
    ]


def test_the_run_of_a_job_waits_for_it_by_itself() -> None:
    """Its own step finds the container at work; waiting for it again would say that there are two."""
    new = migrating("1.1.0")
    job = {"release": new["id"], "service": "migrate"}
    steps = dos(plan(observed(ONE, None, live="blue", jobs=[job]), "apply_update", new)["steps"])
    assert "run_job" in steps and "end_jobs" not in steps


# -- updates and the schema -------------------------------------------------------------------------------------------


def test_an_update_that_does_not_fit_the_database_and_does_not_change_it_is_refused() -> None:
    """An older version applied again after a migration: its own job has run once and changes nothing any more."""
    old = migrating("1.1.0")
    seen = observed(release("1.2.0", schema={"revision": "r3", "compatible": ["r3"]}), None, live="blue", schema="r3")
    seen["releases"][old["id"]] = {**old, "jobs_done": ["migrate"]}
    with pytest.raises(Refused) as refused:
        plan(seen, "apply_update", old)
    assert refused.value.code == "schema_incompatible"
    assert "r3" in refused.value.detail


@pytest.mark.parametrize("how", [{"jobs": ["migrate"]}, {"self_migrating": True}])
def test_an_update_without_a_way_back_is_refused_unless_that_is_accepted(how: dict[str, Any]) -> None:
    new = release("2.0.0", schema={"revision": "r2", "compatible": ["r2"]}, **how)
    with pytest.raises(Refused) as refused:
        plan(observed(ONE, live="blue"), "apply_update", new)
    assert refused.value.code == "no_way_back"
    planned = plan(observed(ONE, live="blue"), "apply_update", new, accept_one_way=True)
    assert any("Point of no return" in note for note in planned["notes"])
    assert "shift green" in dos(planned["steps"])


# -- each runbook as a table ----------------------------------------------------------------------------------------

HELD = release("1.0.0", strategy="hold")
HELD_TOO = release("1.1.0", strategy="hold")
NEW = release("1.2.0")
STAGED = ["stage green", "verify green", "shift green"]


@pytest.mark.parametrize(
    ("seen", "new", "steps"),
    [
        (observed(), ONE, ["prepare", "base", "stage blue", "verify blue", "shift blue", "watch blue", "settle blue"]),
        (observed(ONE, live="blue"), TWO, ["prepare", *STAGED, "watch green", "settle green"]),
        # a third release first removes the oldest
        (observed(ONE, TWO, live="blue"), NEW, ["prepare", "retire green", *STAGED, "watch green", "settle green"]),
        (
            observed(TWO, ONE, live="green"),
            NEW,
            ["prepare", "retire blue", "stage blue", "verify blue", "shift blue", "watch blue", "settle blue"],
        ),
        # old and new cannot run at once
        (
            observed(HELD, live="blue"),
            HELD_TOO,
            ["prepare", "hold", "halt blue", *STAGED, "watch green", "settle green"],
        ),
        (
            observed(HELD, live="blue"),
            release("1.1.0", jobs=["migrate"], schema={"revision": "r2", "compatible": ["r2"], "additive_to": ["r1"]}),
            ["prepare", "hold", "halt blue", "run_job", *STAGED, "watch green", "settle green"],
        ),
        # staged already by a run that was undone
        (observed(ONE, (TWO, "stopped"), live="blue"), TWO, ["prepare", *STAGED, "watch green", "settle green"]),
        (
            observed(ONE, TWO, live="blue"),
            TWO,
            ["prepare", "verify green", "shift green", "watch green", "settle green"],
        ),
        (observed(ONE, live="blue", base="partial"), TWO, ["prepare", "base", *STAGED, "watch green", "settle green"]),
        (observed(ONE, live="blue"), ONE, []),
    ],
)
def test_the_steps_of_an_update(seen: Observation, new: Release, steps: list[str]) -> None:
    assert dos(plan(seen, "apply_update", new)["steps"]) == steps


@pytest.mark.parametrize(
    ("seen", "wanted", "steps"),
    [
        (observed(ONE, TWO, live="green"), None, ["shift blue", "settle blue"]),
        (
            observed((ONE, "stopped"), TWO, live="green"),
            None,
            ["stage blue", "verify blue", "shift blue", "settle blue"],
        ),
        (
            observed(NEW, TWO, live="green", releases={ONE["id"]: ONE}),
            "1.0.0",
            ["retire blue", "stage blue", "verify blue", "shift blue", "settle blue"],
        ),
        (observed(NEW, TWO, live="green"), "1.2.0-1", ["shift blue", "settle blue"]),
    ],
)
def test_the_steps_of_a_rollback(seen: Observation, wanted: str | None, steps: list[str]) -> None:
    assert dos(plan(seen, "rollback", release=wanted)["steps"]) == steps


def test_a_warm_rollback_is_called_warm() -> None:
    assert plan(observed(ONE, TWO, live="green"), "rollback")["notes"] == ["Warm: 1.0.0 still runs in blue."]
    cold = plan(observed((ONE, "stopped"), TWO, live="green"), "rollback")
    assert cold["notes"] == ["Cold: 1.0.0 is started again in blue."]


def test_the_steps_of_a_switch_and_of_a_retire() -> None:
    seen = observed(ONE, TWO, live="blue")
    assert dos(plan(seen, "blue_green_switch")["steps"]) == [
        "verify green",
        "shift green",
        "watch green",
        "settle green",
    ]
    assert dos(plan(seen, "retire")["steps"]) == ["retire green"]
    assert plan(observed(ONE, live="blue"), "retire")["steps"] == []


def test_an_update_knows_what_to_go_back_to() -> None:
    steps = plan(observed(ONE, live="blue"), "apply_update", NEW)["steps"]
    assert steps[-1]["args"] == {"slot": "green", "release": NEW["id"], "previous": ONE["id"]}


@pytest.mark.parametrize(
    ("seen", "runbook", "options", "code", "named"),
    [
        (observed(ONE, live="blue"), "rollback", {}, "nothing_to_roll_back_to", "no release was live before"),
        (observed(ORPHAN, live="blue"), "rollback", {}, "nothing_to_roll_back_to", "0.9.0-1, which was live before"),
        (observed(), "rollback", {}, "nothing_to_roll_back_to", ""),
        (observed(ONE, live="blue"), "rollback", {"release": "9.9.9"}, "unknown_release", "9.9.9"),
        (observed(ONE, live="blue"), "rollback", {"release": "1.0.0"}, "already_live", "1.0.0"),
        (observed(ONE, live="blue"), "blue_green_switch", {}, "nothing_to_switch_to", "empty"),
        (observed(), "blue_green_switch", {}, "nothing_to_switch_to", "empty"),
        (observed(), "retire", {}, "nothing_live", ""),
        (observed(), "no_such_runbook", {}, "unknown_runbook", "no_such_runbook"),
        (observed(ONE, TWO, live="green", schema="r9"), "rollback", {}, "schema_incompatible", "r9"),
        (observed(ONE, TWO, live="green", schema="r9"), "blue_green_switch", {}, "schema_incompatible", "r9"),
    ],
)
def test_what_cannot_be_planned_is_refused_by_name(
    seen: Observation, runbook: str, options: dict[str, Any], code: str, named: str
) -> None:
    with pytest.raises(Refused) as refused:
        plan(seen, runbook, **options)
    assert refused.value.code == code and refused.value.next_step
    assert named in refused.value.detail


def test_the_nearest_safe_release_is_named() -> None:
    """Of those that can live with the database, the one that was live last."""
    older = release("0.8.0", live_since=1.0, schema={"revision": "r2", "compatible": ["r2"]})
    newer = release("0.9.0", live_since=2.0, schema={"revision": "r2", "compatible": ["r2"]})
    live = release("1.1.0", previous=ONE["id"], live_since=3.0, schema={"revision": "r2", "compatible": ["r2"]})
    known = {older["id"]: older, newer["id"]: newer}
    with pytest.raises(Refused) as refused:
        plan(observed(ONE, live, live="green", schema="r2", releases=known), "rollback")
    assert "0.9.0" in refused.value.next_step and "0.8.0" not in refused.value.next_step


# -- the hash ---------------------------------------------------------------------------------------------------------


def test_the_same_plan_has_the_same_hash() -> None:
    first = plan(observed(ONE, live="blue"), "apply_update", NEW)
    again = plan(observed(ONE, live="blue"), "apply_update", dict(reversed(list(NEW.items()))))
    assert first["hash"] == again["hash"] and len(first["hash"]) == 16
    assert plans.sealed(first)["hash"] == first["hash"]


@pytest.mark.parametrize(
    ("seen", "new"),
    [
        (observed(ONE, live="blue"), {**NEW, "images": {"backend": "backend@other"}}),
        (observed(ONE, live="blue"), {**NEW, "id": "1.2.0-other"}),
        (observed(ONE, live="blue"), {**NEW, "version": "1.2.1"}),
        (observed(ONE, live="blue"), {**NEW, "notes": ["one more"]}),
        (observed(ONE, live="blue", base="partial"), NEW),
        (observed(ONE, TWO, live="blue"), NEW),
        (observed(None, ONE, live="green"), NEW),
        (observed(TWO, live="blue"), NEW),
        (observed(ONE, live="blue", schema=None), NEW),
    ],
)
def test_another_plan_has_another_hash(seen: Observation, new: Release) -> None:
    usual = plan(observed(ONE, live="blue"), "apply_update", NEW)
    assert plan(seen, "apply_update", new)["hash"] != usual["hash"]


def test_what_does_not_matter_does_not_change_the_hash() -> None:
    seen = observed(ONE, live="blue")
    usual = plan(seen, "apply_update", NEW)
    later = observed(ONE, live="blue", drift=["something"], checks=[{"name": "disk", "status": "go"}])
    later["slots"]["blue"]["warm_until"] = 5.0
    assert plan(later, "apply_update", NEW)["hash"] == usual["hash"]


def test_people_read_every_step_of_the_plan() -> None:
    planned = plan(observed(HELD, live="blue"), "apply_update", HELD_TOO)
    text = plans.describe_steps(planned)
    assert planned["hash"] in text and "1.0.0 -> 1.1.0" in text and "backend@1.1.0" in text
    for number, step in enumerate(planned["steps"], 1):
        assert f"{number}. {step['title']}" in text
    assert "nothing to do" in plans.describe_steps(plan(observed(ONE, live="blue"), "apply_update", ONE))

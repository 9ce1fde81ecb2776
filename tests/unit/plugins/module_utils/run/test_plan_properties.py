# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every plan, whatever is observed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import plan as plans
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import SLOTS, other
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan

STATES = st.sampled_from(["running", "partial", "stopped", "absent"])
SCHEMAS: list[dict[str, Any]] = [
    {},
    {"revision": "a", "compatible": ["a"]},
    {"revision": "b", "compatible": ["a", "b"]},
]
RUNBOOKS = ["apply_update", "rollback", "blue_green_switch", "retire"]


@st.composite
def releases(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    found = {}
    for number in range(1, 4):
        name = f"1.{number}.0-{number}"
        found[name] = {
            "id": name,
            "version": f"1.{number}.0",
            "images": {"web": f"web@{number}"},
            "schema": draw(st.sampled_from(SCHEMAS)),
            "jobs": draw(st.sampled_from([[], ["migrate"]])),
            "jobs_done": draw(st.sampled_from([[], ["migrate"]])),
            "strategy": draw(st.sampled_from(["overlap", "hold"])),
            "workers": draw(st.booleans()),
            "previous": draw(st.sampled_from([None, "1.1.0-1", "1.2.0-2"])),
            "live_since": draw(st.sampled_from([None, float(number)])),
            "base": draw(st.sampled_from([[], ["db"]])),
            "manifest": {},
        }
    return found


@st.composite
def observations(draw: st.DrawFn) -> dict[str, Any]:
    known = draw(releases())
    slots: dict[str, Any] = {}
    for slot in SLOTS:
        release = draw(st.sampled_from([None, *sorted(known)[:2]]))
        state = draw(STATES) if release else "absent"
        slots[slot] = {
            "release": release,
            "state": state,
            "ready": state == "running" and draw(st.booleans()),
            "workers": draw(st.sampled_from(["running", "partial", "stopped", "none"])) if release else "none",
            "warm_until": None,
        }
    live = draw(st.sampled_from([None, *(slot for slot in SLOTS if slots[slot]["release"])]))
    return {
        "live": live,
        "traffic": {"live": live or "none", "canary": "", "share": 0},
        "edge": "running" if live else "absent",
        "base": draw(st.sampled_from(["running", "partial", "absent", "none"])),
        "base_has": draw(st.sampled_from([[], ["db"]])),
        "slots": slots,
        "releases": known,
        "jobs": draw(st.sampled_from([[], [{"release": "1.1.0-1", "service": "migrate"}]])),
        "schema": draw(st.sampled_from([None, "a", "b"])),
        "drift": [],
        "checks": [],
    }


def planned(seen: dict[str, Any], runbook: str, one_way: bool) -> dict[str, Any] | None:
    """The plan; None when it is refused, which needs a next step."""
    new = {**seen["releases"]["1.3.0-3"], "notes": []} if runbook == "apply_update" else None
    request = {"runbook": runbook, "service": "shop", "release": new, "options": {"accept_one_way": one_way}}
    try:
        return make_plan(seen, request)[0]
    except Refused as refused:
        assert refused.code and refused.detail and refused.next_step
        return None


@settings(max_examples=150, deadline=None)
@given(observations(), st.sampled_from(RUNBOOKS), st.booleans())
def test_a_plan_never_takes_away_what_serves(seen: dict[str, Any], runbook: str, one_way: bool) -> None:
    plan = planned(seen, runbook, one_way)
    if not plan:
        return
    serving, held = seen["live"], False
    for step in plan["steps"]:
        slot = step["args"].get("slot")
        held = held or step["do"] == "hold"
        if step["do"] == "retire":
            assert slot != serving or not seen["live"], "what serves was removed"
        if step["do"] == "halt":
            assert slot != serving or held, "what serves was stopped before requests were held"
        if step["do"] == "stage" and slot != plan["to"]["slot"]:
            raise AssertionError("another slot than the plan's is started")
        if step["do"] == "shift":
            serving, held = slot, False
    assert serving == plan["to"]["slot"] or not plan["steps"] or runbook == "retire"


@settings(max_examples=150, deadline=None)
@given(observations(), st.booleans())
def test_what_must_not_run_twice_is_never_started_beside_the_other(seen: dict[str, Any], one_way: bool) -> None:
    plan = planned(seen, "apply_update", one_way)
    if not plan or plan["to"]["slot"] == seen["live"]:
        return
    there = [seen["releases"].get(state["release"]) or {} for state in seen["slots"].values()]
    alone = any(record.get("strategy") == "hold" for record in (*there, seen["releases"]["1.3.0-3"]))
    beside = other(plan["to"]["slot"])
    runs = seen["slots"][beside]["state"] in ("running", "partial")
    for step in plan["steps"]:
        runs = runs and not (step["do"] == "halt" and step["args"]["slot"] == beside)
        assert not (alone and runs and step["do"] in ("stage", "run_job"))


@settings(max_examples=150, deadline=None)
@given(observations(), st.sampled_from(RUNBOOKS), st.booleans())
def test_the_order_is_that_of_safety(seen: dict[str, Any], runbook: str, one_way: bool) -> None:
    plan = planned(seen, runbook, one_way)
    dos = [step["do"] for step in plan["steps"]] if plan else []
    order = ["prepare", "base", "hold", "halt", "run_job", "stage", "verify", "shift", "handover", "watch", "settle"]
    known = [order.index(do) for do in dos if do in order]
    assert known == sorted(known)
    assert all(dos.count(do) == 1 for do in set(dos) - {"retire", "run_job"})
    if "shift" in dos:
        assert dos[-1] == "settle"


@settings(max_examples=150, deadline=None)
@given(observations(), st.sampled_from(RUNBOOKS), st.booleans())
def test_a_plan_is_plain_data_made_the_same_way_each_time(seen: dict[str, Any], runbook: str, one_way: bool) -> None:
    before = json.dumps(seen)
    plan = planned(seen, runbook, one_way)
    assert json.dumps(seen) == before
    if plan:
        assert planned(seen, runbook, one_way) == plan
        assert plans.sealed(json.loads(json.dumps(plan))) == plan
        assert plans.sealed({**plan, "notes": [*plan["notes"], "x"]})["hash"] != plan["hash"]
        told = plans.describe_steps(plan)
        assert plan["hash"] in told and all(step["title"] in told for step in plan["steps"])


@settings(max_examples=150, deadline=None)
@given(observations(), st.sampled_from(SLOTS))
def test_going_back_ends_where_it_came_from(seen: dict[str, Any], slot: str) -> None:
    """From any state: what served before serves again, and what a run started is not left running."""
    start, goal = seen["slots"][slot]["release"], "1.3.0-3"
    if not start:
        return
    ends = [{"slot": one, "release": release} for one, release in ((slot, start), (other(slot), goal))]
    steps = plans.back(seen, *ends, seen["releases"][start])
    shifted = [step["args"]["slot"] for step in steps if step["do"] == "shift"]
    assert shifted == ([] if seen["live"] == slot and not seen["traffic"]["share"] else [slot])
    assert not [step for step in steps if step["do"] in ("halt", "retire") and step["args"]["slot"] == slot]
    assert not [step for step in steps if step["do"] in ("run_job", "watch", "verify")]

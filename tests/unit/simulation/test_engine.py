# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run does when somebody or something gets in its way, each case by name."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import act
from ansible_collections.steady.runbooks.plugins.module_utils.run.engine import Context
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished
from ansible_collections.steady.runbooks.plugins.module_utils.verify.tally import Proof

from . import play
from .machine import SETTINGS, Machine
from .platform import MemoryPlatform, SimulatedProber
from .scenarios import ALONE, ALONE_TOO, ONE, SCENARIOS, THREE, TWO, Scenario

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def at(machine: Machine, scenario: Scenario, what: str, where: str = "enter", last: bool = False) -> int:
    """The number of a point of a scenario, which is then played from its beginning again."""
    scenario.prepare(machine)
    start = machine.save()
    machine.load(start)
    scenario.play(machine)
    numbers = [number for number, point in enumerate(machine.script.seen) if point == (what, where)]
    machine.load(start)
    return numbers[-1 if last else 0]


def asks_to_go_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of SIGTERM: somebody runs rollback.yml while the run watches."""

    def begun(self: Machine, context: Context) -> None:
        by = {"actor": {"user": "ann"}, "reason": "it looks odd", "run": "20300101T000000-rollback-0000ff"}
        self.script.interrupt = lambda: context.journal.request_return(by)

    monkeypatch.setattr(Machine, "_begun", begun)


def test_a_watch_gives_way_to_a_rollback(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    number = at(machine, BY_NAME["second"], "sample")
    asks_to_go_back(machine, monkeypatch)
    machine.script.faults = {number: "end"}
    result = BY_NAME["second"].play(machine)
    machine.script.lift()
    assert result["outcome"] == "undone" and play.serving(machine) == ONE["id"]
    assert result["failure"]["code"] == "preempted"
    assert "ann" in result["failure"]["detail"] and "rollback-0000ff" in result["failure"]["detail"]
    assert result["rolled_back"] and machine.ledger.last()["failure"]["code"] == "preempted"
    assert machine.not_whole() == []


def test_a_watch_past_the_point_of_no_return_goes_on_when_it_is_asked_to_go_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = at(machine, BY_NAME["one way"], "sample")
    asks_to_go_back(machine, monkeypatch)
    machine.script.faults = {number: "end"}
    result = BY_NAME["one way"].play(machine)
    machine.script.lift()
    assert result["outcome"] == "kept" and play.serving(machine) == result["to"]["release"]
    assert "mend forward" in result["failure"]["next_step"]
    assert machine.not_whole() == []


@pytest.mark.parametrize("what", ["stage", "shift", "handover", "sample", "settle"])
def test_a_run_that_is_asked_to_end_goes_back(machine: Machine, what: str) -> None:
    machine.script.faults = {at(machine, BY_NAME["second"], what): "end"}
    result = BY_NAME["second"].play(machine)
    machine.script.lift()
    assert (result["outcome"], result["failure"]["code"]) == ("undone", "terminated")
    assert play.serving(machine) == ONE["id"] and machine.not_whole() == []


@pytest.mark.parametrize("what", ["shift", "handover", "settle", "halt"])
def test_going_back_is_never_interrupted(machine: Machine, what: str) -> None:
    scenario = BY_NAME["fails its watch"]
    machine.script.faults = {at(machine, scenario, what, "within", last=True): "end"}
    result = scenario.play(machine)
    machine.script.lift()
    assert (result["outcome"], result["failure"]["code"]) == ("undone", "watch_failed")
    assert "going_back" not in result["failure"]
    assert machine.not_whole() == []


@pytest.mark.parametrize("what", ["write ledger.jsonl", "write ledger.head", "write result.json"])
def test_recording_is_never_interrupted(machine: Machine, what: str) -> None:
    machine.script.faults = {at(machine, BY_NAME["second"], what, "before"): "end"}
    result = BY_NAME["second"].play(machine)
    machine.script.lift()
    assert result["outcome"] == "done" and play.serving(machine) == TWO["id"]
    assert [entry["outcome"] for entry in machine.ledger.entries()] == ["done", "done"]


def test_a_switch_that_users_notice_is_undone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    BY_NAME["second"].prepare(machine)
    machine.script.lift()
    counted = iter(range(0, 1000, 100))
    monkeypatch.setattr(SimulatedProber, "stop", lambda self: Proof(sent=100, failed=40))
    monkeypatch.setattr(
        MemoryPlatform, "counters", lambda self: {"green": {"requests": (n := next(counted)) + 100, "errors": n}}
    )
    result = BY_NAME["second"].play(machine)
    assert (result["outcome"], result["failure"]["code"]) == ("undone", "switch_breached")
    assert result["proof"]["breach"] and "proof_back" in result
    assert play.serving(machine) == ONE["id"] and machine.not_whole() == []


def test_an_edge_that_does_not_count_keeps_nobody_from_rolling_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    BY_NAME["rollback warm"].prepare(machine)
    machine.script.lift()
    machine.script.broken = {"counters"}
    result = BY_NAME["rollback warm"].play(machine)
    assert result["outcome"] == "done" and play.serving(machine) == ONE["id"]


def test_probing_ends_with_the_run_whatever_happened(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    probing: list[SimulatedProber] = []
    stop = SimulatedProber.stop

    def starts(self: SimulatedProber) -> None:
        probing.append(self)

    def stops(self: SimulatedProber) -> Proof:
        probing.remove(self)
        return stop(self)

    monkeypatch.setattr(SimulatedProber, "start", starts)
    monkeypatch.setattr(SimulatedProber, "stop", stops)
    machine.script.faults = {at(machine, BY_NAME["exclusive"], "hold"): "fail"}
    result = BY_NAME["exclusive"].play(machine)
    assert result["outcome"] == "undone" and "proof" in result
    assert not probing


@pytest.mark.parametrize(
    ("scenario", "why"), [("first", "nothing served before"), ("second", "no HTTP port is published")]
)
def test_why_a_switch_was_not_probed_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, scenario: str, why: str
) -> None:
    BY_NAME[scenario].prepare(machine)
    monkeypatch.setattr(MemoryPlatform, "entrances", lambda self: [])
    steps = BY_NAME[scenario].play(machine)["steps"]
    assert f"not probed: {why}" in next(step["evidence"]["say"] for step in steps if step["do"] == "shift")


@pytest.mark.parametrize("kind", ["fail once", "fail", "lost answer"])
def test_a_hold_that_fails_holds_nobody(machine: Machine, kind: str) -> None:
    where = "after" if kind == "lost answer" else "enter"
    machine.script.faults = {at(machine, BY_NAME["exclusive"], "hold", where): kind}
    result = BY_NAME["exclusive"].play(machine)
    machine.script.lift()
    assert result["outcome"] == "undone" and play.serving(machine) == ALONE["id"]
    assert machine.not_whole() == []


def test_a_first_deployment_that_fails_leaves_nothing_that_runs(machine: Machine) -> None:
    scenario = BY_NAME["first that never starts"]
    scenario.prepare(machine)
    machine.script.lift()
    result = scenario.play(machine)
    assert result["outcome"] == "undone" and result["from"] is None
    assert machine.world.state.traffic == "none" and machine.not_whole() == []
    assert machine.run("apply_update", ONE)["outcome"] == "done"


def test_a_run_on_a_ledger_that_was_changed_is_refused_before_it_changes_anything(machine: Machine) -> None:
    BY_NAME["second"].prepare(machine)
    machine.script.lift()
    content = machine.files.read("ledger.jsonl") or b""
    machine.files.write("ledger.jsonl", content.replace(b'"done"', b'"gone"'))
    result = BY_NAME["second"].play(machine)
    assert (result["outcome"], result["failure"]["code"]) == ("refused", "ledger_broken")
    assert not result["changed"] and play.serving(machine) == ONE["id"] and not machine.world.wrong
    assert "move ledger.jsonl and ledger.head" in result["failure"]["next_step"]
    for name in ("ledger.jsonl", "ledger.head"):
        machine.files.remove(name)
    assert BY_NAME["second"].play(machine)["outcome"] == "done"


def test_a_full_disk_is_a_refusal_before_the_first_change(machine: Machine) -> None:
    machine.script.faults = {at(machine, BY_NAME["second"], "write intent.json", "before"): "fail once"}
    result = BY_NAME["second"].play(machine)
    machine.script.lift()
    assert (result["outcome"], result["failure"]["code"]) == ("refused", "state_not_written")
    assert play.serving(machine) == ONE["id"] and machine.not_whole() == []


def test_a_stuck_run_names_both_failures_and_is_recovered(machine: Machine) -> None:
    machine.script.faults = {at(machine, BY_NAME["exclusive"], "stage"): "fail"}
    # neither can be started now: not the new one, nor the old one again
    result = BY_NAME["exclusive"].play(machine)
    assert result["outcome"] == "stuck" and result["failure"]["stage"] == "stage"
    assert result["failure"]["going_back"]["code"] == "on_purpose"
    dead = unfinished(machine.files, machine.clock)
    assert dead is not None and dead.run == result["run"]
    machine.script.lift()
    rescue = machine.run("recover")
    assert rescue["outcome"] == "done" and play.serving(machine) == ALONE["id"]
    assert (dead.result() or {})["outcome"] == "recovered" and (dead.result() or {})["by"] == rescue["run"]
    assert machine.not_whole() == []


def test_a_plan_that_does_not_match_any_more_is_refused(machine: Machine) -> None:
    BY_NAME["third"].prepare(machine)
    machine.script.lift()
    planned = machine.plan("apply_update", THREE, {})
    assert machine.run("rollback")["outcome"] == "done"
    result = machine.act(planned, THREE, {})
    assert (result["outcome"], result["failure"]["code"]) == ("refused", "plan_drifted")


def test_the_ledger_tells_each_run_once_with_its_evidence(machine: Machine) -> None:
    BY_NAME["rollback warm"].prepare(machine)
    machine.script.lift()
    assert BY_NAME["rollback warm"].play(machine)["outcome"] == "done"
    entries = list(machine.ledger.entries())
    assert [(one["runbook"], one["outcome"]) for one in entries] == [
        ("apply_update", "done"),
        ("apply_update", "done"),
        ("rollback", "done"),
    ]
    for entry in entries:
        assert entry["proof"]["say"] and entry["plan"] and entry["to"]["images"]
    assert entries[1]["watch"]["outcome"] in ("pass", "inconclusive")
    json.dumps(entries)


# -- the end of the warm window ---------------------------------------------------------------------------------------


def warm(machine: Machine) -> Machine:
    """1.1.0 serves, and 1.0.0 is kept warm."""
    BY_NAME["third"].prepare(machine)
    machine.script.lift()
    machine.world.intent = lambda: {"direction": None, "from": None, "to": {}}
    return machine


def test_the_idle_slot_is_stopped_at_the_end_of_its_window(machine: Machine) -> None:
    began = warm(machine).clock.now()
    act.keep_warm(machine.platform, {"run": "x"}, machine.clock)
    assert machine.clock.now() - began == pytest.approx(SETTINGS["warm_seconds"], abs=10)
    assert machine.world.state.slots["blue"].web == "stopped"
    assert play.serving(machine) == TWO["id"] and machine.not_whole() == []


def test_the_window_of_a_run_ends_for_it_when_another_run_was_here(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm(machine)
    sleep = machine.clock.sleep

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        monkeypatch.setattr(machine.clock, "sleep", sleep)
        machine.world.intent = machine.written_intent
        assert machine.run("rollback")["outcome"] == "done"

    monkeypatch.setattr(machine.clock, "sleep", meanwhile)
    act.keep_warm(machine.platform, {"run": "x"}, machine.clock)
    assert machine.world.state.slots["blue"].web == "running"
    assert play.serving(machine) == ONE["id"]


def test_the_slot_beside_a_dead_run_is_left_to_who_recovers_it(machine: Machine) -> None:
    warm(machine)
    machine.world.intent = machine.written_intent
    machine.script.faults = {20: "kill"}
    assert machine.run("apply_update", THREE)["outcome"] == "killed"
    machine.script.lift()
    slots = {name: slot.web for name, slot in machine.world.state.slots.items()}
    act.keep_warm(machine.platform, {"run": "x"}, machine.clock)
    assert {name: slot.web for name, slot in machine.world.state.slots.items()} == slots


def test_exclusive_releases_never_serve_both(machine: Machine) -> None:
    """The last word on decision 5, without any fault."""
    for one in (ALONE, ALONE_TOO):
        assert machine.run("apply_update", one)["outcome"] == "done"
    assert machine.run("rollback")["outcome"] == "done"
    assert play.serving(machine) == ALONE["id"] and machine.not_whole() == []

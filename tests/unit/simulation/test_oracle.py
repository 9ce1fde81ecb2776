# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the simulation finds what it is for: each mistake that is made on purpose here has to be found."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import act
from ansible_collections.steady.runbooks.plugins.module_utils.run import engine, in_place, recover
from ansible_collections.steady.runbooks.plugins.module_utils.run import plan as plans
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import other
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import Journal
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger

from . import play
from .machine import Machine
from .platform import STATE_SERVICES, MemoryPlatform
from .scenarios import SCENARIOS

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def found(machine: Machine, name: str) -> str:
    """What the simulation has to say about a scenario."""
    played, empty = play.Played(), machine.save()
    try:
        play.single(machine, BY_NAME[name], played)
        if not played.wrong:
            machine.load(empty)
            play.pairs(machine, BY_NAME[name], played)
    except AssertionError as error:
        return str(error)  # it was wrong without any fault already
    return " ".join(one for wrong in played.wrong.values() for one in wrong)


def test_a_base_that_does_not_look_first_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    def base(self: MemoryPlatform, release: Any, progress: Any) -> dict[str, Any]:
        with self._call("base"):
            for service in STATE_SERVICES:
                self.world.state.base.append(service)
                self._did("base")
            self.world.state.base_kept = True
            self._did("base")
            return {"changed": True}

    monkeypatch.setattr(MemoryPlatform, "base", base)
    assert "runs twice" in found(machine, "first")


def test_a_stage_that_fails_on_what_it_began_itself_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    right = MemoryPlatform.stage

    def stage(self: MemoryPlatform, slot: str, release: Any, progress: Any) -> dict[str, Any]:
        if self.world.slot(slot).web == "running":
            raise RuntimeError("the name is in use")
        return right(self, slot, release, progress)

    monkeypatch.setattr(MemoryPlatform, "stage", stage)
    assert "recover ended as" in found(machine, "rollback cold")


def test_schedulers_that_start_before_the_others_stop_are_found(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    def handover(self: MemoryPlatform, slot: str, progress: Any) -> dict[str, Any]:
        with self._call("handover"):
            self.world.slot(slot).hands = set(self.world.record(slot).get("hands") or ())
            self._did("handover")
            self.world.slot(other(slot)).hands = set()
            self._did("handover")
            return {"changed": True}

    monkeypatch.setattr(MemoryPlatform, "handover", handover)
    assert "two schedulers run" in found(machine, "second")


def test_an_intent_that_is_written_too_late_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """After the first step instead of before it."""
    intend, log = Journal.intend, Journal.log
    waiting: dict[str, Any] = {}

    def late(self: Journal, intent: dict[str, Any]) -> None:
        waiting[self.run] = intent

    def then(self: Journal, event: str, **details: Any) -> None:
        log(self, event, **details)
        if event == "done" and self.run in waiting:
            intend(self, waiting.pop(self.run))

    monkeypatch.setattr(Journal, "intend", late)
    monkeypatch.setattr(Journal, "log", then)
    assert "before any intent was written" in found(machine, "second")


def test_a_turn_that_is_not_written_down_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    intend = Journal.intend
    monkeypatch.setattr(
        Journal, "intend", lambda self, intent: None if self.intent() is not None else intend(self, intent)
    )
    assert "the intent says forward" in found(machine, "fails its watch")


def test_a_result_before_the_steps_are_done_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    intend = Journal.intend

    def early(self: Journal, intent: dict[str, Any]) -> None:
        intend(self, intent)
        self.files.write_json(f"{self.where}/result.json", {"run": self.run, "outcome": "done"})

    monkeypatch.setattr(Journal, "intend", early)
    assert found(machine, "exclusive")


def test_a_stuck_run_that_counts_as_ended_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    finish = Journal.finish

    def over(self: Journal, result: dict[str, Any]) -> None:
        finish(self, result)
        self.files.remove("run.current")

    monkeypatch.setattr(Journal, "finish", over)
    assert "a stuck run cannot be recovered" in found(machine, "rollback exclusive")


def test_a_recovery_of_a_recovery_that_forgets_what_it_was_for_is_found(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    monkeypatch.setattr(recover, "root", lambda dead: dead)
    monkeypatch.setattr(engine, "root", lambda dead: None)
    assert "was to finish" in found(machine, "rollback warm")


def test_going_back_that_stops_what_serves_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    back = plans.back

    def stops(observed: Any, start: Any, goal: Any, release: Any) -> list[dict[str, Any]]:
        return [*back(observed, start, goal, release), {"do": "halt", "title": "", "args": {"slot": goal["slot"]}}]

    monkeypatch.setattr(plans, "back", stops)
    assert "is stopped and not ready" in found(machine, "retire")


def test_a_prune_that_takes_what_a_rollback_needs_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(in_place, "_needed", lambda observed: {})
    assert "what a rollback needs is removed" in found(machine, "prune beside a retired slot")


def test_going_back_that_leaves_the_maintenance_page_is_found(
    monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    right = in_place.maintenance
    monkeypatch.setattr(in_place, "maintenance", lambda *args: (right(*args)[0], right(*args)[0]))
    assert "the page is up" in found(machine, "maintenance")


def test_a_shift_to_what_is_not_ready_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    towards = plans.towards

    def hasty(*args: Any, **named: Any) -> list[dict[str, Any]]:
        known = args[2]["id"] in args[0]["releases"]
        return [step for step in towards(*args, **named) if step["do"] != "stage" or not known]

    monkeypatch.setattr(plans, "towards", hasty)
    assert "not ready" in found(machine, "rollback cold")


def test_a_ledger_that_does_not_heal_is_found(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(Ledger, "_settled_head", lambda self: self.head())
    assert found(machine, "second")


def test_another_run_beside_a_dead_one_is_refused(machine: Machine) -> None:
    """And not because the simulation would not notice: the runbooks themselves say so."""
    scenario = BY_NAME["second"]
    scenario.prepare(machine)
    machine.script.lift()
    machine.script.faults = {25: "kill"}
    assert scenario.play(machine)["outcome"] == "killed"
    machine.script.lift()
    for runbook in ("rollback", "blue_green_switch", "retire"):
        assert machine.run(runbook)["failure"]["code"] == "dead_run"
    assert act.unfinished(machine.files, machine.clock) is not None

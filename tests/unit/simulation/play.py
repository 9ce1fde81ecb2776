# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playing a scenario through its faults, and the oracle that says whether all ended as it has to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished

from .machine import Machine, Snapshot
from .scenarios import Scenario

Result = dict[str, Any]


@dataclass
class Played:
    """How many cases were played, and what was wrong in which."""

    cases: int = 0
    recovered: int = 0  # of them needed recover.yml
    runs: int = 0  # of random histories
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def note(self, case: str, wrong: list[str]) -> None:
        self.cases += 1
        if wrong:
            self.wrong[case] = wrong

    def say(self, most: int = 10) -> str:
        """What was wrong, for the message of a failed test."""
        lines = [f"{len(self.wrong)} of {self.cases} cases went wrong"]
        for case, wrong in list(self.wrong.items())[:most]:
            lines += [f"  {case}", *(f"    - {one}" for one in wrong[:5])]
        return "\n".join(lines)


def begin(machine: Machine, scenario: Scenario) -> tuple[Snapshot, list[tuple[int, str]]]:
    """Where the scenario begins, and every fault that can happen in it."""
    scenario.prepare(machine)
    start = machine.save()
    machine.load(start)
    result = scenario.play(machine)
    faults = machine.script.cases()
    wrong = [*followed(result), *machine.not_whole()]
    assert result["outcome"] == scenario.outcome and not wrong, (scenario.name, result, wrong)
    return start, faults


def serving(machine: Machine) -> str | None:
    """The release that gets the requests."""
    state = machine.world.state
    if state.plain.web == "running" and state.plain.release:
        return str(state.plain.release["id"])
    return state.slots[state.traffic].release if state.traffic in state.slots else None


def followed(result: Result) -> list[str]:
    """The steps forward are those of the plan, in its order: what --check prints is what is done."""
    if "steps" not in result or "titles" not in result or result["outcome"] == "refused":
        return []
    turned = next((number for number, step in enumerate(result["steps"]) if "evidence" not in step), None)
    done = [step["title"] for step in result["steps"]]
    planned = result["titles"]
    if result["outcome"] == "done":
        return [] if done == planned else [f"planned {planned}, did {done}"]
    ahead = done[: (len(done) if turned is None else turned + 1)]
    return [] if ahead == planned[: len(ahead)] else [f"planned {planned}, began with {ahead}"]


def judged(machine: Machine, result: Result, before: str | None) -> list[str]:
    """What is wrong about a result that no recover followed."""
    wrong = [*followed(result), *page(machine, result)]
    expected = {"refused": before, "undone": (result.get("from") or {}).get("release")}
    expected |= dict.fromkeys(("done", "kept"), (result.get("to") or {}).get("release"))
    if result["outcome"] not in expected:
        wrong.append(f"ended as {result['outcome']}: {result.get('failure') or result}")
    elif serving(machine) != expected[result["outcome"]]:
        wrong.append(f"ended as {result['outcome']}, but {serving(machine)} serves")
    elif result["outcome"] == "done" and result["runbook"] == "apply_update" and result["from"]:
        wrong += undoable(machine, result["from"]["release"])
    return wrong


def page(machine: Machine, result: Result) -> list[str]:
    """Users get the maintenance page, or not, as the run says that it did."""
    asked = [title.startswith("Answer users") for title in result.get("titles") or [] if "users" in title]
    if not asked or result["outcome"] not in ("done", "undone"):
        return []
    wanted = asked[-1] if result["outcome"] == "done" else not asked[-1]
    there = machine.world.state.maintenance
    return [] if there == wanted else [f"ended as {result['outcome']}, but the page is up: {there}"]


def undoable(machine: Machine, before: str) -> list[str]:
    """An update that was done is undone by one command, or not at all for a reason that was told before."""
    try:
        to = machine.plan("rollback", None, {})["to"]["release"]
    except Refused as error:
        return [] if error.code == "schema_incompatible" else [f"no way back: {error.detail}"]
    return [] if to == before else [f"a rollback would go to {to} instead of {before}"]


def ended(machine: Machine, result: Result, before: str | None, hopeless: str, **options: Any) -> list[str]:
    """After a run with a fault: mend what was broken, recover if a run is dead or stuck, and say what is wrong.

    *hopeless*: how a release ends that fails without any fault of ours, and so fails again when its run is finished.
    """
    machine.script.lift()
    if result["outcome"] not in ("killed", "stuck"):
        return [*judged(machine, result, before), *machine.not_whole()]
    rescue = machine.run("recover", options=options)
    wrong = [*followed(rescue), *page(machine, rescue)]
    if rescue["outcome"] == "refused" and rescue["failure"]["code"] == "nothing_to_recover":
        if result["outcome"] == "stuck":
            wrong.append("a stuck run cannot be recovered")
        return [*wrong, *machine.not_whole()]
    if rescue["outcome"] not in ("done", hopeless):
        wrong.append(f"recover ended as {rescue['outcome']}: {rescue.get('failure')}")
    if rescue["outcome"] == "done":
        told = (rescue["from" if rescue["rolled_back"] else "to"] or {}).get("release")
        if serving(machine) != told:
            wrong.append(f"recover said that {told} serves, but it is {serving(machine)}")
    wrong += machine.remnants()
    return [*wrong, *machine.not_whole()]


def single(machine: Machine, scenario: Scenario, played: Played) -> None:
    """Every fault of a scenario, one at a time. What two kills left alike is recovered from once."""
    start, faults = begin(machine, scenario)
    seen: set[Any] = set()
    for number, kind in faults:
        machine.load(start)
        before = serving(machine)
        machine.script.faults = {number: kind}
        result = scenario.play(machine)
        what, where = machine.script.seen[number]
        survived = machine.survivors() if kind == "kill" else None
        if survived in seen:
            played.cases += 1
            continue
        seen.add(survived or (number, kind))
        dead = unfinished(machine.files, machine.clock)
        wrong = ended(machine, result, before, scenario.outcome)
        if dead and kind not in ("kill", "fail") and "write" not in what:
            wrong.append(f"one fault that a run survives left it {result['outcome']}: {result.get('why')}")
        played.recovered += result["outcome"] in ("killed", "stuck")
        played.note(f"{scenario.name}: {kind} at {what} ({where}, point {number})", wrong)


def planned_way(machine: Machine) -> str | None:
    """Which way a recovery would go by itself."""
    try:
        way: str = machine.plan("recover", None, {})["way"]
    except Refused:
        return None
    return way


def turned(machine: Machine) -> bool:
    dead = unfinished(machine.files, machine.clock)
    return bool(dead and (dead.intent() or {})["direction"] == "back")


def kills(faults: list[tuple[int, str]]) -> Iterator[int]:
    return (number for number, kind in faults if kind == "kill")


def pairs(machine: Machine, scenario: Scenario, played: Played, **options: Any) -> None:
    """Every kill of a scenario, and after each every kill of the recover that follows.

    What a recover does depends only on what survived: what two kills left alike is recovered from once.
    """
    start, faults = begin(machine, scenario)
    dead_once: dict[Any, int] = {}
    dead_twice: set[Any] = set()
    for first in kills(faults):
        machine.load(start)
        before = serving(machine)
        machine.script.faults = {first: "kill"}
        scenario.play(machine)
        where = machine.script.seen[first]
        machine.script.lift()
        dead, survived = machine.save(), machine.survivors()
        if survived in dead_once:
            played.cases += dead_once[survived]
            continue
        way = planned_way(machine)
        machine.run("recover", options=options)
        seconds = list(kills(machine.script.cases()))
        dead_once[survived] = len(seconds)
        for second in seconds:
            machine.load(dead)
            machine.script.faults = {second: "kill"}
            result = machine.run("recover", options=options)
            place = machine.script.seen[second]
            survived = machine.survivors()
            wrong = []
            if survived not in dead_twice:
                machine.script.lift()
                now = planned_way(machine)
                if way == "finish" and now == "back" and not options and not turned(machine):
                    wrong.append("a recovery was to finish a run, and the next one would go back")
                wrong += ended(machine, result, before, scenario.outcome, **options)
            dead_twice.add(survived)
            played.note(f"{scenario.name}: kill at {where} ({first}), then of recover at {place} ({second})", wrong)

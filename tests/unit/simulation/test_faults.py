# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every runbook, and in it every fault at every point: one whole release serves in the end.

``STEADY_SEED=N`` plays other histories, ``STEADY_HISTORIES=N`` more of them, ``STEADY_PAIRS=all`` every pair of kills
of every scenario; the summary of pytest tells how many cases were played.
"""

from __future__ import annotations

import os
import random
from typing import Callable

import pytest

from . import play
from .history import History
from .machine import Machine
from .scenarios import SCENARIOS, Scenario

SEED = int(os.environ.get("STEADY_SEED", "1"))
HISTORIES = int(os.environ.get("STEADY_HISTORIES", "40"))
STEPS = 12
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
# Each is one way through the plans of an update and a rollback; the others differ from them in single steps.
PAIRED = (
    "first",
    "second",
    "exclusive migration",
    "becomes exclusive",
    "fails its watch",
    "rollback warm",
    "rollback cold",
    "rollback exclusive",
    "retire",
    "adopt",
    "unadopt after updates",
)
if os.environ.get("STEADY_PAIRS") == "all":
    PAIRED = tuple(BY_NAME)


Record = Callable[[str, object], None]


def told(played: play.Played, record: Record) -> None:
    """For the summary, see ``conftest.py``."""
    counts = {"cases": played.cases, "recovered": played.recovered, "runs": played.runs}
    record("played", {**counts, "seed": SEED})
    assert not played.wrong, played.say()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_single_fault(machine: Machine, scenario: Scenario, record_property: Record) -> None:
    """Kill, fail, fail once, be slow, lose the answer, meet a defect, be asked to end: at every point."""
    played = play.Played()
    play.single(machine, scenario, played)
    assert played.cases > 40
    told(played, record_property)


@pytest.mark.parametrize("name", PAIRED)
def test_every_pair_of_kills(machine: Machine, name: str, record_property: Record) -> None:
    played = play.Played()
    play.pairs(machine, BY_NAME[name], played)
    assert played.cases > 100
    told(played, record_property)


@pytest.mark.parametrize("direction", ["finish", "back"])
@pytest.mark.parametrize("name", ["second", "rollback warm", "retire"])
def test_every_pair_of_kills_in_a_direction_of_ones_own(
    machine: Machine, name: str, direction: str, record_property: Record
) -> None:
    played = play.Played()
    play.pairs(machine, BY_NAME[name], played, direction=direction)
    told(played, record_property)


@pytest.mark.parametrize("number", range(6))
def test_histories_from_a_seed(machine: Machine, number: int, record_property: Record) -> None:
    """Several faults a run, dead recoveries of dead recoveries, and releases of all kinds after each other."""
    played = play.Played()
    start = machine.save()
    for index in range(number, HISTORIES, 6):
        machine.load(start)
        history = History(machine, random.Random(f"{SEED} {index}"))
        for step in range(STEPS):
            wrong = history.step()
            played.note(f"STEADY_SEED={SEED}, history {index}, step {step}", wrong)
            if wrong:
                break
        played.runs += history.runs
    told(played, record_property)

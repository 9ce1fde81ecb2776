# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every runbook, and in it every fault at every point: one whole release serves in the end."""

from __future__ import annotations

import pytest

from . import play
from .machine import Machine
from .scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_single_fault(machine: Machine, scenario: Scenario) -> None:
    played = play.Played()
    play.single(machine, scenario, played)
    assert played.cases > 40
    assert not played.wrong, played.say()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platform in memory keeps the contract, so what is played on it means something."""

from __future__ import annotations

from typing import Any

import pytest

from . import scenarios
from .contract_suite import PlatformContract
from .machine import Machine
from .platform import MemoryPlatform
from .scenarios import Release


class MemoryStand:
    """A look at the world itself."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.platform: MemoryPlatform = machine.platform
        machine.world.state.schema = "r1"
        machine.world.intent = lambda: {"direction": None, "from": None, "to": {}}  # no run is at work here

    def release(self, version: str, *, hands: bool = True, fails: bool = False) -> Release:
        acts: dict[str, Any] = {"start_seconds": None if fails else 1.0}
        names = ("worker", "scheduler") if hands else ()
        return scenarios.release(version, hands=names, jobs=["migrate"], acts=acts)

    def running(self, slot: str) -> set[str]:
        one = self.machine.world.slot(slot)
        return one.hands | ({"web"} if one.web == "running" else set())

    def answers(self) -> str:
        live, page = self.machine.world.state.traffic, self.machine.world.state.maintenance
        return live if not page and live in ("blue", "green") and self.machine.world.ready(live) else ""

    def wrong(self) -> list[str]:
        return self.machine.world.wrong


class TestInMemory(PlatformContract):
    @pytest.fixture
    def stand(self, machine: Machine) -> MemoryStand:
        return MemoryStand(machine)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target for each test, in memory where there is a file system for that."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .machine import Machine


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many cases were played, and from which seed."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [dict(getattr(report, "user_properties", ())).get("played") for report in reports]
    played = [one for one in told if one]
    if played:
        cases, recovered, runs = (sum(one[name] for one in played) for name in ("cases", "recovered", "runs"))
        seed = f"{runs:,} runs of histories from seed {played[0]['seed']}"
        terminalreporter.write_line(f"simulation: {cases:,} cases, {recovered:,} recovered, {seed}")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A fresh target."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="steady-simulation-") as folder:
        root = Path(folder, "shop")
        root.mkdir()
        yield Machine(str(root))

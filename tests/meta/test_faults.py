# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of faults names tests that there are, and every test of a fault."""

from __future__ import annotations

import re

from ansible_collections.steady.runbooks.tests.meta import tree

OURS = ("test_kill.py", "test_engine_kill.py", "test_faults.py", "test_faults_around.py")
# Of the way in which the other tests drive runs, not of a fault.
BESIDE = {"test_kill.py::test_a_playbook_ends_a_dead_run_and_plans_what_we_plan"}


def cases(file: str) -> set[str]:
    text = (tree.ROOT / "tests" / "system" / file).read_text()
    return {f"{file}::{name}" for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_each_fault_has_a_test_and_each_test_its_fault() -> None:
    table = (tree.ROOT / "docs/docsite/rst/faults.rst").read_text()
    named = set(re.findall(r"``(test_\w+\.py::test_\w+)``", table))
    there = {case for file in {name.partition("::")[0] for name in named} for case in cases(file)}
    assert named - there == set()
    assert {case for file in OURS for case in cases(file)} - named == BESIDE

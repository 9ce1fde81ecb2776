# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A runbook says what it does before anybody has to run it."""

from __future__ import annotations

import re

import pytest

from ansible_collections.steady.runbooks.tests.meta import tree

PLAYBOOKS = tree.playbooks()
GUARD = re.compile(r"^\{\{\s*lookup\('steady\.runbooks\.environment'")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_header(playbook: str) -> None:
    text = tree.header(playbook)
    assert re.match(r"(What it does: )?[A-Z][^.]+", text), "the comment at the top does not begin with what it does"
    assert re.search(r"(?m)^(When it is safe|Safe)\b", text), "the comment at the top does not say when it is safe"
    assert re.search(r"(?m)^(How to undo|Undo)\b", text), "the comment at the top does not say how to undo it"
    assert tree.command(playbook), "the comment at the top has no command to copy"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_play_is_guarded(playbook: str) -> None:
    for number, play in enumerate(tree.load(tree.ROOT / "playbooks" / f"{playbook}.yml"), 1):
        if set(play) & {"import_playbook", "ansible.builtin.import_playbook"}:
            continue
        assert GUARD.match(str(play.get("hosts"))), f"play {number}: hosts is not the guard"
        assert play.get("gather_facts") is False, f"play {number} gathers facts"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_is_in_the_readme(playbook: str) -> None:
    rows = [line for line in (tree.ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    assert any(re.search(rf"\b{playbook}(\.yml)?\b", row.split("|")[1]) for row in rows), "no row in README's tables"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_runs_on_a_real_host(playbook: str) -> None:
    assert ("playbooks", playbook) in tree.exercised(), "no system or molecule test names it"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger told and verified, read from real files; nothing is changed."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.modules import compose_history_info as module


def test_tells_the_runs(run, lines, state):
    before = state()
    told = run(module)
    assert told["changed"] is False
    assert [entry["to"]["version"] for entry in told["entries"]] == ["1.0.0", "1.1.0"]
    assert "apply_update nothing -> 1.0.0: done" in told["text"]
    assert told["head"]["seq"] == 2
    assert "verified" not in told
    checked = run(module, check=True)
    assert {**checked, "invocation": None} == {**told, "invocation": None}
    assert state() == before


def test_filters(run, lines):
    assert [entry["seq"] for entry in run(module, limit=1)["entries"]] == [2]
    assert [entry["seq"] for entry in run(module, since="2030-03-18")["entries"]] == [2]


def test_verifies_against_the_chain_and_a_saved_head(run, lines):
    head = run(module)["head"]
    saved = f"{head['seq']}:{head['hash']}"
    assert run(module, verify=True)["verified"]["entries"] == 2
    assert run(module, head=saved)["verified"]["entries"] == 2
    lines.write_bytes(lines.read_bytes().replace(b"alice", b"mallo"))
    changed = run(module, verify=True)
    assert changed["failed"] is True
    assert changed["failure"]["code"]
    assert changed["failure"]["next_step"] in changed["msg"]


@pytest.mark.parametrize(
    "arguments", [{"limit": 0}, {"since": "yesterday"}, {"head": "2"}, {"settings": {"name": "A B"}}]
)
def test_refuses_what_it_does_not_understand(run, lines, arguments):
    said = run(module, **arguments)
    assert said["failed"] is True
    assert said["failure"]["next_step"]


def test_no_ledger_is_no_failure(run):
    assert run(module)["entries"] == []

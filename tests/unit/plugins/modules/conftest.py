# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules run as Ansible runs them, arguments and all; what they ask of a host is faked at the platform."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from ansible.module_utils import basic

from ansible_collections.steady.runbooks.plugins.module_utils.compose.platform import ComposePlatform

SERVING = {
    "id": "1.1.0-22222222",
    "version": "1.1.0",
    "images": {"web": "hello@sha256:2"},
    "schema": {},
    "jobs": [],
    "jobs_done": [],
    "strategy": "overlap",
    "workers": False,
    "previous": "1.0.0-11111111",
    "environment": {"TOKEN": "never-told"},
}
BEFORE = {**SERVING, "id": "1.0.0-11111111", "version": "1.0.0", "images": {"web": "hello@sha256:1"}, "previous": None}


def slot(release):
    return {"release": release, "state": "running", "ready": True, "workers": "none", "warm_until": None}


OBSERVED = {
    "live": "green",
    "traffic": {"live": "green", "canary": "", "share": 0},
    "edge": "running",
    "base": "none",
    "base_has": [],
    "slots": {"blue": slot(BEFORE["id"]), "green": slot(SERVING["id"])},
    "releases": {BEFORE["id"]: BEFORE, SERVING["id"]: SERVING},
    "schema": None,
    "drift": [],
    "checks": [],
}


@pytest.fixture
def state(tmp_path):
    """The state directory of the host, and what is in it: ``state()``."""

    class State:
        path = tmp_path / "state"

        def __call__(self):
            files = (path for path in self.path.rglob("*") if path.is_file())
            return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

        def directory(self, name):
            return self.path / "hello" / name

    State.path.mkdir()
    return State()


@pytest.fixture
def host(monkeypatch):
    """A host on which 1.1.0 serves and 1.0.0 is warm, with room for anything."""
    monkeypatch.setattr(ComposePlatform, "describe", lambda self: OBSERVED)
    monkeypatch.setattr(ComposePlatform, "headroom", lambda self, observed, release, steps: [])


@pytest.fixture
def run(state, monkeypatch, capsys):
    """``run(module, check=False, **arguments)``: the module's result; ``run.raw`` is what it printed."""

    def call(module, check=False, **arguments):
        internal = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_tmpdir": str(state.path)}
        given = {"settings": {"name": "hello"}, "state_directory": str(state.path), **arguments, **internal}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            module.main()
        call.raw = capsys.readouterr().out
        return json.loads(call.raw)

    return call


@pytest.fixture
def lines(state):
    """A ledger with two runs in it, and its path."""
    from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
    from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger

    ledger = Ledger(Files(str(state.path / "hello")))
    ends = [(None, "1.0.0"), ("1.0.0", "1.1.0")]
    for number, (begin, end) in enumerate(ends):
        ledger.append(
            {
                "kind": "run",
                "time": 1_900_000_000 + 86400 * number,
                "run": f"20300318T00000{number}-apply_update-00000{number}",
                "runbook": "apply_update",
                "outcome": "done",
                "from": {"version": begin} if begin else None,
                "to": {"version": end},
                "seconds": 7.5,
                "actor": {"user": "alice"},
            }
        )
    return Path(state.path, "hello", "ledger.jsonl")

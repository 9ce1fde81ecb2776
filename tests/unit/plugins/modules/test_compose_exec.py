# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command is run where it has to be, and what it says is passed; refusals and check mode run nothing."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import live
from ansible_collections.steady.runbooks.plugins.module_utils.compose.engine_api import Engine
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.plugins.modules import compose_exec as module

CONTAINER = {
    "Id": "c1",
    "Name": "/hello-green-web-green-1",
    "State": {"Status": "running"},
    "Config": {"Labels": {"com.docker.compose.service": "web-green", "steady.slot": "green"}},
}


@pytest.fixture
def asked(monkeypatch):
    """What the container was asked; it says its own last word and ends with 3 when that is ``false``."""
    calls = []

    def execute(self, container, words, timeout):
        calls.append((container, *words))
        return subprocess.CompletedProcess(words, 3 if words[-1] == "false" else 0, f"said {words[-1]} s3cret\n", "")

    monkeypatch.setattr(Engine, "execute", execute)
    monkeypatch.setattr(live, "_containers", lambda platform, service: ("green", [CONTAINER]))
    return calls


def test_runs_passes_and_records(run, state, asked):
    told = run(module, service="web", command="echo s3cret", secrets={"T": "s3cret"}, actor={"user": "ann"})
    assert asked == [("c1", "/bin/sh", "-c", "echo s3cret")]
    assert (told["changed"], told["rc"], told["container"]) == (True, 0, "hello-green-web-green-1")
    assert told["recorded"] == "ledger line 1" and "s3cret" not in told["stdout"]
    line = Ledger(Files(str(state.path / "hello"))).last()
    assert (line["kind"], line["exit"], line["actor"]) == ("exec", 0, {"user": "ann"}) and "s3cret" not in str(line)


def test_an_exit_status_fails_it(run, asked):
    told = run(module, command="false")
    assert (told["failed"], told["rc"]) == (True, 3) and "ended with exit status 3" in told["msg"]


def test_check_mode_runs_nothing(run, state, asked):
    before = state()
    told = run(module, check=True, command="echo")
    assert asked == [] and told["container"] == "hello-green-web-green-1" and state() == before


def test_beside_a_dead_run_it_says_that_it_is_not_recorded(run, state, asked, monkeypatch):
    monkeypatch.setattr(live, "unfinished", lambda files, clock: type("Dead", (), {"run": "r-1"}))
    assert "not recorded: run r-1 died" in run(module, command="true")["recorded"]


def test_nothing_serves(run):
    told = run(module, command="true")
    assert told["failure"]["code"] == "nothing_live" and told["failure"]["next_step"]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs, told; nothing is changed, and no secret leaves the host."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import status
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, StepFailed
from ansible_collections.steady.runbooks.plugins.modules import compose_info as module

RUN = "20300101T020000-apply_update-0a1b2c"


def test_tells_what_serves(run, host, state):
    before = state()
    told = run(module, secrets={"TOKEN": "s3cret"})
    assert (told["changed"], told["live"]["version"], told["run"]) == (False, "1.1.0", {})
    assert "green: 1.1.0, running, serves" in told["text"]
    assert "never-told" not in run.raw
    assert "s3cret" not in run.raw
    again = run(module, check=True)
    assert {**again, "invocation": 0} == {**told, "invocation": 0}
    assert state() == before


def test_a_dead_run_is_told(run, host, state):
    directory = state.directory(f"runs/{RUN}")
    directory.mkdir(parents=True)
    intent = {"run": RUN, "runbook": "apply_update", "direction": "forward", "from": None, "to": {}, "started": 1.0}
    (directory / "intent.json").write_text(json.dumps(intent))
    state.directory("run.current").write_text(RUN + "\n")
    told = run(module)
    assert (told["run"]["state"], told["run"]["run"]) == ("dead", RUN)
    assert "DIED; run recover.yml" in told["text"]


@pytest.mark.parametrize("fails", [False, True])
def test_verify(run, host, monkeypatch, fails):
    def verified(params):
        assert params["settings"]["name"] == "hello"
        if fails:
            raise StepFailed("1 of 1 checks failed: me: 401", code="checks_failed", next_step="Roll back.")
        return [{"name": "me", "ok": True, "seen": "200"}]

    monkeypatch.setattr(status, "verified", verified)
    told = run(module, verify=True)
    if fails:
        assert (told["failed"], told["msg"]) == (True, "1 of 1 checks failed: me: 401. Roll back.")
        assert told["failure"]["code"] == "checks_failed"
    else:
        assert told["results"][0]["ok"] is True


def test_docker_is_down(run, monkeypatch):
    def describe(self):
        raise CommandFailed("Docker does not run on this host", code="docker_down", next_step="Start it.")

    monkeypatch.setattr(status.ComposePlatform, "describe", describe)
    told = run(module)
    assert (told["failed"], told["msg"]) == (True, "Docker does not run on this host. Start it.")

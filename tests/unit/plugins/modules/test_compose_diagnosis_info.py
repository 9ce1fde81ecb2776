# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence and findings as a module: told for people, without known secrets, and nothing is changed."""

from __future__ import annotations

from ansible_collections.steady.runbooks.plugins.module_utils.compose import evidence as collected
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed
from ansible_collections.steady.runbooks.plugins.modules import compose_diagnosis_info as module
from ansible_collections.steady.runbooks.tests.unit.plugins.module_utils.verify import test_causes as causes


def test_tells_causes_and_what_to_run(run, state, monkeypatch):
    bad = causes.container(state="restarting", exit=1, restarts=9, log=["cannot connect with s3cret"])
    monkeypatch.setattr(collected, "collect", lambda platform: causes.seen(bad))
    before = state()
    told = run(module, secrets={"T": "s3cret"})
    assert (told["changed"], told["findings"][0]["cause"]) == (False, "crash_at_start")
    assert "hello: web ends right after its start" in told["text"] and "next: logs.yml -e service=web" in told["text"]
    assert "s3cret" not in run.raw and state() == before


def test_tells_that_nothing_is_wrong(run, monkeypatch):
    monkeypatch.setattr(collected, "collect", lambda platform: causes.seen())
    assert "nothing is wrong as far as this looks" in run(module)["text"]


def test_docker_is_down(run, monkeypatch):
    def down(platform):
        raise CommandFailed("Docker does not run on this host", code="docker_down", next_step="Start it.")

    monkeypatch.setattr(collected, "collect", down)
    assert run(module)["failure"]["code"] == "docker_down"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run is started detached, with nothing secret where others can see it; check mode starts nothing."""

from __future__ import annotations

import fcntl
import json
import os

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import detach
from ansible_collections.steady.runbooks.plugins.modules import compose_run as module

RUN = "20300101T020000-rollback-0a1b2c"
ASKED = {"runbook": "rollback", "run": RUN, "plan": "6f1d0c9be1a2f3d4", "secrets": {"TOKEN": "s3cret-value"}}


@pytest.fixture
def started(monkeypatch):
    """The processes that were started, instead of starting them: what each was given."""
    found = []

    class Process:
        pid = os.getpid()

        def __init__(self, words, stdin, stdout, stderr, cwd, env, start_new_session):
            found.append({"words": words, "env": env, "detached": start_new_session, "request": json.load(stdin)})

    monkeypatch.setattr(detach.subprocess, "Popen", Process)
    return found


def test_starts_a_run(run, state, started):
    who = {"actor": {"user": "alice"}, "inventory": ["/srv/inventory"]}
    told = run(module, **ASKED, reason="errors", environment_name="production", **who)
    assert (told["changed"], told["run"]) == (True, RUN)
    assert told["directory"] == str(state.directory(f"runs/{RUN}"))
    assert told["process"]["pid"] == os.getpid()
    (process,) = started
    assert process["detached"] is True
    assert process["words"][3].endswith("module_utils.compose.act")
    request = process["request"]
    assert (request["runbook"], request["plan"], request["reason"]) == ("rollback", ASKED["plan"], "errors")
    assert (request["environment"], request["service"]) == ("production", "hello")
    assert request["inventory"] == ["/srv/inventory"]
    assert request["secrets"] == {"TOKEN": "s3cret-value"}


def test_secrets_reach_it_in_memory_only(run, state, started):
    logins = [{"registry": "r.example.com", "username": "u", "password": "pa$$ word"}]
    run(module, **ASKED, registries=logins)
    for secret in ("s3cret-value", "pa$$ word"):
        assert secret not in run.raw
        assert secret not in json.dumps([started[0]["words"], started[0]["env"]])
        assert not [path for path in state.path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    modes = {path.stat().st_mode & 0o777 for path in state.directory("runs").rglob("*") if path.suffix != ".py"}
    assert state.directory(f"runs/{RUN}/act.log").stat().st_mode & 0o777 == 0o600
    assert state.directory(f"runs/{RUN}").stat().st_mode & 0o777 == 0o700
    assert modes


def test_check_mode_starts_nothing(run, state, started):
    told = run(module, check=True, **ASKED)
    assert (told["changed"], told["run"]) == (False, RUN)
    assert not started
    assert state() == {}


def test_each_call_is_a_run_of_its_own(run, state, started):
    other = RUN.replace("0a1b2c", "0a1b2d")
    run(module, **ASKED)
    run(module, **{**ASKED, "run": other})
    assert sorted(path.name for path in state.directory("runs").iterdir()) == [RUN, other]


def test_refuses_beside_a_run_that_is_at_work(run, state, started):
    state.directory("").mkdir()
    lock = state.directory("lock")
    lock.write_text(json.dumps({"run": "the-other", "runbook": "apply_update"}))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = run(module, **ASKED)
    assert refused["failure"]["code"] == "busy"
    assert "apply_update (run the-other) is at work on this service" in refused["msg"]
    assert not started


def test_joins_a_run_that_watches(run, state, started):
    watching = "20300101T010000-apply_update-ffffff"
    state.directory(f"runs/{watching}").mkdir(parents=True)
    told = run(module, **ASKED, join=watching, reason="errors", actor={"user": "alice"})
    assert told["run"] == watching
    assert not started
    asked = json.loads(state.directory(f"runs/{watching}/return.json").read_text())
    assert (asked["actor"], asked["reason"]) == ({"user": "alice"}, "errors")


@pytest.mark.parametrize("name", ["run", "join"])
def test_refuses_what_is_no_run(run, state, started, name):
    refused = run(module, **{**ASKED, name: "../../etc"})
    assert refused["failure"]["code"] == "bad_run_id"
    assert not started
    assert state() == {}

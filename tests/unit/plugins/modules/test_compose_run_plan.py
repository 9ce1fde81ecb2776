# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan of what is observed: the same each time, shown as the diff, and without a trace on the host in check mode."""

from __future__ import annotations

import json
import tarfile

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import release
from ansible_collections.steady.runbooks.plugins.modules import compose_run as module
from ansible_collections.steady.runbooks.tests.unit.plugins.modules.conftest import SERVING

NEW = {**SERVING, "id": "1.2.0-33333333", "version": "1.2.0", "manifest": {}, "notes": [], "source_digest": "d" * 64}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A new release, understood already: real ones take Docker."""
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    with tarfile.open(tmp_path / "source.tar", "w") as tar:
        tar.add(tmp_path / "compose.yaml", "compose.yaml")
    monkeypatch.setattr(release, "new_release", lambda platform, params, observed, scratch, running=None: dict(NEW))
    return str(tmp_path / "source.tar")


def test_plans_a_rollback(run, host, state):
    before = state()
    planned = run(module, runbook="rollback")
    assert planned["changed"] is False
    assert [step["do"] for step in planned["plan"]["steps"]] == ["shift", "settle"]
    assert planned["plan"]["to"]["version"] == "1.0.0"
    assert planned["text"] in planned["diff"]["prepared"]
    assert "1. Send all requests to blue  [undo: send them to green]" in planned["text"]
    assert "never-told" not in run.raw
    assert state() == before


def test_is_idempotent_and_check_mode_plans_the_same(run, host, state):
    once, twice, check = (run(module, check=check, runbook="rollback") for check in (False, False, True))
    assert once["plan"] == twice["plan"] == check["plan"]
    assert check["changed"] is True
    assert check["diff"] == once["diff"]


def test_what_needs_nothing_would_change_nothing(run, host):
    planned = run(module, check=True, runbook="preflight")
    assert planned["changed"] is False
    assert "plan" not in planned
    assert {"name": "current_release", "status": "go"}.items() <= planned["checks"][0].items()


@pytest.mark.parametrize(("check", "runbook", "kept"), [
    (False, "apply_update", True), (True, "apply_update", False), (False, "preflight", False),
])  # fmt: skip
def test_the_source_stays_for_the_act_only(run, host, state, archive, check, runbook, kept):
    asked = {"version": "1.2.0", "source_digest": "d" * 64}
    planned = run(module, check=check, runbook=runbook, release=asked, archive=archive)
    assert planned["plan"]["to"]["version"] == "1.2.0", planned
    assert state.directory("incoming").exists() is kept
    if kept:
        assert json.loads(state.directory("incoming/release.json").read_text())["id"] == NEW["id"]
    assert "never-told" not in run.raw


def test_an_approved_plan(run, host):
    wanted = run(module, runbook="rollback")["plan"]["hash"]
    assert run(module, runbook="rollback", options={"approved_plan": wanted})["plan"]["hash"] == wanted
    refused = run(module, runbook="rollback", options={"approved_plan": "0" * 16})
    assert (refused["failed"], refused["failure"]["code"]) == (True, "plan_drifted")


def test_a_refusal(run, host):
    refused = run(module, runbook="rollback", options={"release": "0.9.0"})
    assert refused["msg"] == (
        "no release 0.9.0 is kept on this host. Name one of the releases kept here (1.0.0, 1.1.0), or apply it as an "
        "update."
    )
    assert refused["failure"]["code"] == "unknown_release"


def test_a_no_go_names_every_reason(run, host):
    settings = {"name": "hello", "mandatory_checks": ["backup_age", "ci"]}
    refused = run(module, runbook="rollback", settings=settings)
    assert refused["failure"]["code"] == "no_go"
    assert "backup_age: " in refused["msg"]
    assert "ci: " in refused["msg"]


def test_secrets_are_not_shown(run, host):
    logins = [{"registry": "r.example.com", "username": "u", "password": "pa$$ word"}]
    run(module, runbook="rollback", secrets={"TOKEN": "s3cret-value"}, registries=logins)
    assert "s3cret-value" not in run.raw
    assert "pa$$ word" not in run.raw

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines in the order of time, without known secrets."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import live
from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.modules import compose_logs_info as module

SAID = {
    "a": "2030-01-31T02:00:01.5Z second s3cret\n2030-01-31T02:00:03.0Z fourth\n",
    "b": "2030-01-31T02:00:00.0Z first\n2030-01-31T02:00:02.0Z third\n",
}


def container(name):
    return {"Id": name, "Name": f"/{name}", "Config": {"Labels": {"com.docker.compose.service": name}}}


@pytest.fixture
def containers(monkeypatch):
    calls = []

    def said(self, *words, **options):
        calls.append(words)
        return subprocess.CompletedProcess(words, 0, SAID[words[-1]], "")

    monkeypatch.setattr(Docker, "run", said)
    monkeypatch.setattr(live, "_containers", lambda platform, service: ("green", [container(one) for one in SAID]))
    return calls


def test_lines_of_all_containers_in_order(run, state, containers):
    before = state()
    told = run(module, secrets={"T": "s3cret"})
    assert [line.split(": ")[1].split()[0] for line in told["lines"]] == ["first", "second", "third", "fourth"]
    assert "s3cret" not in run.raw and not told["changed"] and told["slot"] == "green" and state() == before
    assert told["lines"][0] == "2030-01-31T02:00:00Z b: first"


def test_the_newest_lines_since_a_time(run, containers):
    assert len(run(module, lines=2, since="2030-01-31")["lines"]) == 2
    assert containers[0][2:6] == ("--since", "1896048000.000", "--tail", "2")


@pytest.mark.parametrize(("given", "code"), [({"since": "yesterday"}, "bad_since"), ({}, "nothing_live")])
def test_what_cannot_be_told(run, monkeypatch, given, code):
    if given:
        monkeypatch.setattr(live, "_containers", lambda platform, service: ("green", []))
    assert run(module, **given)["failure"]["code"] == code

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look, decide, make true, look again: on a host that is only a description."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap import prepare as subject
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.decide import Wish
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.observe import Seen
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, StepFailed

BARE = Seen(distribution="debian", codename="trixie", python=(3, 13), root=True, directory="absent")


class Host:
    """Does what the functions that it stands for do, to ``seen``."""

    def __init__(self, seen, engine="26.1.5"):
        self.seen, self.engine, self.calls = seen, engine, []

    def observe(self, directory):
        return replace(self.seen, repository_answers=False)

    def install(self, seen, packages, repository):
        self.calls.append(f"install {packages}")
        self.seen = replace(self.seen, docker=True, dockerd=True, compose="2.26.1")

    def start(self, systemd, seconds, clock):
        self.calls.append("start")
        self.seen = replace(self.seen, engine=self.engine, daemon_pid=7)

    def turn_on_live_restore(self, clock):
        self.calls.append("live-restore")
        self.seen = replace(self.seen, live_restore=True)
        return ""


@pytest.fixture(name="on")
def _on(monkeypatch, tmp_path):
    def on(host, dry=False, **wish):
        for name in ("observe", "install", "start", "turn_on_live_restore"):
            monkeypatch.setattr(subject, name, getattr(host, name))
        monkeypatch.setattr(subject, "repository_answers", lambda seen, repository: False)
        directory = tmp_path / "steady"

        def makedirs(*arguments, **options):
            host.calls.append("directory")
            host.seen = replace(host.seen, directory="0700")
            directory.mkdir()

        monkeypatch.setattr(subject.os, "makedirs", makedirs)
        return subject.prepare(Wish(directory=str(directory), **wish), None, dry=dry)

    return on


def test_check_mode_tells_exactly_what_the_real_run_does(on):
    host = Host(BARE)
    told = on(host, dry=True)
    assert host.calls == []
    done = on(host)
    assert done["changes"] == told["changes"]
    assert [call.split()[0] for call in host.calls] == ["install", "start", "live-restore", "directory"]
    assert (done["engine"], done["compose"], done["live_restore"]) == ("26.1.5", "2.26.1", True)
    assert on(host)["changes"] == []


def test_what_turns_out_impossible_is_a_warning_and_no_change(on):
    host = Host(replace(BARE, directory="0700"))
    host.turn_on_live_restore = lambda clock: "live-restore is left off"
    done = on(host)
    assert done["warnings"] == ["live-restore is left off"]
    assert "live-restore" not in [change["what"] for change in done["changes"]]


def test_an_engine_that_the_packages_started_is_not_started_again(on):
    host = Host(BARE)
    install = host.install

    def installs_and_starts(*arguments):
        install(*arguments)
        host.seen = replace(host.seen, engine="26.1.5", daemon_pid=7)

    host.install = installs_and_starts
    on(host)
    assert "start" not in host.calls


def test_what_was_done_and_did_not_help_is_an_error(on):
    host = Host(BARE)
    host.start = lambda *arguments: None
    with pytest.raises(StepFailed, match="Docker Engine does not answer"):
        on(host)


def test_a_distribution_that_installs_too_old_an_engine_is_named(on):
    with pytest.raises(Refused, match=r"19\.03"):
        on(Host(BARE, engine="19.03.1"))

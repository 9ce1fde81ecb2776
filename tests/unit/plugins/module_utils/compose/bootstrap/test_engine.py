# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's configuration is merged, reloaded, and put back when the engine does not take it."""

from __future__ import annotations

import json
import signal
import stat

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap import engine as subject
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock as RealClock


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@pytest.fixture(name="signals")
def _signals(monkeypatch):
    sent = []
    monkeypatch.setattr(subject, "daemon_pid", lambda path: 4711)
    monkeypatch.setattr(subject.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def takes(monkeypatch, answer):
    monkeypatch.setattr(subject, "_live_restore", lambda: (answer, answer))


def test_keys_of_the_user_stay(tmp_path, monkeypatch, signals):
    path = tmp_path / "daemon.json"
    path.write_text('{"live-restore": false, "log-opts": {"max-size": "5m"}, "labels": ["a=ü"]}')
    path.chmod(0o640)
    takes(monkeypatch, True)
    assert subject.turn_on_live_restore(Clock(), str(path)) == ""
    assert json.loads(path.read_text()) == {"live-restore": True, "log-opts": {"max-size": "5m"}, "labels": ["a=ü"]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert signals == [(4711, signal.SIGHUP)]


def test_a_file_that_says_it_already_is_only_read_again(tmp_path, monkeypatch, signals):
    path = tmp_path / "daemon.json"
    path.write_text('{"live-restore":true}')
    takes(monkeypatch, True)
    assert subject.turn_on_live_restore(Clock(), str(path)) == ""
    assert path.read_text() == '{"live-restore":true}'
    assert len(signals) == 1


@pytest.mark.parametrize("before", [None, '{"debug":true}'])
def test_what_the_engine_does_not_take_is_put_back(tmp_path, monkeypatch, signals, before):
    path = tmp_path / "docker" / "daemon.json"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    takes(monkeypatch, False)
    assert "did not take it" in subject.turn_on_live_restore(Clock(), str(path))
    assert (path.read_text() if path.exists() else None) == before


def test_without_a_process_nothing_is_written_or_signalled(tmp_path, monkeypatch, signals):
    monkeypatch.setattr(subject, "daemon_pid", lambda path: 0)
    path = tmp_path / "daemon.json"
    assert subject.turn_on_live_restore(Clock(), str(path))
    assert not path.exists()
    assert signals == []


def test_an_engine_that_ends_at_once_says_why(tmp_path, monkeypatch):
    program = tmp_path / "dockerd"
    program.write_text('#!/bin/sh\necho password-of-a-proxy\necho "cannot create a bridge." >&2\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setattr(subject, "PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    with pytest.raises(CommandFailed) as caught:
        subject.start(False, 30, RealClock(), str(tmp_path / "log"))
    assert caught.value.detail == "dockerd ended at once (exit 3): cannot create a bridge"
    assert "password" not in json.dumps(caught.value.as_dict())


def test_an_engine_that_never_answers_ends_the_wait(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(subject, "run", lambda words, **options: ran.append(words))
    monkeypatch.setattr(subject, "_answers", lambda process, log: (False, "nothing"))
    with pytest.raises(TimedOut) as caught:
        subject.start(True, 30, Clock())
    assert ran == [["systemctl", "enable", "--now", "docker"]]
    assert "journalctl" in caught.value.next_step

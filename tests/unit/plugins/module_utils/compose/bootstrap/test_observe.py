# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a host, from files and programs that a test lays out."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap import observe as subject

FAKE = """#!/bin/sh
case "$1" in
  info) cat "$0.info" ;;
  compose) [ -f "$0.compose" ] && cat "$0.compose" ;;
esac
"""


@pytest.fixture(name="docker")
def _docker(tmp_path, monkeypatch):
    """A docker that says what the files next to it say; the test writes them."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    (tmp_path / "bin" / "dockerd").symlink_to(program)
    path = f"{program.parent}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(subject, "PATH", str(program.parent))

    def say(info, compose=""):
        (tmp_path / "bin" / "docker.info").write_text(info)
        if compose:
            (tmp_path / "bin" / "docker.compose").write_text(compose)

    return say


def test_an_engine_that_answers(docker, tmp_path):
    docker(
        json.dumps({"ServerVersion": "26.1.5", "LiveRestoreEnabled": True, "Swarm": {"LocalNodeState": "active"}}),
        "2.26.1\n",
    )
    seen = subject.observe(str(tmp_path), str(tmp_path / "daemon.json"))
    assert (seen.docker, seen.dockerd, seen.engine, seen.compose) == (True, True, "26.1.5", "2.26.1")
    assert (seen.live_restore, seen.swarm) == (True, True)
    assert seen.python >= (3, 9)


@pytest.mark.parametrize(
    "info",
    [
        json.dumps({"ServerErrors": ["Cannot connect"], "Swarm": {"LocalNodeState": ""}}),
        "",
        "[]",
    ],
)
def test_an_engine_that_does_not_answer(docker, tmp_path, info):
    docker(info)
    seen = subject.observe(str(tmp_path), str(tmp_path / "daemon.json"))
    assert (seen.docker, seen.engine, seen.compose, seen.live_restore, seen.swarm) == (True, "", "", False, False)
    assert seen.engine_error == ("Cannot connect" if "Cannot" in info else "")


def test_a_host_without_docker(tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "PATH", str(tmp_path))
    seen = subject.observe(str(tmp_path / "none"), str(tmp_path / "daemon.json"))
    assert (seen.docker, seen.dockerd, seen.engine, seen.compose, seen.directory) == (False, False, "", "", "absent")


@pytest.mark.parametrize(
    ("content", "config", "error"),
    [
        (None, {}, ""),
        ("", {}, ""),
        ('{"debug": true}', {"debug": True}, ""),
        ("{broken", {}, "cannot be read"),
        ("[]", {}, "not a JSON object"),
        (b"\xff\xfe", {}, "cannot be read"),
    ],
)
def test_the_configuration_of_the_engine(tmp_path, content, config, error):
    path = tmp_path / "daemon.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found, why = subject.read_config(str(path))
    assert found == config
    assert error in why if error else not why


@pytest.mark.parametrize(
    "content",
    [None, "", "x", str(os.getpid()), "999999999", "0"],
    ids=["none", "empty", "text", "own", "gone", "zero"],
)
def test_no_other_process_is_taken_for_the_engine(tmp_path, content):
    path = tmp_path / "docker.pid"
    if content is not None:
        path.write_text(content)
    assert subject.daemon_pid(str(path)) == 0


def test_the_state_directory(tmp_path, docker):
    docker("{}")
    directory = tmp_path / "state"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    assert subject.observe(str(directory), str(tmp_path / "daemon.json")).directory == "0755"
    directory.rmdir()
    directory.write_text("")
    assert subject.observe(str(directory), str(tmp_path / "daemon.json")).directory == "other"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.cli import compose, quoted
from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import is_alive, process_identity
from ansible_collections.steady.runbooks.plugins.module_utils.run.waiter import wait_for

NASTY = "p'a\"s$w\\o #x=1 \nline2 ${HOME} `id` {{ x }}\ttab é"


def test_what_is_set_for_whoever_runs_us_does_not_win(scripted, tmp_path):
    docker = scripted((["config"], 0, "{}", ""))
    docker.environment.update(TOKEN="of-root", COMPOSE_PROFILES="debug", OTHER="kept")
    compose(docker, "config", project="p", directory=str(tmp_path), variables={"TOKEN": "ours"})
    (call,) = docker.calls
    assert call["environment"] == {"HOME": "/nonexistent", "OTHER": "kept", "PWD": str(tmp_path)}
    assert call["variables"] == 'TOKEN="ours"\n'


def test_the_dotenv_of_the_directory_is_read_before_ours(scripted, tmp_path):
    (tmp_path / ".env").write_text("A=1\n")
    docker = scripted((["config"], 0, "{}", ""))
    compose(docker, "config", project="p", directory=str(tmp_path), variables={"B": "2"})
    words = docker.calls[0]["words"]
    files = [words[n + 1] for n, word in enumerate(words) if word == "--env-file"]
    assert files[0] == str(tmp_path / ".env")
    assert files[1].startswith("/proc/self/fd/")


@pytest.mark.skipif(not shutil.which("docker"), reason="needs the docker command with compose")
@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40) | st.just(NASTY))
def test_compose_reads_every_value_as_it_is(value):
    model = json.dumps({"services": {"a": {"image": "x", "environment": {"X": "${VALUE}"}}}})
    said = compose(
        Docker(), "--file", "-", "config", "--format", "json", project="p", variables={"VALUE": value}, stdin=model
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["services"]["a"]["environment"]["X"].replace("$$", "$") == value


def test_quoting_leaves_one_line():
    assert "\n" not in quoted(NASTY)


def test_a_command_that_is_too_slow_is_ended_with_all_that_it_has_started(tmp_path):
    told = tmp_path / "pid"
    with pytest.raises(CommandFailed, match="did not end"):
        Docker(binary="/bin/sh").run("-c", f"sleep 60 & echo $! > {told}; wait", timeout=3)
    child = process_identity(int(told.read_text()))
    wait_for(lambda: (not is_alive(child), child), what="the child's end", timeout=10, clock=Clock(), interval=0.01)

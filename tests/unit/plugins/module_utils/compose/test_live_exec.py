# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script for cron jobs, run by a real shell with a docker of its own in front."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.live_exec import script

# Knows one container of web in green, and one of db in the user's own project.
DOCKER = """#!/bin/sh
case "$*" in
  *steady.slot=green*steady.compose_service=web*) echo web1;;
  *com.docker.compose.project=shop*service=db*) echo db1;;
  exec*) shift; echo "ran: $*"; exit 7;;
esac
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "edge.map").write_text("live green\ncanary none\nshare 0\n")
    for name, text in (("docker", DOCKER), ("live-exec", script("shop", "shop", str(tmp_path / "edge.map")))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    return tmp_path


def run(host: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{host}:{os.environ['PATH']}"}
    return subprocess.run([str(host / "live-exec"), *words], env=path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("service", "container"), [("web", "web1"), ("db", "db1")])
def test_it_runs_in_what_serves_and_ends_as_the_command_does(host: Path, service: str, container: str) -> None:
    said = run(host, service, "manage", "a b", "$HOME")
    assert (said.returncode, said.stdout) == (7, f"ran: -i {container} manage a b $HOME\n")


def test_where_nothing_runs_it_says_so(host: Path) -> None:
    said = run(host, "worker", "true")
    assert said.returncode == 69 and "no container of worker runs in green" in said.stderr
    assert run(host, "web").returncode == 64

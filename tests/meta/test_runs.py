# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runbooks run, as AWX runs them, without a warning: on whatever ansible-core this environment has."""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from ansible_collections.steady.runbooks.tests.meta import tree

PLAYBOOKS = tree.playbooks()


@functools.cache
def no_engine() -> str:
    """Why no Docker Engine can be used here, or nothing."""
    if not shutil.which("docker"):
        return "docker is not installed"
    said = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=60)
    return "no Docker Engine answers" if said.returncode else ""


def command_line(playbook: str) -> str:
    """The command that the playbook's own header shows, for the environment `local`."""
    words = tree.command(playbook) or ["-e", "env=local"]
    return shlex.join(re.sub(r"^env=.*", "env=local", word) for word in words if word not in ("--check", "--diff"))


def complaints(event: dict[str, Any]) -> list[str]:
    """What an event of the runner warns about."""
    if event["event"] in ("warning", "deprecated", "system_warning", "error"):
        return [event.get("stdout", "")]
    result = event.get("event_data", {}).get("res") or {}
    said = [*(result.get("warnings") or []), *(result.get("deprecations") or [])]
    return [str(each) for each in said] + tree.warnings(event.get("stdout", ""))


def play(playbook: str, folder: Path, arguments: str) -> tuple[ansible_runner.Runner, list[dict[str, Any]]]:
    runner = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=str(tree.ROOT),
        playbook=f"playbooks/{playbook}.yml",
        cmdline=arguments,
        envvars={**tree.ENVIRONMENT, "PATH": f"{Path(sys.executable).parent}:{tree.ENVIRONMENT['PATH']}"},
        quiet=True,
        settings={"suppress_ansible_output": True},
    )
    return runner, list(runner.events)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_syntax(playbook: str) -> None:
    said = tree.run("ansible-playbook", "--syntax-check", f"playbooks/{playbook}.yml")
    assert said.returncode == 0, said.stderr
    assert not tree.warnings(said.stdout + said.stderr)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_check_mode_says_nothing_but_the_plan(playbook: str, tmp_path: Path) -> None:
    if reason := no_engine():
        pytest.skip(f"{reason}: `{playbook}.yml --check` was not run")
    runner, events = play(playbook, tmp_path, f"{command_line(playbook)} --check --diff")
    assert not [line for event in events for line in complaints(event)]
    refusals = [
        failure
        for event in events
        if (failure := (event.get("event_data", {}).get("res") or {}).get("failure")) and failure.get("next_step")
    ]
    # Nothing needs to be deployed here: a refusal that says what to do is as good an answer as a plan.
    assert runner.rc == 0 or refusals, "\n".join(event.get("stdout", "") for event in events)


@pytest.mark.parametrize("playbook", PLAYBOOKS[:1])
def test_a_wrong_environment_ends_the_run(playbook: str, tmp_path: Path) -> None:
    """One of the guard's own cases, here because it is what protects production on every ansible-core."""
    runner, events = play(playbook, tmp_path, "-e env=nowhere --check")
    assert runner.rc not in (0, None)
    assert "nowhere" in "\n".join(event.get("stdout", "") for event in events)
    assert not [event for event in events if event["event"] == "runner_on_start"]

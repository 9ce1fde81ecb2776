# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugins on a target that is this machine: modules are scripted, shell commands really run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.template import Templar
from ansible.utils.display import Display


class Target:
    """What an action reaches: *modules* are what it had run, as (name, arguments); *answers* what they return."""

    def __init__(self) -> None:
        self.modules: list = []
        self.answers: dict = {}
        self.commands = 0
        self.resets = 0
        self.lost = 0  # how many of the next commands find no connection
        self.terminal = False  # as SSH has one: each line's end becomes two bytes
        self.between = lambda number: None  # called before each command
        self.said: list[str] = []

    def module(self, module_name, module_args, task_vars):
        self.modules.append((module_name, module_args))
        return dict(self.answers[module_name.rpartition("_")[2]])

    def reset(self):
        self.resets += 1

    def command(self, command, executable=None):
        self.commands += 1
        self.between(self.commands)
        if self.lost:
            self.lost -= 1
            raise AnsibleConnectionFailure("Connection refused")
        said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
        out = said.stdout.replace("\n", "\r\n") if self.terminal else said.stdout
        return {"rc": said.returncode, "stdout": out, "stderr": said.stderr}


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Where the controller's temporary files are."""
    directory = tmp_path / "controller"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def run(target, tmp_path, monkeypatch):
    """``run(module, check=False, name="x", **arguments)``: what the action in *module* answers for task *name*."""

    def call(module, check=False, name="x", **arguments):
        task = SimpleNamespace(
            args=arguments, check_mode=check, diff=False, async_val=0, action=name, environment=[], no_log=False,
            module_defaults={}, delegate_to=None, collections=[], _parent=None, become=False, get_name=lambda: "x",
        )  # fmt: skip
        loader = DataLoader()
        context = PlayContext()
        shell = SimpleNamespace(tmpdir=str(tmp_path), join_path=os.path.join)
        connection = SimpleNamespace(_shell=shell, reset=target.reset)
        action = module.ActionModule(task, connection, context, loader, Templar(loader), None)
        monkeypatch.setattr(action, "_execute_module", target.module)
        monkeypatch.setattr(action, "_low_level_execute_command", target.command)
        monkeypatch.setattr(action, "_transfer_file", shutil.copy)
        monkeypatch.setattr(action, "_fixup_perms2", lambda paths: None)
        monkeypatch.setattr(Display, "display", lambda self, text, color=None: target.said.append(text))
        return action.run(task_vars={"inventory_hostname": "hello1"})

    return call

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recorded models of compose files of different shapes, and a docker command line that answers from a script."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.engine_api import Engine
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import Paths
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand

SHAPES = os.path.join(os.path.dirname(__file__), "shapes")
SOURCE = "/srv/source"


class ScriptedDocker(Docker):
    """Answers each command with the first entry of *script* whose words are all in it, and remembers what was asked.

    An entry is (words, exit status, standard output, standard error); an error in place of the status is raised.
    """

    def __init__(self, *script):
        super().__init__({})
        self.environment = {"HOME": "/nonexistent"}
        self.script = script
        self.calls = []

    def run(self, *arguments, stdin=None, timeout=60, cwd=None, pass_fds=()):
        call = {"words": arguments, "stdin": stdin, "environment": dict(self.environment), "cwd": cwd}
        call["variables"] = "".join(os.pread(handle, 1 << 20, 0).decode() for handle in pass_fds)
        self.calls.append(call)
        for words, status, out, err in self.script:
            if all(any(word in argument for argument in arguments) for word in words):
                if isinstance(status, Exception):
                    raise status
                return subprocess.CompletedProcess(arguments, status, out, err)
        raise AssertionError(f"not in the script: {arguments}")

    @property
    def engine(self):
        return ScriptedEngine(self)

    def asked(self, *words):
        return [call for call in self.calls if all(word in call["words"] for word in words)]


class Answer(io.BytesIO):
    status = 0


class ScriptedEngine(Engine):
    """The engine's own interface with answers from the same script: the words are method and path."""

    def __init__(self, docker):
        self.docker = docker

    @contextlib.contextmanager
    def stream(self, method, path, headers=None, timeout=60, body=None):
        said = self.docker.run(method, path, stdin=body or headers)
        answer = Answer(said.stdout.encode())
        answer.status = said.returncode
        yield answer


def _script(code, out="", err=""):
    parts = ((1, out), (2, err))
    written = "".join(f"{chr(number)}\0\0\0\0\0\0{chr(len(text))}{text}" for number, text in parts if text)
    return (
        (["POST", "/start"], 200, written, ""),
        (["POST", "/exec"], 201, '{"Id": "e1"}', ""),
        (["GET", "/exec/e1/json"], 200, json.dumps({"Running": False, "ExitCode": code}), ""),
    )


@pytest.fixture
def executed():
    """Entries of a script for a command in a container: its exit code, and what it writes."""
    return _script


@pytest.fixture
def scripted():
    return ScriptedDocker


@pytest.fixture
def shape():
    """The model that Docker Compose 2.26.1 printed for a shape whose source was in /srv/source."""

    def load(name):
        with open(os.path.join(SHAPES, name, "model.json"), encoding="utf-8") as file:
            return json.load(file)

    return load


@pytest.fixture
def understood(shape):
    """(model, understanding) of a shape."""

    def load(name, **settings):
        model = shape(name)
        return model, understand(model, settings, source=SOURCE)

    return load


@pytest.fixture
def paths():
    return Paths(SOURCE, "/var/lib/steady/s/releases/r1/source", "/var/lib/steady/s/base/source")

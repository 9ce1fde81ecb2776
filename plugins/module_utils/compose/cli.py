# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to Docker Compose: one way to run it, in which values reach it by a file that exists in memory only.

Values of variables may be secrets. An argument is visible to every user of the host, the environment of a process to
root and to whatever it starts, and a file stays behind after a kill; a memory file is none of these.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Refused
from .docker import Docker


def compose(
    docker: Docker,
    *words: str,
    project: str,
    directory: str = "",
    variables: Mapping[str, Any] | None = None,
    env_files: Sequence[str] = (),
    stdin: str | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run ``docker compose``; its exit status is the caller's business.

    *variables* are for interpolation and for secrets that come from the environment; they come before *env_files* (or
    the ``.env`` in *directory*) and before what is set for whoever runs us.
    """
    values = {str(name): str(value) for name, value in (variables or {}).items()}
    dotenv = os.path.join(directory, ".env")
    files = list(env_files) or ([dotenv] if directory and os.path.isfile(dotenv) else [])
    asked = copy.copy(docker)
    # A COMPOSE_FILE of whoever runs us must not add to the files that were asked for; PWD is what Compose would see.
    foreign = {name for name in docker.environment if name.startswith("COMPOSE_")}
    kept = {name: value for name, value in docker.environment.items() if name not in foreign | set(values)}
    asked.environment = {**kept, **({"PWD": directory} if directory else {})}
    memory = os.memfd_create("variables")
    try:
        with os.fdopen(os.dup(memory), "w", encoding="utf-8") as stream:
            stream.writelines(f"{name}={quoted(value)}\n" for name, value in values.items())
        os.lseek(memory, 0, os.SEEK_SET)
        options = ["--project-name", project, *(("--project-directory", directory) if directory else ())]
        for file in [*files, f"/proc/self/fd/{memory}"]:
            options += ["--env-file", file]
        said = asked.run(
            "compose", *options, *words, stdin=stdin, timeout=timeout, cwd=directory or None, pass_fds=(memory,)
        )
    finally:
        os.close(memory)
    if said.returncode and re.search(r"unknown command: docker compose|'compose' is not a docker command", said.stderr):
        raise Refused(
            "Docker Compose v2 is not installed on this host",
            code="compose_missing",
            next_step="Run bootstrap.yml for this environment.",
        )
    return said


def quoted(value: str) -> str:
    """A value as Compose's env files want it, whatever is in it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to Docker: its own command line, because a target has nothing else that is always there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import CommandFailed
from .engine_api import Engine


class Docker:
    """Runs ``docker`` and returns what it printed.

    *environment* is added to the process's own and is how secrets reach Compose: never as an argument, because
    arguments are visible to every user of the host. *logins* are those of private registries, ``{"registry",
    "username", "password"}`` each.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        binary: str = "docker",
        logins: Iterable[Mapping[str, str]] = (),
    ) -> None:
        self.binary = binary
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}
        self.logins = {login["registry"]: login for login in logins}

    @property
    def engine(self) -> Engine:
        """The same engine by its own interface."""
        return Engine(self.environment)

    def __call__(
        self,
        *arguments: str,
        stdin: str | None = None,
        timeout: float = 60,
        cwd: str | None = None,
        accept: Sequence[int] = (0,),
    ) -> str:
        """Run ``docker ARGUMENTS`` and return its standard output.

        Raise :class:`CommandFailed` when its exit status is not in *accept*, when it is not installed, or when it
        does not end within *timeout* seconds.
        """
        said = self.run(*arguments, stdin=stdin, timeout=timeout, cwd=cwd)
        return output(said, _name(arguments), accept)

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        timeout: float = 60,
        cwd: str | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Like a call, but an exit status other than 0 is the caller's business."""
        try:
            with subprocess.Popen(
                [self.binary, *arguments],
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                cwd=cwd,
                env=self.environment,
                pass_fds=pass_fds,
            ) as process:
                try:
                    out, err = process.communicate(stdin, timeout)
                except BaseException:
                    _kill(process.pid)
                    raise
            return subprocess.CompletedProcess(arguments, process.returncode, out, err)
        except FileNotFoundError:
            raise CommandFailed(
                "docker is not installed on this host",
                code="docker_missing",
                next_step="Run bootstrap.yml for this environment.",
            ) from None
        except subprocess.TimeoutExpired:
            raise CommandFailed(
                f"docker {_name(arguments)} did not end within {timeout:g} s",
                code="docker_slow",
                next_step="See whether the engine is busy or hangs: `docker info`, `journalctl -u docker`.",
            ) from None

    def json(self, *arguments: str, **options: Any) -> Any:
        """A call whose output is one JSON document."""
        return json.loads(self(*arguments, **options))

    def lines(self, *arguments: str, **options: Any) -> list[Any]:
        """A call whose output is one JSON document a line (``--format '{{json .}}'``)."""
        return [json.loads(line) for line in self(*arguments, **options).splitlines() if line.strip()]


def _kill(pid: int) -> None:
    """End a command and what it has started: Compose is a process of its own, which would go on without it."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stream:
            parents[int(name)] = int(stream.read().rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    for member in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def output(said: subprocess.CompletedProcess[str], what: str, accept: Sequence[int] = (0,)) -> str:
    """What a program printed; raise :class:`CommandFailed` when its exit status is not in *accept*."""
    if said.returncode not in accept:
        raise CommandFailed(
            f"docker {what} failed (exit {said.returncode}): {_reason(said.stderr)}",
            code="docker_failed",
            last_seen=_tail(said.stderr),
            next_step="Remove networks that nobody uses (docker network prune), or give the engine more of them "
            "(default-address-pools in daemon.json)."
            if "address pool" in said.stderr
            else "Look at the message above; `docker info` tells whether the engine answers at all.",
        )
    return said.stdout


def _name(arguments: Sequence[str]) -> str:
    return " ".join([word for word in arguments if not word.startswith("-")][:2])


def _reason(text: str) -> str:
    """The line that says why, without what Compose tells of its progress."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?i)error|.*\berror\b", line)]
    return (errors or lines or ["it said nothing"])[-1][:600]


def _tail(text: str, limit: int = 2000) -> str:
    return text.strip()[-limit:]

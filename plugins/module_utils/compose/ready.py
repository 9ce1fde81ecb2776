# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether one container is ready: looked at from outside, and answered at once when it never will be."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CommandFailed, StepFailed
from .docker import Docker
from .model import Readiness

LOG_LINES = 20
LOG_CHARACTERS = 4000
# One look is never longer than this: the caller has a time limit and other containers.
LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Look:
    """What one look at a container saw: ``ready``, or in one sentence what is still missing."""

    ready: bool
    seen: str


def look(docker: Docker, container: Mapping[str, Any], readiness: Readiness, network: str = "") -> Look:
    """Look once at a container (its ``docker inspect`` object); *network* is the one to reach it in, else any is taken.

    Raise :class:`StepFailed` with the last lines of its log when it has crashed, ended, restarts or is unhealthy.
    """
    name = name_of(container)
    broken = failure(container, _last_exit(docker, container))
    if broken:
        raise StepFailed(
            f"{name} {broken[1]}",
            code=broken[0],
            last_seen=last_words(docker, str(container["Id"])),
            next_step="Read the last lines of its log; nothing was switched to it."
            + (" If it is meant to end by itself, it is a job (service_roles)." if broken[0] == "exited" else ""),
        )
    if container["State"]["Status"] != "running":
        return Look(False, f"{name} is {container['State']['Status']}")
    if readiness.kind in ("http", "tcp"):
        return _ask(container, readiness, name, network)
    health = str((container["State"].get("Health") or {}).get("Status") or "none")
    if health == "healthy":
        return Look(True, f"{name} is healthy")
    if readiness.kind == "running" and health == "none":
        return Look(True, f"{name} is running")
    test = tuple(((container.get("Config") or {}).get("Healthcheck") or {}).get("Test") or ())
    if test and test[0] != "NONE":
        return _test(docker, container, test, readiness.timeout, name)
    return Look(False, f"{name} has no check that could tell (its health is {health})")


def failure(container: Mapping[str, Any], code: int | None) -> tuple[str, str] | None:
    """(code, what happened) when a container, which last ended with this exit code, will not become ready by waiting.
    Pure."""
    state = container["State"]
    status = state["Status"]
    memory = " after it ran out of memory" if state.get("OOMKilled") else ""
    why = f": {state['Error']}" if state.get("Error") else ""
    if status in ("exited", "dead"):
        ended = "ended by itself with exit code 0" if code == 0 else f"crashed with exit code {code}"
        return ("exited" if code == 0 else "crashed"), ended + memory + why
    if status == "restarting" or int(container.get("RestartCount") or 0) > 0:
        times = container.get("RestartCount") or 0
        told = "" if code is None else f"exit code {code}, "
        return "crashed", f"keeps crashing ({told}restarted {times} times){memory}"
    if status in ("paused", "removing"):
        return "stopped", f"is {status}"
    if status == "created" and state.get("Error"):
        return "not_started", f"could not be started{why}"
    health = state.get("Health") or {}
    if health.get("Status") == "unhealthy":
        said = [str(entry.get("Output") or "").strip() for entry in health.get("Log") or []]
        return "unhealthy", "is unhealthy" + (f": {said[-1][-300:]}" if said and said[-1] else "")
    return None


def _last_exit(docker: Docker, container: Mapping[str, Any]) -> int | None:
    """One that was started again has the exit code of a container that runs, which is none."""
    state = container["State"]
    if state["Status"] == "running" and int(container.get("RestartCount") or 0) > 0:
        return docker.engine.last_exit(str(container["Id"]))
    return state.get("ExitCode")


def last_words(docker: Docker, container: str, lines: int = LOG_LINES) -> list[str]:
    """The end of a container's log, bounded, or why there is none."""
    try:
        said = docker.run("logs", "--tail", str(lines), container, timeout=LOOK_SECONDS)
    except CommandFailed as slow:
        return [f"(no log: {slow.detail})"]
    text = "\n".join(part.rstrip() for part in (said.stdout, said.stderr) if part.strip())[-LOG_CHARACTERS:]
    return [_printable(line)[:500] for line in text.splitlines()[-lines:]] or ["(it wrote nothing to its log)"]


def name_of(container: Mapping[str, Any]) -> str:
    return str(container.get("Name") or container["Id"][:12]).lstrip("/")


def address_of(container: Mapping[str, Any], network: str = "") -> str:
    """The container's address in *network*, or in any; "" without one (and the host's own for host networking)."""
    if (container.get("HostConfig") or {}).get("NetworkMode") == "host":
        return "127.0.0.1"
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    order = ([networks[network]] if network in networks else []) + [networks[key] for key in sorted(networks)]
    for one in order:
        if one.get("IPAddress"):
            return str(one["IPAddress"])
    return next((str(one["GlobalIPv6Address"]) for one in order if one.get("GlobalIPv6Address")), "")


def _test(docker: Docker, container: Mapping[str, Any], test: tuple[str, ...], timeout: float, name: str) -> Look:
    """Run the healthcheck's own test now: with Docker's interval of 30 s a release would wait 30 s for nothing."""
    shell = (container.get("Config") or {}).get("Shell") or ["/bin/sh", "-c"]
    words = [*shell, test[1]] if test[0] == "CMD-SHELL" else test[1:]
    try:
        said = docker.engine.execute(str(container["Id"]), words, min(timeout, LOOK_SECONDS))
    except CommandFailed as slow:
        return Look(False, f"{name}: its healthcheck: {slow.detail}")
    if said.returncode == 0:
        return Look(True, f"{name} passes its healthcheck")
    return Look(False, f"{name}: its healthcheck fails (exit {said.returncode}){_quoted(said.stdout or said.stderr)}")


def _ask(container: Mapping[str, Any], readiness: Readiness, name: str, network: str) -> Look:
    address, port = address_of(container, network), readiness.port
    if not address:
        return Look(False, f"{name} has no address yet")
    timeout = min(readiness.timeout, LOOK_SECONDS)
    try:
        if readiness.kind == "tcp":
            socket.create_connection((address, port), timeout).close()
            return Look(True, f"{name} accepts connections on port {port}")
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
        try:
            connection.request("GET", readiness.path, headers={"User-Agent": "steady-runbooks", "Connection": "close"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Look(False, f"{name}: port {port}: {str(error) or type(error).__name__}")
    answer = f"{name} answers {readiness.path} with {status}"
    if status == readiness.status:
        return Look(True, answer)
    return Look(False, f"{answer}, not {readiness.status}")


def _quoted(text: str) -> str:
    last = [line for line in text.strip().splitlines() if line.strip()][-1:]
    return f": {_printable(last[0])[:200]}" if last else ""


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff\t]", "", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text))

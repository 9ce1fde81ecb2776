# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What serves now: its logs, and commands in its containers. It is found by the edge's map."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..errors import Refused, RunbookError
from ..run.history import moment
from ..run.journal import unfinished
from ..run.ledger import Ledger
from ..run.lock import HostLock
from ..run.variables import meant
from .host import is_running, service_of
from .platform import ComposePlatform
from .settings import checked

PATIENCE = 5.0  # seconds to wait for the lock with a line for the ledger
MOST = 200_000  # characters of output that are handed back


def logs(params: Mapping[str, Any]) -> dict[str, Any]:
    """What module ``compose_logs_info`` answers: the newest lines of what serves, or of one service, oldest first."""
    platform = ComposePlatform.open(checked(params, references=False))
    host = platform.host
    host.hide_kept()
    slot, containers = _containers(platform, params["service"])
    since = moment(params["since"]) if params["since"] else 0.0
    found: list[tuple[str, str]] = []
    for container in containers:
        words = ("logs", "--timestamps", "--since", f"{since:.3f}", "--tail", str(params["lines"]), container["Id"])
        said = host.docker.run(*words)
        for line in (said.stdout + said.stderr).splitlines():
            stamp, _space, text = line.partition(" ")
            found.append((stamp, f"{stamp[:19]}Z {service_of(container)}: {text}"))
    lines = [host.mask.text(text) for _stamp, text in sorted(found)][-params["lines"] :]
    return {"slot": slot, "lines": lines, "containers": [one["Name"].lstrip("/") for one in containers]}


def execute(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module ``compose_exec`` answers: run a command by the shell of a running container, and record it."""
    platform = ComposePlatform.open(checked(params, references=False))
    host = platform.host
    host.hide_kept()
    slot, containers = _containers(platform, params["service"])
    running = [one for one in containers if is_running(one)]
    if not running:
        raise Refused(
            f"no container of {params['service'] or 'a web service'} runs in {slot}",
            code="not_running",
            next_step="diagnose.yml tells why it does not.",
        )
    name = running[0]["Name"].lstrip("/")
    told = {"slot": slot, "container": name, "service": service_of(running[0])}
    command = host.mask.text(params["command"])
    if check:
        return {**told, "changed": True, "rc": 0, "stdout": "", "stderr": "", "recorded": "not in check mode"}
    begun = host.clock.monotonic()
    words = ("/bin/sh", "-c", params["command"])
    said = host.docker.engine.execute(running[0]["Id"], words, host.settings["job_seconds"])
    entry = {
        "kind": "exec",
        "time": host.clock.now(),
        "runbook": "exec",
        "outcome": "done" if said.returncode == 0 else "failed",
        **told,
        "command": command,
        "exit": said.returncode,
        "seconds": round(host.clock.monotonic() - begun, 3),
        "actor": params["actor"],
        "reason": params["reason"],
    }
    output = {name: host.mask.text(text[-MOST:]) for name, text in (("stdout", said.stdout), ("stderr", said.stderr))}
    return {**told, **output, "changed": True, "rc": said.returncode, "recorded": _record(platform, entry)}


def _record(platform: ComposePlatform, entry: dict[str, Any]) -> str:
    """Add the ledger's line, or say why there is none: while a run is at work or dead, the next line is that run's."""
    host = platform.host
    lock = HostLock(host.files, host.clock)
    try:
        lock.acquire({"run": "exec", "runbook": "exec", "since": time.time()}, PATIENCE)
        dead = unfinished(host.files, host.clock)
        if dead:
            return f"not recorded: run {dead.run} died and has to be recovered first (recover.yml)"
        head = Ledger(host.files).append(host.mask.data(entry))
        return f"ledger line {head['seq']}"
    except (RunbookError, OSError) as error:
        return f"not recorded: {error.detail if isinstance(error, RunbookError) else error}"
    finally:
        lock.release()


def _containers(platform: ComposePlatform, service: str) -> tuple[str, list[dict[str, Any]]]:
    """Where a service runs and its containers there, all of the slot's without a name; raise what is not there."""
    host, live = platform.host, platform.edge.serving().live
    release = host.release(host.slot(live).get("release") or "") if live in ("blue", "green") else None
    if not release:
        raise Refused(
            f"no release serves {host.service}", code="nothing_live", next_step="status.yml tells what is there."
        )
    roles = release["roles"]
    if service and service not in roles:
        raise Refused(
            f"there is no service {service}{meant(service, roles)}",
            code="unknown_service",
            next_step=f"Name one of: {', '.join(sorted(roles))}.",
        )
    if service and roles[service] == "state":
        return host.project, [one for one in host.base_containers() if service_of(one) == service]
    found = host.slot_containers(live)
    return live, [one for one in found if service in ("", service_of(one))]

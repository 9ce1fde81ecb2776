# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start an engine, and change its configuration without stopping a container."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from typing import Any

from ...errors import CommandFailed, TimedOut
from ...run.clock import Clock
from ...run.files import Files
from ...run.waiter import wait_for
from ..docker import Docker
from .command import run
from .decide import DAEMON_LOG
from .observe import DAEMON_JSON, PATH, daemon_pid, read_config

RELOAD_SECONDS = 10


def start(systemd: bool, seconds: float, clock: Clock, log: str = DAEMON_LOG) -> None:
    """Start the engine for good, and return when it answers."""
    process = None
    if systemd:
        run(["systemctl", "enable", "--now", "docker"], timeout=seconds + 60)
    else:
        process = _start_detached(log)
    wait_for(
        lambda: _answers(process, log),
        what="Docker's engine answers",
        timeout=seconds,
        clock=clock,
        next_step=f"See {'`journalctl -u docker`' if systemd else log} on the host.",
    )


def _start_detached(log: str) -> subprocess.Popen[bytes]:
    """Without systemd (containers, CI): dockerd in a session of its own, holding nothing of this process."""
    dockerd = shutil.which("dockerd", path=PATH)
    if not dockerd:
        raise CommandFailed(
            "docker is installed, but not its engine: there is no dockerd",
            code="engine",
            next_step="Install the engine's package (docker.io or docker-ce), or start the engine in your own way.",
        )
    with open(log, "ab") as stream:
        return subprocess.Popen(
            [dockerd],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd="/",
            env={**os.environ, "PATH": PATH},
            start_new_session=True,
        )


def _answers(process: subprocess.Popen[bytes] | None, log: str) -> tuple[bool, str]:
    said = Docker().run("version", "--format", "{{.Server.Version}}", timeout=30)
    if said.returncode and process and process.poll() is not None:
        raise CommandFailed(
            f"dockerd ended at once (exit {process.returncode}): {_last_line(log).rstrip('.')}",
            code="engine",
            next_step=f"See {log} on the host.",
        )
    return said.returncode == 0, (said.stdout or said.stderr).strip()


def _last_line(path: str) -> str:
    """Only that: further up are the engine's settings, which may hold passwords of proxies."""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - 1000))
        return stream.read().decode(errors="replace").strip().rpartition("\n")[2]


def turn_on_live_restore(clock: Clock, path: str = DAEMON_JSON) -> str:
    """Add ``live-restore`` to the engine's configuration and have it read again; return why not, or nothing.

    What the file held before is put back when the engine does not take it (started with a flag that contradicts, or
    with another file): such an engine would not start again.
    """
    config, error = read_config(path)
    pid = daemon_pid(str(config.get("pidfile") or "/var/run/docker.pid"))
    if error or not pid:
        return f"live-restore is left as it is: {error or 'the engine has ended'}"
    files = Files(os.path.dirname(path))
    name = os.path.basename(path)
    before = files.read(name)
    mode = stat.S_IMODE(os.stat(path).st_mode) if before is not None else 0o644
    os.makedirs(files.root, mode=0o755, exist_ok=True)
    if config.get("live-restore") is not True:
        files.write(name, json.dumps({**config, "live-restore": True}, indent=2, ensure_ascii=False) + "\n", mode)
    try:
        os.kill(pid, signal.SIGHUP)
        wait_for(_live_restore, what="live-restore is on", timeout=RELOAD_SECONDS, clock=clock)
    except (OSError, TimedOut):
        if before is None:
            files.remove(name)
        else:
            files.write(name, before, mode)
        return (
            f"live-restore is left off: the engine did not take it from {path} (its log says why; often it was started "
            "with other flags). The file is as it was"
        )
    return ""


def _live_restore() -> tuple[bool, Any]:
    info = Docker().json("info", "--format", "{{json .LiveRestoreEnabled}}", timeout=30)
    return info is True, info

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has of Docker: looked at in one go, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from dataclasses import dataclass, field
from typing import Any

from ..docker import Docker

# A connection without a login often has no sbin, where Debian keeps dockerd and what dockerd itself calls.
PATH = ":".join(dict.fromkeys([*os.environ.get("PATH", "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]))
DAEMON_JSON = "/etc/docker/daemon.json"


@dataclass(frozen=True)
class Seen:
    """One look at a host. Versions are as the programs print them, and empty where there is none.

    ``repository_answers`` is looked at apart from the rest, and only where it matters: it is the one slow thing.
    """

    distribution: str = ""
    codename: str = ""
    python: tuple[int, int] = (0, 0)
    root: bool = False
    systemd: bool = False
    docker: bool = False
    dockerd: bool = False
    docker_ce: bool = False
    repository_answers: bool = False
    engine: str = ""
    engine_error: str = ""
    compose: str = ""
    live_restore: bool = False
    swarm: bool = False
    daemon_pid: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    config_error: str = ""
    directory: str = ""


def observe(directory: str, daemon_json: str = DAEMON_JSON) -> Seen:
    """Look at this host. *directory* is where the collection will keep its state."""
    release = _os_release()
    docker = bool(shutil.which("docker", path=PATH))
    info = _info() if docker else {}
    config, config_error = read_config(daemon_json)
    return Seen(
        distribution=release.get("ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        python=(sys.version_info[0], sys.version_info[1]),
        root=os.geteuid() == 0,
        systemd=os.path.isdir("/run/systemd/system"),
        docker=docker,
        dockerd=bool(shutil.which("dockerd", path=PATH)),
        docker_ce=os.path.exists("/var/lib/dpkg/info/docker-ce.list"),
        engine=str(info.get("ServerVersion") or ""),
        engine_error="; ".join(info.get("ServerErrors") or ()),
        compose=_compose() if docker else "",
        live_restore=bool(info.get("LiveRestoreEnabled")),
        swarm=(info.get("Swarm") or {}).get("LocalNodeState", "") not in ("", "inactive"),
        daemon_pid=daemon_pid(str(config.get("pidfile") or "/var/run/docker.pid")),
        config=config,
        config_error=config_error,
        directory=_directory(directory),
    )


def read_config(path: str) -> tuple[dict[str, Any], str]:
    """The engine's configuration and, when it cannot be understood, why; an engine without one has an empty one."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        config = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        return {}, f"{path} cannot be read: {error}"
    if not isinstance(config, dict):
        return {}, f"{path} is not a JSON object"
    return config, ""


def daemon_pid(pidfile: str) -> int:
    """The process that serves this host's engine, or 0 when it is none that this host can signal."""
    try:
        with open(pidfile, encoding="ascii") as stream:
            pid = int(stream.read())
        with open(f"/proc/{pid}/comm", encoding="utf-8") as stream:
            return pid if stream.read().strip() == "dockerd" else 0
    except (OSError, ValueError):
        return 0


def _os_release() -> dict[str, str]:
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as stream:
            for line in stream:
                key, _equals, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except OSError:
        pass
    return values


def _info() -> dict[str, Any]:
    """``docker info``; its exit status tells nothing: it differs between versions when the engine does not answer."""
    said = Docker().run("info", "--format", "{{json .}}", timeout=30)
    try:
        info = json.loads(said.stdout)
    except ValueError:
        info = {"ServerErrors": [said.stderr.strip()]}
    return info if isinstance(info, dict) else {}


def _compose() -> str:
    said = Docker().run("compose", "version", "--short", timeout=30)
    return said.stdout.strip() if said.returncode == 0 else ""


def _directory(path: str) -> str:
    """``0700`` and the like, ``absent``, or ``other`` for what is no directory."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "absent"
    return f"{stat.S_IMODE(mode):04o}" if stat.S_ISDIR(mode) else "other"

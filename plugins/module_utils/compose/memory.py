# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory that the host has left and that containers use, in bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import CommandFailed
from .host import Host

CGROUPS, PROCESSES = "/sys/fs/cgroup", "/proc"


def host_memory(info: Mapping[str, Any]) -> dict[str, float]:
    """``available`` bytes of this host; {} when it is not the one of the engine."""
    try:
        lines = {name: int(rest.split()[0]) * 1024 for name, rest in _pairs(f"{PROCESSES}/meminfo", ":")}
    except (OSError, ValueError):
        return {}
    total = int(info.get("MemTotal") or 0)
    if "MemAvailable" not in lines or abs(total - lines["MemTotal"]) > total // 20:
        return {}
    return {"available": float(lines["MemAvailable"])}


def memory_in_use(host: Host, container: Mapping[str, Any]) -> float:
    """What an inspected container uses now, without files that are only cached; as ``docker stats`` tells it.

    The kernel is asked, because the engine takes most of a second; the engine, where it runs elsewhere.
    """
    try:
        usage, details = _cgroup(int(container["State"].get("Pid") or 0), container["Id"])
    except (OSError, ValueError, LookupError):
        usage, details = _engine(host, container["Id"])
    return float(max(0, usage - details.get("total_inactive_file", details.get("inactive_file", 0))))


def _cgroup(pid: int, container: str) -> tuple[int, dict[str, int]]:
    with open(f"{PROCESSES}/{pid}/cgroup", encoding="ascii") as stream:
        fields = [line.rstrip("\n").split(":", 2) for line in stream]
    paths = {controllers: path for _number, controllers, path in fields}
    first = "memory" in paths  # of cgroup v1
    path = paths["memory" if first else ""]
    if container not in path:
        raise LookupError(f"process {pid} is not one of {container}")  # the engine's host is another
    where = os.path.join(CGROUPS, "memory" if first else "", path.lstrip("/"))
    with open(os.path.join(where, "memory.usage_in_bytes" if first else "memory.current"), encoding="ascii") as stream:
        usage = int(stream.read())
    return usage, {name: int(value) for name, value in _pairs(os.path.join(where, "memory.stat"), " ")}


def _engine(host: Host, container: str) -> tuple[int, dict[str, int]]:
    try:
        status, told = host.docker.engine.json("GET", f"/containers/{container}/stats?stream=false&one-shot=true")
    except CommandFailed:
        return 0, {}
    memory = (told or {}).get("memory_stats") or {} if status == 200 else {}
    return int(memory.get("usage") or 0), dict(memory.get("stats") or {})


def _pairs(file: str, separator: str) -> list[tuple[str, str]]:
    with open(file, encoding="ascii") as stream:
        return [(name, rest) for name, _separator, rest in (line.partition(separator) for line in stream)]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many containers of a service run, and what each may use: for all releases, kept beside them and not in any.

A slot's own file is never changed for it: Compose is told the number, and containers are updated while they run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..run.contract import SLOTS, Evidence, Progress, Release, Room, Scale
from ..run.sizes import number_of
from .docker import Docker
from .edge import Edge
from .host import Host, address_on, is_running, service_of
from .memory import host_memory, memory_in_use
from .model import Understanding

FILE = "scale.json"


def scales(host: Host) -> dict[str, Scale]:
    """What was asked for, by compose service."""
    kept = host.files.read_json(FILE)
    return kept if isinstance(kept, dict) else {}


def wanted(host: Host, release: Mapping[str, Any]) -> dict[str, int]:
    """How many containers each web service of a release has."""
    asked = scales(host)
    own = release.get("replicas") or {}
    return {name: int(asked.get(name, {}).get("replicas") or count) for name, count in own.items()}


def most_running(host: Host, *releases: Mapping[str, Any] | None) -> int:
    """The most containers that one web service of these releases runs in one slot."""
    names = {name for release in releases for name in (release or {}).get("replicas") or {}}
    found = Counter((slot, service_of(one)) for slot in SLOTS for one in host.slot_containers(slot) if is_running(one))
    return max([0, *(count for (_slot, name), count in found.items() if name in names)])


def remember(host: Host, service: str, scale: Scale) -> bool:
    """Keep what is asked for; an empty one means what the compose file says."""
    before = scales(host)
    after = {**{name: one for name, one in before.items() if name != service}, **({service: scale} if scale else {})}
    if after != before:
        host.files.write_json(FILE, after)
    return after != before


def words(host: Host, slot: str, release: Release, services: list[str]) -> list[str]:
    """What ``compose up`` has to be told for these services of a slot."""
    asked, members = scales(host), Understanding.from_dict(release["understanding"]).services
    counts = {name: int(asked[name].get("replicas") or members[name].replicas) for name in services if name in asked}
    return [word for name, count in counts.items() for word in ("--scale", f"{name}-{slot}={count}")]


def limit(host: Host, slot: str) -> bool:
    """Give each container of a slot the CPUs and memory that were asked for its service; True when one had others."""
    changed = False
    for container in host.slot_containers(slot):
        scale = scales(host).get(service_of(container)) or {}
        changed = _limit(host.docker, container, scale) or changed
    return changed


def release_limits(host: Host, slot: str, service: str) -> bool:
    """Give the containers of a service what its compose file says; what it does not limit, the whole host."""
    file = host.files.read_json(f"slots/{slot}/compose.json") or {}
    body = (file.get("services") or {}).get(f"{service}-{slot}") or {}
    limits, info = ((body.get("deploy") or {}).get("resources") or {}).get("limits") or {}, _info(host)
    scale = {
        "cpus": float(limits.get("cpus") or body.get("cpus") or info["NCPU"]),
        "memory": number_of(limits.get("memory") or body.get("mem_limit") or info.get("MemTotal") or 0),
    }
    mine = [one for one in host.slot_containers(slot) if service_of(one) == service]
    had = [one for one in mine if any(one["HostConfig"].get(name) for name in ("NanoCpus", "Memory"))]
    changed = [_limit(host.docker, container, scale) for container in had]
    return any(changed)


def _limit(docker: Docker, container: Mapping[str, Any], scale: Scale) -> bool:
    has, told = container["HostConfig"], []
    if scale.get("cpus") and has.get("NanoCpus") != round(scale["cpus"] * 1e9):
        told += ["--cpus", f"{scale['cpus']:g}"]
    if scale.get("memory") and has.get("Memory") != scale["memory"]:
        # Together, or the engine refuses a memory above the swap of before; twice is what it gives by itself.
        told += ["--memory", str(scale["memory"]), "--memory-swap", str(2 * scale["memory"])]
    if told:
        docker("update", *told, container["Id"])
    return bool(told)


def shrink(
    host: Host, edge: Edge | None, slot: str, service: str, count: int, seconds: float, progress: Progress
) -> bool:
    """Remove the containers of a service that are too many, when they have answered what they have. Without *edge*
    nobody asks them anything."""
    mine = [one for one in host.slot_containers(slot) if service_of(one) == service]
    mine.sort(key=lambda one: int(one["Config"]["Labels"]["com.docker.compose.container-number"]))
    gone = mine[count:]
    if gone:
        if edge:
            edge.narrow(f"{service}-{slot}", addresses(host, mine[:count]), seconds, progress)
        host.docker("stop", *[one["Id"] for one in gone], timeout=300)
        host.docker("rm", "--force", *[one["Id"] for one in gone])
    return bool(gone)


def addresses(host: Host, containers: list[dict[str, Any]]) -> set[str]:
    """Where running containers answer the edge."""
    found = (address_on(one, host.edge_network) for one in containers)
    return {address for address in found if address}


def scaled(host: Host, needs: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """What services of a release need (``headroom.needs``), as they are scaled here."""
    names = {"replicas": "replicas", "memory": "limit", "cpus": "cpus"}
    asked = scales(host)
    return {
        service: {**need, **{name: asked[service][key] for key, name in names.items() if key in asked.get(service, {})}}
        for service, need in needs.items()
    }


def room(host: Host) -> Room:
    """See ``run.contract``."""
    info = _info(host)
    used: dict[str, dict[str, list[int]]] = {slot: {} for slot in SLOTS}
    for slot in SLOTS:
        for one in host.slot_containers(slot):
            if is_running(one):
                used[slot].setdefault(service_of(one), []).append(int(memory_in_use(host, one)))
    return {"cpus": info["NCPU"], "free": host_memory(info).get("available"), "slots": used}


def _info(host: Host) -> dict[str, Any]:
    status, info = host.docker.engine.json("GET", "/info")
    return {"NCPU": os.cpu_count() or 1, **(info if status == 200 else {})}


def apply(host: Host, edge: Edge, service: str, scale: Scale, start: Any, progress: Progress) -> Evidence:
    """Make it true in every slot that runs. *start* starts services of a slot and waits until they are ready."""
    changed = False
    for slot in SLOTS:
        record = host.release(host.slot(slot).get("release") or "")
        running = [one for one in host.slot_containers(slot) if service_of(one) == service and is_running(one)]
        if not record or service not in record["roles"] or not running:
            continue
        member = Understanding.from_dict(record["understanding"]).services[service]
        count = int(scale.get("replicas") or member.replicas)
        asks, seconds = edge if member.behind_edge else None, float(host.settings["drain_seconds"])
        if len(running) > count:
            changed = shrink(host, asks, slot, service, count, seconds, progress) or changed
        if len(running) < count:
            if asks:  # users meet the new ones when they are ready
                asks.narrow(f"{service}-{slot}", addresses(host, running), 0, progress)
            start(host, slot, record, [service], progress)
            changed = True
        changed = (limit(host, slot) if scale else release_limits(host, slot, service)) or changed
        if asks:
            asks.widen(f"{service}-{slot}")
            asks.wait_ready(slot, 15)
    return {"changed": changed}

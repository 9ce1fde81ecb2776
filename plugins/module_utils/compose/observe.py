# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs now, read and never changed: the observation that plans are made from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import RunbookError
from ..run.contract import SLOTS, Observation
from ..run.ledger import Ledger, LedgerBroken
from . import edge_tls, plain
from .database import last_known_schema
from .edge import Edge
from .host import Host, is_healthy, is_running, service_of
from .scale import scales
from .scale import wanted as wanted_replicas

MIN_FREE_MIB = 512


def describe(host: Host, edge: Edge) -> Observation:
    """The observation of ``run.contract``. What does not depend on each other is asked at once."""
    with ThreadPoolExecutor(4) as pool:
        schema = pool.submit(last_known_schema, host)
        ours = pool.submit(host.containers, f"steady.service={host.service}")
        base = pool.submit(host.base_containers)
        seen = pool.submit(edge.observe)
        releases = host.releases()
        slots = {slot: _slot(host, slot, ours.result(), releases) for slot in SLOTS}
        certificates, due = edge_tls.differences(
            host.settings.get("edge_tls") or {}, edge.certificates(), host.clock.now()
        )
        drift = [*_drift(host, slots, base.result(), seen.result()), *certificates]
        traffic = _traffic(seen.result())
        return {
            "live": traffic["live"] if traffic["live"] in SLOTS else None,
            "traffic": traffic,
            "edge": seen.result()["state"],
            "base": _base(host, base.result()),
            "base_has": (host.files.read_json("base/base.json") or {}).get("has") or [],
            "slots": slots,
            "jobs": _jobs(ours.result()),
            "releases": releases,
            "schema": schema.result()[0],
            "schema_unread": schema.result()[1],
            "plain": plain.observed(host, base.result()),
            "drift": drift,
            "edge_due": due,
            "scale": scales(host),
            "checks": _checks(host),
        }


def _slot(host: Host, slot: str, containers: list[dict[str, Any]], releases: Mapping[str, Any]) -> dict[str, Any]:
    mine = [c for c in containers if (c["Config"]["Labels"] or {}).get("steady.slot") == slot]
    record = host.slot(slot)
    release = releases.get(record.get("release") or "") or {}
    roles = release.get("roles") or {}
    web = [c for c in mine if roles.get(service_of(c), "web") == "web"]
    hands = [c for c in mine if roles.get(service_of(c)) in ("worker", "scheduler")]
    up = [c for c in web if is_running(c)]
    expected = sum(wanted_replicas(host, release).values()) or len(web)
    if not mine:
        state = "absent"
    elif not up:
        state = "stopped"
    else:
        state = "running" if len(up) >= expected else "partial"
    busy = {service_of(c) for c in hands if is_running(c)}
    wanted = expected_hands(release)
    working = "running" if wanted <= busy else "partial" if busy else "stopped"
    return {
        "release": record.get("release"),
        "state": state,
        "ready": state == "running" and all(is_healthy(c) for c in up),
        "workers": working if release.get("workers") else "none",
        "warm_until": record.get("warm_until"),
    }


def expected_hands(release: Mapping[str, Any]) -> set[str]:
    """The workers and schedulers of a release that have a container; one may be there with no replica."""
    members = (release.get("understanding") or {}).get("services") or {}
    hands = {name for name, role in (release.get("roles") or {}).items() if role in ("worker", "scheduler")}
    return {name for name in hands if members.get(name, {}).get("replicas", 1)}


def _jobs(containers: list[dict[str, Any]]) -> list[dict[str, str]]:
    labels = [container["Config"]["Labels"] or {} for container in containers]
    found = {(label["steady.release"], label["steady.job"]) for label in labels if label.get("steady.job")}
    return [{"release": release, "service": service} for release, service in sorted(found)]


def _base(host: Host, containers: list[dict[str, Any]]) -> str:
    """``none`` before anything was set up and when no state service exists; else whether they run."""
    record = host.files.read_json("base/base.json")
    if record is None:
        return "absent"
    expected = set(record.get("services") or [])
    if not expected:
        return "none"
    running = {service_of(c) for c in containers if is_running(c)} & expected
    return "running" if running == expected else "partial" if running else "absent"


def _traffic(seen: Mapping[str, Any]) -> dict[str, Any]:
    """What users get: the process decides while it runs; once it starts again, the map file."""
    kept, running = seen.get("traffic"), seen.get("running_traffic")
    traffic = running or kept or {}
    return {
        "told": kept == running or (running is None and seen["state"] != "running"),
        "live": traffic.get("live") or "none",
        "canary": traffic.get("canary") or "",
        "share": int(traffic.get("share") or 0),
        "maintenance": bool(traffic.get("maintenance")),
    }


def _drift(host: Host, slots: Mapping[str, Any], base: list[dict[str, Any]], edge: Mapping[str, Any]) -> list[str]:
    """What is not as we left it, each with what it means."""
    found = [str(sentence) for sentence in edge.get("drift") or []]
    record = host.files.read_json("base/base.json")
    ours = (record or {}).get("services") or []
    strange = [c for c in base if record and not plain.is_oneoff(c) and service_of(c) not in ours]
    for container in strange if host.plain.get("stage") in (None, "taken") else ():
        name = container["Name"].lstrip("/")
        state = "runs" if is_running(container) else f"is there ({container['State']['Status']})"
        found.append(f"container {name} {state} outside our releases (a plain compose up?): docker rm --force {name}")
    live = _traffic(edge)["live"]
    for slot, state in slots.items():
        if state["state"] == "partial":
            found.append(f"slot {slot} runs only in part")
        elif slot == live and state["state"] != "running":
            found.append(f"slot {slot} serves, but is {state['state']}: apply_update.yml of the same release starts it")
    if live in SLOTS and edge["state"] in ("absent", "stopped"):
        found.append(f"the edge is {edge['state']}, so nobody is served: maintenance.yml -e state=keep starts it")
    missing = sorted(set(ours) - {service_of(c) for c in base if is_running(c)})
    if missing:
        found.append(f"{', '.join(missing)} (state) is not running: apply_update.yml of the same release starts it")
    return found


def _checks(host: Host) -> list[dict[str, Any]]:
    """What only this host can say for go or no-go."""
    return [_state_directory(host), _ledger(host), *(_free(host, where, name) for where, name in disks(host))]


def disks(host: Host) -> list[tuple[str, str]]:
    """Where space is needed, and what its check is called."""
    state = _existing(host.files.root)
    try:
        docker = str(host.docker.engine.json("GET", "/info")[1]["DockerRootDir"])
    except RunbookError:
        docker = ""
    return [(state, "disk")] + ([(docker, "docker_disk")] if docker and os.path.isdir(docker) else [])


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _free(host: Host, where: str, name: str) -> dict[str, Any]:
    free = shutil.disk_usage(where).free // 2**20
    wanted = int(host.settings.get("min_free_mib", MIN_FREE_MIB))
    short = free < wanted
    return {
        "name": name,
        "status": "no_go" if short else "go",
        "detail": f"{free} MiB free in {where}" + (f", {wanted} MiB are needed" if short else ""),
        "next_step": "Free space (docker image prune), or lower service_min_free_mib." if short else "",
    }


def _ledger(host: Host) -> dict[str, Any]:
    """A run that could not be recorded would not begin; better known before."""
    check = {"name": "ledger", "status": "go", "detail": "the ledger ends as its head says", "next_step": ""}
    try:
        Ledger(host.files).check()
    except LedgerBroken as broken:
        return {**check, "status": "no_go", "detail": broken.detail, "next_step": broken.next_step}
    return check


def _state_directory(host: Host) -> dict[str, Any]:
    where = _existing(host.files.root)
    read_only = bool(os.statvfs(where).f_flag & os.ST_RDONLY) or not os.access(where, os.W_OK)
    return {
        "name": "state_directory",
        "status": "no_go" if read_only else "go",
        "detail": f"{host.files.root} cannot be written" if read_only else f"{host.files.root} can be written",
        "next_step": "Run as root (become), and look whether its file system is mounted read-only."
        if read_only
        else "",
    }

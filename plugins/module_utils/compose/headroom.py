# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room for a release beside the one that serves: memory, processors, disk, networks, connections of PostgreSQL.

Each is a check of go or no-go, and what is missing is said before anything is started. :func:`look` reads what is
there, :func:`judge` is pure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import RunbookError
from ..run.checks import HEADROOM
from ..run.contract import SLOTS, Observation, Release, other
from .database import connections, is_postgresql
from .host import Host, is_running, service_of
from .images import here
from .limits import replicas
from .memory import host_memory, memory_in_use
from .model import Understanding, services
from .pools import ENOUGH, free_networks, needed_networks
from .scale import scaled

Check = dict[str, Any]
MIB = 2**20
KEEP_MIB = 64  # what the host itself goes on with


def needs(model: Mapping[str, Any], understanding: Understanding) -> dict[str, dict[str, float]]:
    """What the services of a slot that run beside the old ones are allowed and promised: compose service ->
    ``replicas``, ``limit`` and ``reserved`` (bytes of memory of one container), ``cpus`` and ``cpus_reserved``; 0 where
    nothing is said."""
    found = {}
    for member in understanding.of_role("web", "worker"):
        if member.role == "worker" and member.exclusive:  # the old one stops first
            continue
        body = services(model)[member.name]
        resources = (body.get("deploy") or {}).get("resources") or {}
        limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
        found[member.name] = {
            "replicas": replicas(body),
            "limit": float(limits.get("memory") or body.get("mem_limit") or 0),
            "reserved": float(reserved.get("memory") or body.get("mem_reservation") or 0),
            "cpus": float(limits.get("cpus") or body.get("cpus") or 0),
            "cpus_reserved": float(reserved.get("cpus") or 0),
        }
    return found


def checks(
    host: Host, observed: Observation, release: Release | None, steps: Iterable[Mapping[str, Any]]
) -> list[Check]:
    """The checks of a plan with *steps* that starts *release*; of what an update like the present release would need
    without one. [] when nothing is started."""
    live, steps = observed["live"], list(steps)
    if release is None:
        release = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
        slot = other(live) if live else "blue"
        held = bool(release) and (release or {}).get("strategy") == "hold"
    else:
        staged = [step for step in steps if step["do"] == "stage"]
        if not staged:
            return []
        slot, before = staged[0]["args"]["slot"], steps[: steps.index(staged[0])]
        held = any(step["do"] in ("hold", "take_ports") for step in before)
    if release is None:
        return []
    seen = look(host, release, slot, live if live != slot else None)
    return judge(seen, held or not (live or seen["serving"]), host.settings)


def look(host: Host, release: Release, slot: str, live: str | None) -> dict[str, Any]:
    """Everything that :func:`judge` decides from, for *release* in *slot* beside *live*. Changes nothing."""
    containers = {one: [c for c in host.slot_containers(one) if is_running(c)] for one in SLOTS}
    status, info = host.docker.engine.json("GET", "/info")
    info = info if status == 200 else {}
    serving = containers[live] if live else _plain(host, release)
    every = [c for one in SLOTS for c in containers[one]] + ([] if live else serving)
    memory = {c["Id"]: memory_in_use(host, c) for c in every}
    leaving = [c for c in containers[slot] if c not in serving]  # it is removed before the new one starts
    return {
        "needs": scaled(host, release.get("needs") or {}),
        "host": host_memory(info),
        "cpus": int(info.get("NCPU") or 0),
        "load": os.getloadavg()[0],
        "serving": _by_service(serving, memory),
        "leaving": sum(memory[c["Id"]] for c in leaving),
        "images": _missing_images(host, release, serving),
        "disk": _free_disk(str(info.get("DockerRootDir") or "")),
        "networks": {
            "needed": needed_networks(release.get("pools") or {}, host.service, host.project, slot, _networks(host)),
            "free": free_networks(info.get("DefaultAddressPools"), _networks(host)),
        },
        "databases": _databases(host, serving, leaving),
        "ready_seconds": _last_start(host),
    }


def _plain(host: Host, release: Release) -> list[dict[str, Any]]:
    """What serves by plain compose, beside which a release is adopted."""
    runs = {name for name, role in (release.get("roles") or {}).items() if role not in ("state", "job")}
    return [c for c in host.base_containers() if is_running(c) and service_of(c) in runs]


def judge(seen: Mapping[str, Any], alone: bool, settings: Mapping[str, Any]) -> list[Check]:
    """One check for each of ``run.checks.HEADROOM``. *alone*: the release does not run beside another."""
    way_out = _exclusive_way(seen, settings)
    found = [
        _judge_memory(seen, alone, way_out),
        _judge_cpus(seen, alone, way_out),
        _judge_images(seen, settings),
        _judge_networks(seen),
        _judge_connections(seen, alone, way_out),
    ]
    return [dict(zip(("name", "status", "detail", "next_step"), (name, *one))) for name, one in zip(HEADROOM, found)]


def _judge_memory(seen: Mapping[str, Any], alone: bool, way_out: str) -> tuple[str, str, str]:
    parts, unknown = {}, []
    for name, need in seen["needs"].items():
        now = seen["serving"].get(name) or {}
        used = now["memory"] / now["containers"] if now else 0.0
        one = max(need["reserved"], used) or need["limit"]
        if need["limit"]:
            one = min(one, need["limit"])
        parts[name] = one * need["replicas"]
        unknown += [name] if not one else []
    wanted = int(sum(parts.values())) // MIB
    if alone:
        return "go", "the new release does not run beside another", ""
    if not seen["host"]:
        return "go", "the memory of the engine's host cannot be read here", ""
    there = int(seen["host"]["available"] + seen["leaving"]) // MIB - KEEP_MIB
    shown = ", ".join(f"{name} {int(size) // MIB}" for name, size in sorted(parts.items()) if size)
    detail = f"a second slot takes about {wanted} MiB{f' ({shown})' if shown else ''}, {max(there, 0)} MiB are free"
    if unknown:
        detail += f"; nothing is known of {', '.join(sorted(unknown))}"
    if wanted <= there:
        return "go", detail, ""
    return "no_go", f"{detail}: {wanted - there} MiB are missing", f"Free memory or lower its use. {way_out}"


def _judge_cpus(seen: Mapping[str, Any], alone: bool, way_out: str) -> tuple[str, str, str]:
    there = seen["cpus"]
    detail = f"{there} processors, load {seen['load']:.1f}"
    for name, need in sorted(seen["needs"].items()):
        if there and need["cpus"] > there:
            step = f"Lower `cpus` of {name}; Docker would not make its container."
            return "no_go", f"{name} may use {need['cpus']:g} processors, and there are {there}", step
    reserved = sum(need["cpus_reserved"] * need["replicas"] for need in seen["needs"].values())
    if there and not alone and 2 * reserved > there:
        detail = f"two slots reserve {2 * reserved:g} processors, and there are {there}"
        return "no_go", detail, f"Lower the reservations. {way_out}"
    return "go", detail, ""


def _judge_images(seen: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[str, str, str]:
    missing, disk = seen["images"], seen["disk"]
    if not missing:
        return "go", "all images are here", ""
    size = sum(missing.values()) // MIB
    known = f"about {size} MiB, as the present ones" if size else "of unknown size"
    detail = f"{len(missing)} image{'s' * (len(missing) > 1)} to fetch, {known}"
    wanted = size + int(settings.get("min_free_mib") or 0)
    if disk is None or disk // MIB >= wanted:
        return "go", detail, ""
    step = "Free space (docker image prune), or retire the idle slot (retire.yml)."
    return "no_go", f"{detail}; {disk // MIB} MiB are free and {wanted} are needed", step


def _judge_networks(seen: Mapping[str, Any]) -> tuple[str, str, str]:
    needed, free = seen["networks"]["needed"], seen["networks"]["free"]
    more = " or more" if free == ENOUGH else ""
    detail = f"{needed} to make, {free}{more} left in the engine's address pools"
    if needed <= free:
        return "go", detail, ""
    step = (
        "Remove networks that nobody uses (docker network prune), or give the engine more of them: "
        'default-address-pools in /etc/docker/daemon.json, such as [{"base": "10.200.0.0/16", "size": 24}], and '
        "restart it when nobody minds."
    )
    return "no_go", detail, step


def _judge_connections(seen: Mapping[str, Any], alone: bool, way_out: str) -> tuple[str, str, str]:
    if not seen["databases"]:
        return "not_configured", "no PostgreSQL runs here", ""
    details = []
    for name, known in sorted(seen["databases"].items()):
        if "why" in known:
            details.append(f"{name} did not tell: {known['why']}")
            continue
        wanted = 0.0
        for service, held in known["serving"].items():
            now = seen["serving"].get(service) or {"containers": 1}
            need = seen["needs"].get(service) or {"replicas": now["containers"]}
            wanted += held / now["containers"] * need["replicas"]
        free = known["most"] - known["reserved"] - known["used"] + known["leaving"]
        detail = (
            f"{name}: {known['used']} of {known['most']} connections are taken, {known['reserved']} kept for "
            f"superusers; a second slot takes about {wanted:.0f}, as the present one does now"
        )
        if not alone and wanted > free:
            step = f"Raise max_connections, or make the pools smaller. {way_out}"
            return "no_go", f"{detail}, and {max(free, 0)} are free", step
        details.append(detail)
    return "go", "; ".join(details), ""


def _exclusive_way(seen: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    took = seen["ready_seconds"]
    known = f"about {took:.0f} s, as the last start took" if took else "as long as the start takes"
    return (
        "Or switch without both at once (service_switch: hold): the old one stops first, and requests wait "
        f"{known}, at most {settings.get('hold_seconds')} s (service_hold_seconds)."
    )


def _by_service(containers: Iterable[Mapping[str, Any]], memory: Mapping[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for container in containers:
        one = found.setdefault(service_of(container), {"containers": 0, "memory": 0.0})
        one["containers"] += 1
        one["memory"] += memory[container["Id"]]
    return found


def _missing_images(host: Host, release: Release, serving: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Images of a release that are not here: image -> bytes of the one that the same service has now, 0 if none."""
    present = {service_of(container): str(container["Image"]) for container in serving}
    missing: dict[str, int] = {}
    for service, image in (release.get("images") or {}).items():
        if image not in missing and here(host.docker, image) is None:
            missing[image] = int(
                (here(host.docker, present[service]) or {} if service in present else {}).get("Size") or 0
            )
    return missing


def _free_disk(where: str) -> int | None:
    return shutil.disk_usage(where).free if where and os.path.isdir(where) else None


def _networks(host: Host) -> list[dict[str, Any]]:
    status, found = host.docker.engine.json("GET", "/networks")
    return list(found) if status == 200 else []


def _databases(
    host: Host, serving: Iterable[Mapping[str, Any]], leaving: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What each PostgreSQL of the service says of its connections; ``why`` when it does not."""
    found: dict[str, dict[str, Any]] = {}
    owners = {address: service_of(c) for c in serving for address in _addresses(c)}
    going = {address for c in leaving for address in _addresses(c)}
    declared = host.settings.get("schema") or {}
    for container in host.base_containers():
        name = service_of(container)
        if not is_running(container) or not (name == declared.get("service") or is_postgresql(container)):
            continue
        try:
            most, reserved, clients = connections(
                host, declared if name == declared.get("service") else {"service": name}
            )
        except RunbookError as error:
            found[name] = {"why": error.detail}
            continue
        held: dict[str, int] = {}
        for client in clients:
            if client in owners:
                held[owners[client]] = held.get(owners[client], 0) + 1
        found[name] = {
            "most": most,
            "reserved": reserved,
            "used": len(clients),
            "serving": held,
            "leaving": sum(client in going for client in clients),
        }
    return found


def _addresses(container: Mapping[str, Any]) -> list[str]:
    networks = (container["NetworkSettings"]["Networks"] or {}).values()
    return [str(one[key]) for one in networks for key in ("IPAddress", "GlobalIPv6Address") if one.get(key)]


def _last_start(host: Host) -> float:
    """How long the last release of this service took until it was ready, in seconds; 0 when nobody knows."""
    for run in sorted(host.files.names("runs"), reverse=True)[:50]:
        result = host.files.read_json(f"runs/{run}/result.json")
        for step in (result or {}).get("steps") or []:
            if step.get("do") == "stage" and (step.get("evidence") or {}).get("ready_seconds"):
                return float(step["evidence"]["ready_seconds"])
    return 0.0

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slots: a release rendered into one file of its own, started, stopped and removed as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CommandFailed
from ..run.contract import Evidence, Progress, Release, other
from ..run.waiter import wait_for
from . import scale
from .edge import Edge
from .host import Host, is_running, service_of
from .images import ensure_present
from .model import Understanding
from .ready import look
from .render import slot_model


def stage(host: Host, edge: Edge, slot: str, release: Release, progress: Progress) -> Evidence:
    """Render the slot unless it is this release's already, start its web services, wait for them and for the edge.

    What waits for another service's health starts in a wave of its own: Compose would wait for Docker's view of health,
    and name no reason for a service that never gets there.
    """
    begun = host.clock.monotonic()
    fetch(host, release, progress)  # an image may have been removed since it was fetched for the update
    record = host.slot(slot)
    if record.get("release") != release["id"] or not host.files.exists(f"slots/{slot}/compose.json"):
        render(host, slot, release)
        host.save_slot(slot, {"release": release["id"]})
    edge.expect()
    for wave in Understanding.from_dict(release["understanding"]).waves("web"):
        start(host, slot, release, wave, progress)
    ready = host.clock.monotonic() - begun
    edge.wait_ready(slot, 15)
    return {"changed": True, "slot": slot, "ready_seconds": round(ready, 3), "say": f"ready after {ready:.1f} s"}


def render(host: Host, slot: str, release: Release) -> None:
    """Write the slot's compose file. It holds values of the environment in clear text: only root can read it."""
    rendered = slot_model(
        host.rendered(release),
        Understanding.from_dict(release["understanding"]),
        service=host.service,
        slot=slot,
        release=release["id"],
        pins=release["images"],
        paths=host.paths(release["id"]),
    )
    host.files.write(f"slots/{slot}/compose.json", json.dumps(rendered, indent=1))


def start(host: Host, slot: str, release: Release, services: list[str], progress: Progress) -> None:
    """Start services of a slot at once, and wait until they are ready; a crash is told at once, with its last words."""
    names = [f"{name}-{slot}" for name in services]
    words = ("up", "--detach", "--no-deps", *scale.words(host, slot, release, services), *names)
    host.compose(host.slot_project(slot), f"slots/{slot}/compose.json", *words, release=release)
    scale.limit(host, slot)
    understanding = Understanding.from_dict(release["understanding"])
    begun = host.clock.monotonic()

    def seen() -> tuple[bool, Any]:
        containers = [c for c in host.slot_containers(slot) if service_of(c) in services]
        states = [
            look(host.docker, c, understanding.services[service_of(c)].readiness, host.edge_network) for c in containers
        ]
        waiting = [state for state in states if not state.ready]
        progress(f"{len(states) - len(waiting)} of {len(states)} ready after {host.clock.monotonic() - begun:.0f} s")
        return bool(states) and not waiting, [state.seen for state in waiting]

    wait_for(
        seen,
        what=f"{release['version']} ready in {slot}",
        timeout=host.settings["start_seconds"],
        clock=host.clock,
        interval=0.05,
        next_step="See its logs in the run's report; raise service_start_seconds if it only needs longer.",
    )


def handover(host: Host, slot: str, progress: Progress) -> Evidence:
    """Workers: the new ones start, then the old ones stop. Those of which two must never run, as schedulers: the
    reverse."""
    beside = other(slot)
    old, new = _hands(host, beside), _hands(host, slot)
    alone = {name for hands in (old, new) for name, exclusive in hands.items() if exclusive}
    changed = _stop(host, beside, alone & set(old))
    changed = _start(host, slot, alone & set(new), progress) or changed
    changed = _start(host, slot, set(new) - alone, progress) or changed
    changed = _stop(host, beside, set(old) - alone) or changed
    return {"changed": changed, "say": f"workers run in {slot}" if changed else ""}


def _hands(host: Host, slot: str) -> dict[str, bool]:
    """The workers and schedulers of a slot, and whether another may not run beside each."""
    release = host.release(host.slot(slot).get("release") or "")
    members = Understanding.from_dict(release["understanding"]).of_role("worker", "scheduler") if release else ()
    return {member.name: member.exclusive for member in members}


def _up(host: Host, slot: str) -> set[str]:
    return {service_of(c) for c in host.slot_containers(slot) if is_running(c)}


def _start(host: Host, slot: str, names: set[str], progress: Progress) -> bool:
    release = host.release(host.slot(slot).get("release") or "")
    if not names or release is None:
        return False
    up = _up(host, slot)
    start(host, slot, release, sorted(names), progress)
    return not up.issuperset(names)


def _stop(host: Host, slot: str, names: set[str]) -> bool:
    if up := names & _up(host, slot):
        words = [f"{name}-{slot}" for name in sorted(names)]
        host.compose(host.slot_project(slot), f"slots/{slot}/compose.json", "stop", *words, timeout=300)
    return bool(up)


def rest(host: Host, slot: str, roles: Iterable[str]) -> bool:
    """Stop what a slot has of these roles."""
    release = host.release(host.slot(slot).get("release") or "") or {}
    wanted = {name for name, role in (release.get("roles") or {}).items() if role in roles}
    running = [c["Id"] for c in host.slot_containers(slot) if service_of(c) in wanted and is_running(c)]
    if running:
        host.docker("stop", *running, timeout=300)
    return bool(running)


def halt(host: Host, slot: str) -> Evidence:
    """Stop all containers of a slot and keep them."""
    running = [c["Id"] for c in host.slot_containers(slot) if is_running(c) or c["State"]["Status"] == "restarting"]
    if running:
        host.docker("stop", *running, timeout=300)
    record = host.slot(slot)
    if record:
        host.save_slot(slot, {**record, "warm_until": None})
    return {"changed": bool(running), "slot": slot}


def retire(host: Host, slot: str) -> Evidence:
    """Remove a slot: its containers, its own networks, its rendered file. Volumes belong to the base and stay."""
    containers = host.slot_containers(slot)
    known = host.slot(slot)
    file = f"slots/{slot}/compose.json"
    said = ""
    if host.files.exists(file):
        try:
            host.compose(host.slot_project(slot), file, "down", "--remove-orphans", "--volumes", timeout=300)
        except CommandFailed as error:
            # Engines have been seen to count one container of a network too many, until they are started anew.
            if "has active endpoints" not in f"{error.detail} {error.last_seen}" or host.slot_containers(slot):
                raise
            said = "the engine holds an empty network to be in use: it is left for the next release of the slot"
    if host.slot_containers(slot):
        host.docker("rm", "--force", "--volumes", *[c["Id"] for c in containers], timeout=300)
    host.files.remove(f"slots/{slot}")
    return {"changed": bool(containers or known), "slot": slot, "say": said}


def fetch(host: Host, release: Mapping[str, Any], progress: Progress) -> Evidence:
    """Bring the images of a release here, by digest."""
    pulled = ensure_present(host.docker, dict(release["images"]), progress)
    return {"changed": bool(pulled), "pulled": pulled}


def health(host: Host, slot: str, restarts: dict[str, int]) -> tuple[bool, str]:
    """Whether all containers that should run do, and none is unhealthy or was restarted since the first look.

    *restarts* remembers the counts of that look: what happened to a slot long ago is not held against it.
    """
    release = host.release(host.slot(slot).get("release") or "") or {}
    roles = release.get("roles") or {}
    for container in host.slot_containers(slot):
        state = container["State"]
        status = (state.get("Health") or {}).get("Status")
        name = container["Name"].lstrip("/")
        if roles.get(service_of(container)) == "web" or is_running(container):
            if not is_running(container):
                return False, f"{name} is {state['Status']} (exit {state['ExitCode']})"
            if status == "unhealthy":
                return False, f"{name} is unhealthy"
        count = int(container.get("RestartCount") or 0)
        if count > restarts.setdefault(container["Id"], count):
            return False, f"{name} crashed and was restarted"
    return True, "healthy"


def logs(host: Host, slot: str, since: float, lines: int) -> list[str]:
    """The last *lines* of each container of a slot since a time, in order of time."""
    found: list[tuple[str, str]] = []
    for container in host.slot_containers(slot):
        said = host.docker.run("logs", "--timestamps", "--since", f"{since:.3f}", "--tail", str(lines), container["Id"])
        for line in (said.stdout + said.stderr).splitlines():
            stamp, _space, text = line.partition(" ")
            found.append((stamp, f"{service_of(container)}: {text}"))
    return [text for _stamp, text in sorted(found)][-lines:]

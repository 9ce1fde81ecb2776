# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What slots stand on: the state services in the user's own project, and the jobs that run once a release."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from ..errors import StepFailed
from ..run.contract import Evidence, Progress, Release
from ..run.waiter import wait_for
from .host import Host, is_running, service_of
from .model import Understanding
from .names import EDGE_IMAGE
from .ready import look
from .render import base_model, base_paths, job_model


def start_base(host: Host, release: Release, progress: Progress) -> Evidence:
    """Start the state services that do not run. One that is there is never recreated: it holds data."""
    understanding = Understanding.from_dict(release["understanding"])
    services = [member.name for member in understanding.of_role("state")]
    model, paths = host.rendered(release), host.paths(release["id"])
    for relative, comes_along in base_paths(model, understanding, paths.rendered).items():
        if comes_along:
            _keep_once(os.path.join(paths.source, relative), os.path.join(paths.data, relative))
    anchor = host.settings.get("edge_image") or EDGE_IMAGE
    rendered = base_model(model, understanding, paths=paths, anchor_image=anchor)
    host.files.write("base/compose.json", json.dumps(rendered, indent=1))
    host.compose(host.project, "base/compose.json", "up", "--detach", "--no-recreate", release=release, timeout=600)
    if services:
        _wait_ready(host, understanding, services, progress)
    host.files.write_json("base/base.json", {"services": services, "release": release["id"], "has": has(rendered)})
    return {"changed": True, "services": services, "say": ", ".join(services) or "none needed"}


def has(rendered: Mapping[str, Any]) -> list[str]:
    """The services, networks and volumes that a base has; a start makes what a release needs beyond that."""
    kinds = ("services", "networks", "volumes")
    members = [(kind[:-1], name, body or {}) for kind in kinds for name, body in (rendered.get(kind) or {}).items()]
    return sorted(f"{kind} {body.get('name') or name}" for kind, name, body in members)


def _keep_once(source: str, target: str) -> None:
    """Files of state services live beside their data, not in a release that is removed one day. What is there stays."""
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _wait_ready(host: Host, understanding: Understanding, services: list[str], progress: Progress) -> None:
    def seen() -> tuple[bool, Any]:
        found = {service_of(c): c for c in host.base_containers() if service_of(c) in services}
        states = {
            name: look(host.docker, container, understanding.services[name].readiness, f"{host.project}_default")
            for name, container in found.items()
        }
        waiting = [f"{name}: {state.seen}" for name, state in states.items() if not state.ready]
        progress(f"waiting for {', '.join(sorted(set(services) - {n for n, s in states.items() if s.ready}))}")
        return len(states) == len(services) and not waiting, waiting

    wait_for(
        seen,
        what="state services ready",
        timeout=host.settings["start_seconds"],
        clock=host.clock,
        interval=0.2,
        next_step="See their logs (docker logs); they are left running because they hold data.",
    )


def run_job(host: Host, release: Release, service: str, progress: Progress) -> Evidence:
    """Run a job of a release to its end. One that a dead run left running is waited for, not started again."""
    record = host.release(release["id"]) or release
    if service in record["jobs_done"]:
        return {"changed": False, "say": "has run already"}
    label = (f"steady.service={host.service}", f"steady.job={service}", f"steady.release={release['id']}")
    begun = host.clock.monotonic()
    # One that ended while nobody waited has run: its exit code tells how. One that was only created has not.
    found = host.containers(*label)
    if not found or not all(is_running(c) or c["State"]["Status"] == "exited" for c in found):
        _remove(host, label)
        understanding = Understanding.from_dict(release["understanding"])
        rendered = job_model(
            host.rendered(release),
            understanding,
            service=host.service,
            release=release["id"],
            name=service,
            pins=release["images"],
            paths=host.paths(release["id"]),
        )
        host.compose(f"{host.project}-job", rendered, "up", "--detach", "--no-deps", release=release, timeout=300)

    def ended() -> tuple[bool, Any]:
        containers = host.containers(*label)
        progress(f"runs for {host.clock.monotonic() - begun:.0f} s")
        return not any(is_running(c) for c in containers), containers

    containers = wait_for(
        ended,
        what=f"job {service} ended",
        timeout=host.settings["job_seconds"],
        clock=host.clock,
        interval=0.05,
        next_step="It still runs: look at its container, and raise service_job_seconds if it only needs longer.",
    )
    codes = [c["State"]["ExitCode"] for c in containers]
    said = [line for c in containers for line in _tail(host, c["Id"])]
    _remove(host, label)
    if not codes or any(codes):
        raise StepFailed(
            f"job {service} of {release['version']} failed (exit {codes[0] if codes else 'unknown'}): "
            + (said[-1] if said else "it said nothing"),
            code="job_failed",
            last_seen=said,
            next_step="Mend the job in a new release; what it did to the database is its own to tell.",
        )
    host.save_release({**record, "jobs_done": [*record["jobs_done"], service]})
    return {"changed": True, "said": said[-10:], "say": f"ended well after {host.clock.monotonic() - begun:.1f} s"}


def end_jobs(host: Host, seconds: float, progress: Progress) -> Evidence:
    """Wait for the jobs that a dead run left at work, and remove their containers."""
    label = (f"steady.service={host.service}", "steady.job")
    found = host.containers(*label)

    def ended() -> tuple[bool, Any]:
        running = [service_of(c) for c in host.containers(*label) if is_running(c)]
        progress(f"waiting for {', '.join(running)}")
        return not running, running

    wait_for(
        ended,
        what="jobs of a dead run ended",
        timeout=seconds,
        clock=host.clock,
        interval=0.2,
        next_step="Look at the job's container: it still works on the database. Run recover.yml when it has ended.",
    )
    _remove(host, label)
    return {"changed": bool(found)}


def _tail(host: Host, container: str) -> list[str]:
    said = host.docker.run("logs", "--tail", "50", container)
    return (said.stdout + said.stderr).splitlines()


def _remove(host: Host, label: tuple[str, ...]) -> None:
    ids = [c["Id"] for c in host.containers(*label)]
    if ids:
        host.docker("rm", "--force", "--volumes", *ids)

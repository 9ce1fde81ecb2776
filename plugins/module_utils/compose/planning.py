# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe, understand and plan on a compose host: everything before the first change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from ..run import checks
from ..run.clock import Clock
from ..run.contract import Observation, Release
from ..run.files import Files
from ..run.journal import Journal, unfinished
from ..run.ledger import Ledger
from ..run.lock import HostLock, busy
from ..run.plan import Plan, describe_steps
from ..run.recover import ways
from ..run.runbooks import make_plan
from .act import refuse_dead_run
from .archive import keep, unpack
from .config import overlooked, source_files
from .images import apply_images, ensure_present, image_override, image_tests, resolve
from .platform import ComposePlatform
from .understand import understand


def plan_runbook(params: Mapping[str, Any], scratch: str, stays: bool) -> dict[str, Any]:
    """What module ``compose_plan`` answers. *stays* is false in check mode: then nothing stays on the host."""
    platform = ComposePlatform.open({**params, "service": params["settings"]["name"]})
    runbook, options = params["runbook"], params["options"]
    clock, files = platform.host.clock, platform.host.files
    joined = _present_run(files, clock, runbook)
    if joined:
        return joined
    observed = platform.describe()
    found = checks.go_no_go(observed, platform.host.settings, Ledger(files).last())
    seen = {"checks": found, "observed": told(observed), "options": options}
    if runbook == "preflight" and not params["release"]:
        return seen
    checks.gate(found)
    release = new_release(platform, params, observed, scratch) if params["release"] else None
    dead = unfinished(files, clock)
    request = {"runbook": runbook, "service": platform.host.service, "release": release, "options": options}
    request["dead"] = dead.intent() if dead else None
    plan, record = make_plan(observed, {**request, "runbook": "apply_update" if runbook == "preflight" else runbook})
    approved = options.get("approved_plan")
    if approved and approved != plan["hash"]:
        raise Refused(
            f"plan {approved} was approved, but what would be done now is plan {plan['hash']}",
            code="plan_drifted",
            last_seen=describe_steps(plan),
            next_step="Look at the new plan (--check --diff) and approve that one.",
        )
    if stays and release and plan["steps"]:
        keep(files, params["archive"], release)
    return {**seen, "plan": plan, "release": brief(record), "text": _text(plan, observed, request)}


def brief(record: Release) -> Release:
    """What may leave the host of a release's record: nothing that was read out of the user's files."""
    names = ("id", "version", "images", "commit", "source_digest", "type", "changes", "schema", "manifest", "roles")
    return {name: record.get(name) for name in (*names, "strategy", "previous", "live_since")}


def _text(plan: Plan, observed: Observation, request: Mapping[str, Any]) -> str:
    """The plan for people; for a recovery with what the other way would do."""
    text = describe_steps(plan)
    if plan["runbook"] != "recover":
        return text
    away = "back" if plan["way"] == "finish" else "finish"
    steps = ways(observed, request["dead"])[away]
    return (
        text + f"  the other way (-e direction={away}) would:\n" + "".join(f"    - {step['title']}\n" for step in steps)
    )


def told(observed: Observation) -> Observation:
    """The observation as it may leave the host."""
    return {**observed, "releases": {name: brief(record) for name, record in observed["releases"].items()}}


def _present_run(files: Files, clock: Clock, runbook: str) -> dict[str, Any] | None:
    """Refuse beside a run that is at work or dead; a rollback joins one that watches instead."""
    held, present = HostLock(files, clock).holder(), unfinished(files, clock)
    if not held:
        if runbook not in ("preflight", "recover"):
            refuse_dead_run(present)
        return None
    if runbook == "rollback" and present and present.run == held.get("run") and _watches(present):
        intent = present.intent() or {}
        text = f"run {present.run} watches {intent['to']['version']}: it will be asked to go back\n"
        steps = [{"do": "join", "title": f"Ask run {present.run} to go back", "undo": "", "args": {}}]
        plan = {"runbook": runbook, "from": intent["to"], "to": intent["from"], "steps": steps, "hash": "", "notes": []}
        return {
            "join": present.run,
            "plan": plan,
            "release": {},
            "text": text,
            "checks": [],
            "observed": {},
            "options": {},
        }
    raise busy(held)


def _watches(journal: Journal) -> bool:
    begun = [event for event in journal.events() if event["event"] in ("step", "turn")]
    return bool(begun) and begun[-1].get("do") == "watch"


def new_release(platform: ComposePlatform, params: Mapping[str, Any], observed: Observation, scratch: str) -> Release:
    """Unpack and render the source, understand it, pin its images: the record of a new release."""
    settings, asked = platform.host.settings, params["release"]
    source = os.path.join(scratch, "source")
    unpack(params["archive"], source)
    environment = {**(settings.get("environment") or {}), **((asked.get("manifest") or {}).get("environment") or {})}
    environment.setdefault("VERSION", asked["version"] or "")
    model = platform.host.render(source, settings, environment)
    unread = overlooked(source, settings["compose_files"])
    model = apply_images(model, asked.get("images") or {})
    if asked.get("image"):
        model = image_override(model, asked["image"], settings.get("roles"))
    settings = {**settings, "source_files": source_files(source)}
    understanding = understand(model, settings, source=source)
    wanted = [member.name for member in understanding.services.values() if member.role != "state"]
    if all(finding.code == "no_readiness" for finding in understanding.refusals):
        pins, notes = resolve(platform.host.docker, model, wanted)
        mute = {finding.service: pins[finding.service] for finding in understanding.refusals}
        if mute:
            # An image may bring its own healthcheck, which only the image itself can tell; so it is pulled, in check
            # mode too: nothing but the store of images changes by that.
            ensure_present(platform.host.docker, mute)
            tests = image_tests(platform.host.docker, mute)
            understanding = understand(model, settings, source=source, image_tests=tests)
    understanding.refuse()
    manifest = asked.get("manifest") or {}
    jobs = [member.name for member in understanding.of_role("job")]
    return {
        "id": release_id(asked, pins, environment, settings),
        "version": asked["version"],
        "images": pins,
        "source_digest": asked["source_digest"],
        "commit": asked.get("commit") or manifest.get("commit") or "",
        "type": manifest.get("type") or "",
        "changes": manifest.get("changes") or [],
        "schema": _schema(manifest, observed),
        "manifest": manifest,
        "jobs": ordered(jobs, manifest.get("order") or []),
        "jobs_done": [],
        "strategy": strategy(understanding, settings),
        "workers": bool(understanding.of_role("worker", "scheduler")),
        "roles": {name: member.role for name, member in understanding.services.items()},
        "replicas": {member.name: member.replicas for member in understanding.of_role("web")},
        "environment": environment,
        "render": {name: settings[name] for name in ("compose_files", "profiles", "ready")},
        "understanding": understanding.as_dict(),
        "notes": [
            *(finding.detail for finding in understanding.notes),
            *(f"{name} is not read, as service_compose_files does not name it." for name in unread),
            *notes,
        ],
        "previous": None,
    }


def _schema(manifest: Mapping[str, Any], observed: Observation) -> dict[str, Any]:
    """What the manifest declares; else a release can live with the revision that is live, and no other."""
    declared = dict(manifest.get("schema") or {})
    if declared:
        return declared
    return {"revision": observed["schema"], "compatible": [observed["schema"]]} if observed["schema"] else {}


def release_id(
    asked: Mapping[str, Any], pins: Mapping[str, str], environment: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:
    """Version and eight digits over everything that a release is: the same content has the same name."""
    parts = [asked["source_digest"], sorted(pins.items()), sorted((k, str(v)) for k, v in environment.items())]
    parts += [settings.get(name) for name in ("compose_files", "profiles", "roles", "shared", "ready")]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    return f"{asked['version']}-{digest}"


def strategy(understanding: Any, settings: Mapping[str, Any]) -> str:
    """``overlap``, or ``hold`` when two slots must not run at once; a worker alone never needs a hold."""
    exclusive = [member for member in understanding.exclusive if member.role == "web"]
    wanted = settings.get("switch") or "auto"
    if wanted == "overlap" and exclusive:
        raise Refused(
            f"{exclusive[0].name} cannot run twice at once: {'; '.join(exclusive[0].exclusive_why)}",
            code="exclusive",
            next_step="Leave service_switch at auto, or declare it shared if that is safe "
            f"(service_shared: [{exclusive[0].name}]).",
        )
    return "hold" if exclusive or wanted == "hold" else "overlap"


def ordered(names: list[str], order: list[str]) -> list[str]:
    """*names*, those that *order* lists first and in that order."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))

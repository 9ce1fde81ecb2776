# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe, understand and plan on a compose host: everything before the first change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import carried
from ..errors import Refused
from ..run import checks
from ..run.clock import Clock
from ..run.contract import Observation, Release
from ..run.files import Files
from ..run.journal import Journal, not_written, present, unfinished
from ..run.ledger import Ledger
from ..run.lock import busy
from ..run.overlay import overlay_of
from ..run.plain import refuse_adopted, refuse_tls
from ..run.plan import Plan, describe_steps
from ..run.recover import ways
from ..run.runbooks import beside, make_plan
from .act import refuse_dead_run
from .archive import keep
from .leftover import await_leftovers
from .model import Understanding
from .platform import ComposePlatform
from .settings import checked


def plan_runbook(params: Mapping[str, Any], scratch: str, stays: bool) -> dict[str, Any]:
    """The plan that module ``compose_run`` answers. *stays* is false in check mode: then nothing stays on the host."""
    params = checked(params)
    platform = ComposePlatform.open(params)
    runbook, options = params["runbook"], params["options"]
    clock, files = platform.host.clock, platform.host.files
    joined = _present_run(files, clock, runbook)
    if joined:
        return joined
    dead = unfinished(files, clock)
    if dead:
        await_leftovers(dead.intent() or {}, clock)
    observed = platform.describe()
    found = checks.go_no_go(observed, platform.host.settings, Ledger(files).last())
    seen = {"checks": found, "observed": told(observed), "options": options}
    if runbook == "preflight" and not params["release"]:
        seen["checks"] = [*found, *checks.mandated(platform.headroom(observed, None, []), platform.host.settings)]
        checks.gate(seen["checks"])
        return seen
    checks.gate(found)
    if runbook in ("adopt", "unadopt"):
        refuse_tls(platform.host.settings["edge_tls"] or any(platform.edge.certificates().values()))
    if runbook == "adopt":
        refuse_adopted(observed)
    release = None
    if params["release"]:
        from .adopting import Running
        from .release import new_release  # a rollback does without the half of our code that this needs

        running = Running(platform.host) if runbook == "adopt" else None
        release = new_release(platform, params, observed, scratch, running)
    if runbook == "set_env":
        from .release import changed_release

        release = changed_release(platform, options, observed)
    request = {"runbook": runbook, "service": platform.host.service, "release": release, "options": options}
    request["dead"] = dead.intent() if dead else None
    request["settings_digest"] = platform.host.settings_digest
    request.update(beside(platform, runbook, observed))
    plan, record = make_plan(observed, {**request, "runbook": "apply_update" if runbook == "preflight" else runbook})
    if release:
        room = checks.mandated(platform.headroom(observed, release, plan["steps"]), platform.host.settings)
        seen["checks"] = [*found, *room]
        checks.gate(room)
    approved = options.get("approved_plan")
    if approved and approved != plan["hash"]:
        raise Refused(
            f"plan {approved} was approved, but what would be done now is plan {plan['hash']}",
            code="plan_drifted",
            last_seen=describe_steps(plan),
            next_step="Look at the new plan (--check --diff) and approve that one.",
        )
    if stays and plan["steps"] and runbook != "preflight":  # after which nobody acts
        try:
            carried.keep(files, params.get("code"))
            if release:
                keep(files, params["archive"], release)
        except OSError as error:
            files.remove("incoming")
            raise not_written(error) from error
    return {**seen, "plan": plan, "release": brief(record), "text": _text(plan, observed, request)}


def brief(record: Release) -> Release:
    """What may leave the host of a release's record: nothing that was read out of the user's files."""
    names = ("id", "version", "images", "commit", "source_digest", "type", "changes", "schema", "manifest", "roles")
    told = {name: record.get(name) for name in (*names, "strategy", "previous", "live_since")}
    return {**told, "overlay": overlay_of(record)}


def _text(plan: Plan, observed: Observation, request: Mapping[str, Any]) -> str:
    """The plan for people; for a recovery with what the other way would do."""
    text = describe_steps(plan)
    known = (request["release"] or {}).get("understanding")
    if known and plan["steps"] and plan["runbook"] != "adopt":  # which says more of each
        text += "".join(f"  = {line}\n" for line in Understanding.from_dict(known).told())
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
    held, journal = present(files, clock)
    if not held:
        if runbook not in ("preflight", "recover"):
            refuse_dead_run(journal)
        return None
    if runbook == "rollback" and journal and journal.run == held.get("run") and _watches(journal):
        intent = journal.intent() or {}
        if not intent["from"]:
            raise Refused(
                f"there is nothing to roll back to: run {journal.run} watches the first release",
                code="nothing_to_roll_back_to",
                next_step="Wait for its verdict (status.yml), or apply another release after it.",
            )
        text = f"run {journal.run} watches {intent['to']['version']}: it will be asked to go back\n"
        steps = [{"do": "join", "title": f"Ask run {journal.run} to go back", "undo": "", "args": {}}]
        plan = {"runbook": runbook, "from": intent["to"], "to": intent["from"], "steps": steps, "hash": "", "notes": []}
        return {
            "join": journal.run,
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

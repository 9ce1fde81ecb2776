# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending a run that died: observe and plan again, towards where it was going or back to where it came from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from . import in_place, plain
from . import plan as plans
from .contract import Observation, Release
from .schema import survives
from .variables import shown

Intent = Mapping[str, Any]
FORMAT = 1  # of an intent; raised when an older version could misread a newer one


def plan(
    observed: Observation, dead: Intent | None, direction: str, *, service: str, settings_digest: str = ""
) -> tuple[plans.Plan, Release]:
    """The plan that ends the *dead* run, and the record of the release that will serve.

    *direction* is ``finish``, ``back`` or ``auto``: the safe one of both.
    """
    if direction not in ("auto", "finish", "back"):
        raise Refused(
            f"direction is {shown(direction)}, which is none",
            code="invalid_variable",
            next_step="Give -e direction=auto, finish or back.",
        )
    dead = root(dead) if dead else None
    if not dead:
        raise Refused(
            "no run has died here: there is nothing to recover",
            code="nothing_to_recover",
            next_step="status.yml tells what runs.",
        )
    if int(dead.get("format") or 1) > FORMAT:
        raise Refused(
            f"run {dead['run']} was begun by a newer version of this collection, in format {dead['format']}",
            code="newer_format",
            next_step="Run recover.yml with that version or a later one: this one could only guess.",
        )
    safe, why = safe_direction(observed, dead)
    way = safe if direction == "auto" else direction
    obstacle = _obstacle(observed, dead)
    if way == "back" and obstacle:
        raise Refused(
            f"run {dead['run']} cannot be undone: {obstacle}", code="no_way_back", next_step="Use -e direction=finish."
        )
    steps = ways(observed, dead)[way]
    going_back = way == "back" and dead["from"]
    release = (_origin(observed, dead) if going_back else None) or dead["release"]
    notes = [
        f"Run {dead['run']} ({dead['runbook']}) died between {_version(dead['from'])} and {dead['to']['version']}.",
        f"This goes {'back' if way == 'back' else 'on'}"
        + (f": {why}" if way == safe else f"; the safe way would be {safe}: {why}"),
    ]
    if way == "finish":
        notes += [note for note in dead["plan"].get("notes") or [] if note.startswith("Point of no return")]
    document = {
        "runbook": "recover",
        "service": service,
        "from": dead["from"],
        "to": dead["to"],
        "way": way,
        "schema": {"live": observed["schema"], "release": release.get("schema") or {}},
        "settings": settings_digest,
        "steps": steps,
        "notes": notes,
        **{name: dead["plan"][name] for name in ("back",) if name in dead["plan"]},
    }
    return plans.sealed(document), dict(release)


def root(dead: Intent) -> Intent:
    """The run that a chain of dead recoveries was to end; going back once one of them went back."""
    first: Intent = dead.get("ends") or dead
    return {**first, "direction": "back"} if dead["direction"] == "back" else first


def ways(observed: Observation, dead: Intent) -> dict[str, list[plans.Step]]:
    """What both ways would do now: ``{"finish": steps, "back": steps}``."""
    dead = root(dead)
    release, goal = dead["release"], dead["to"]
    if "back" in dead["plan"]:
        return {"finish": dead["plan"]["steps"], "back": dead["plan"]["back"] or dead["plan"]["steps"]}
    if plain.concerns(dead):
        return {"finish": plain.onward(observed, dead, release), "back": plain.back(observed, dead, release)}
    if dead["runbook"] == "retire":
        # What is gone is gone, so both ways are one; settling is left even when all of it had been done.
        settle = plans.towards(observed, goal["slot"], release, verify=False)
        return dict.fromkeys(("finish", "back"), [*plans.retire(observed), *settle])
    planned = {step["do"] for step in dead["plan"]["steps"]}
    settled: dict[str, Any] = next((step["args"] for step in dead["plan"]["steps"] if step["do"] == "settle"), {})
    unsure = observed["live"] != goal["slot"]  # the run may have died before what it had started there was ready
    finish = plans.towards(
        plans.held_ready(observed, goal["slot"], False) if unsure else observed,
        goal["slot"],
        release,
        new="prepare" in planned,
        jobs=tuple(step["args"]["service"] for step in dead["plan"]["steps"] if step["do"] == "run_job"),
        watch="watch" in planned,
        previous=settled.get("previous"),
    )
    return {"finish": finish, "back": plans.back(observed, dead["from"], goal, _origin(observed, dead))}


def safe_direction(observed: Observation, dead: Intent) -> tuple[str, str]:
    """Which way is safe, and why."""
    obstacle = _obstacle(observed, dead)
    if obstacle:
        return "finish", obstacle
    if dead["direction"] == "back":
        return "back", "it was going back already"
    if plain.concerns(dead):
        return "back", "nothing has been removed yet"
    if dead["runbook"] in ("rollback", "retire"):
        return "finish", "where it was going is what was known to be good"
    if dead["runbook"] in in_place.RUNBOOKS:
        return "finish", "it changes nothing about which release serves, and is what was asked for"
    if not dead["from"]:
        return "finish", "nothing served before"
    return "back", f"{dead['from']['version']} was known to be good, and {dead['to']['version']} had not passed"


def _obstacle(observed: Observation, dead: Intent) -> str:
    """Why the release from before cannot serve again; empty when it can."""
    if plain.concerns(dead):
        return plain.past(observed, dead)
    release = _origin(observed, dead)
    if release is None:
        return f"the record of {_version(dead['from'])} is lost" if dead["from"] else ""
    if survives(release, observed, dead["release"]):
        return ""
    running = "".join(f", and job {job['service']} still runs" for job in observed.get("jobs") or [])
    return f"{release['version']} cannot live with schema {observed['schema']}{running}"


def _origin(observed: Observation, dead: Intent) -> Release | None:
    return observed["releases"].get(dead["from"]["release"]) if dead["from"] else None


def _version(end: Mapping[str, Any] | None) -> str:
    return str(end["version"]) if end else "nothing"

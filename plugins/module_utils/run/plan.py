# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: pure functions from what was observed to the ordered steps that make a goal true.

A plan is data. Its hash covers everything that matters for what it would do, so it can be approved by hash, and
acting refuses when a plan made again from a fresh observation has another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Refused
from .contract import Observation, Release, other
from .schema import lives_with

Step = dict[str, Any]
Plan = dict[str, Any]


def _step(do: str, title: str, undo: str = "", **args: Any) -> Step:
    return {"do": do, "title": title, "undo": undo, "args": args}


def towards(
    observed: Observation,
    slot: str,
    release: Release,
    *,
    new: bool = False,
    jobs: tuple[str, ...] = (),
    verify: bool = True,
    watch: bool = False,
    previous: str | None = None,
) -> list[Step]:
    """The steps that make *release* in *slot* the one that serves. What is true already needs no step.

    *previous* is the release that a rollback will go back to from then on; without it the one that was known stays.
    """
    version, beside, name = release["version"], other(slot), release["id"]
    now, old = observed["slots"][slot], observed["slots"][beside]
    exclusive = _exclusive(observed, release)
    serving = observed["live"] == slot
    steps: list[Step] = []
    if new:
        steps.append(_step("prepare", f"Keep the source and the record of {version}", "remove them", release=name))
    if now["release"] not in (None, release["id"]):
        steps.append(
            _step("retire", f"Remove {_named(observed, now['release'])} from {slot}", "apply it again", slot=slot)
        )
    lacks = set(release.get("base") or []) - set(observed.get("base_has") or [])
    if observed["base"] in ("absent", "partial") or (new and lacks):
        steps.append(_step("base", "Start the state services", "none: they hold data", release=name))
    if exclusive and not serving and old["state"] in ("running", "partial"):
        steps.append(_step("hold", "Hold requests", "let them through again", slot=beside))
        steps.append(
            _step("halt", f"Stop {_named(observed, old['release'])} in {beside}", "start it again", slot=beside)
        )
    done = (observed["releases"].get(release["id"]) or {}).get("jobs_done") or []
    for job in jobs:
        if job not in done:
            steps.append(
                _step("run_job", f"Run {job} of {version}", "none: see the release's schema", release=name, service=job)
            )
    if not (now["release"] == release["id"] and now["state"] == "running" and now["ready"]):
        steps.append(
            _step(
                "stage",
                f"Start {version} in {slot} and wait until it is ready",
                f"stop {slot}",
                slot=slot,
                release=name,
            )
        )
    if verify and not serving:
        steps.append(_step("verify", f"Check {version} in {slot} before anybody uses it", slot=slot, release=name))
    if not serving or observed["traffic"]["share"] or not observed["traffic"].get("told", True):
        steps.append(_step("shift", f"Send all requests to {slot}", _shift_undo(observed), slot=slot))
    if (release.get("workers") and now["workers"] != "running") or old["workers"] in ("running", "partial"):
        steps.append(_step("handover", f"Hand workers over to {slot}", f"hand them back to {beside}", slot=slot))
    if watch:
        steps.append(_step("watch", f"Watch {version}", slot=slot, release=name))
    mine = [{"release": name, "service": job} for job in jobs if job not in done]
    steps += _jobs_end(job for job in observed.get("jobs") or [] if job not in mine)
    previous = previous or release.get("previous")
    steps.append(_step("settle", f"Settle on {version}", slot=slot, release=name, previous=previous))
    return steps


def back(
    observed: Observation, start: dict[str, Any] | None, goal: dict[str, Any], release: Release | None
) -> list[Step]:
    """The steps that undo: towards where the run came from, with what it started stopped and kept to be looked at.

    *start* and *goal* are ``{"slot", "release"}``; *release* is the record of the start's release, None before the
    first one or when it is lost.
    """
    slot = goal["slot"]
    staged = observed["slots"][slot]["release"] == goal["release"]
    halt = _step("halt", f"Stop {slot} and keep it to be looked at", slot=slot)
    if start is None:
        close = _step("close", "Take everything from the edge")
        return [close, *([halt] if staged else []), *_jobs_end(observed.get("jobs") or [])]
    if release is None:
        # Its record is lost, so it can be neither started nor settled on; but it served, and shall again.
        shift = _step("shift", f"Send all requests to {start['slot']}", slot=start["slot"])
        return [*([] if observed["live"] == start["slot"] else [shift]), *([halt] if staged else [])]
    # Where it runs it gets the requests first, whatever its health check says this moment. Not while they are held:
    # then it may have been stopped for the other, and be on its way up again.
    served = observed["slots"][start["slot"]]
    ready = served["state"] == "running" and (served["ready"] or observed["live"] is not None)
    steps = towards(held_ready(observed, start["slot"], ready), start["slot"], release, verify=False)
    stopped = any(step["do"] == "halt" for step in steps) or observed["slots"][slot]["state"] in ("stopped", "absent")
    # A run that began and ends in one slot (retire) started nothing beside it.
    return steps if stopped or not staged or slot == start["slot"] else [*steps, halt]


def _jobs_end(jobs: Iterable[Mapping[str, str]]) -> list[Step]:
    """No run ends while something that a dead one started may still change the database."""
    names = ", ".join(job["service"] for job in jobs)
    return [_step("end_jobs", f"Wait until {names} has ended, and remove what is left of it")] if names else []


def held_ready(observed: Observation, slot: str, ready: bool) -> Observation:
    """The observation with a slot held to be *ready* or not, whatever it seems to be."""
    return {**observed, "slots": {**observed["slots"], slot: {**observed["slots"][slot], "ready": ready}}}


def _exclusive(observed: Observation, release: Release) -> bool:
    """Whether this release cannot run beside the one in the other slot."""
    records = [
        release,
        *(observed["releases"].get(state["release"] or "") or {} for state in observed["slots"].values()),
    ]
    return any(record.get("strategy") == "hold" for record in records)


def origin(observed: Observation) -> dict[str, Any] | None:
    """Where a run starts from: the slot and the release that serve; None before the first one."""
    live = observed["live"]
    if not live:
        return None
    release = observed["slots"][live]["release"]
    return {"slot": live, "release": release, "version": _named(observed, release)}


def _shift_undo(observed: Observation) -> str:
    return f"send them to {observed['live']}" if observed["live"] else "take everything from the edge"


def _named(observed: Observation, release: str | None) -> str:
    return (observed["releases"].get(release or "") or {}).get("version") or release or "nothing"


def assemble(
    runbook: str,
    observed: Observation,
    release: Release,
    slot: str,
    steps: list[Step],
    *,
    service: str,
    notes: list[str],
    settings_digest: str = "",
    back: list[Step] | None = None,
    start: dict[str, Any] | None = None,
) -> Plan:
    """Put a plan together and give it its hash. *start* is where it comes from, when that is no slot.

    *back* are the steps that undo a plan which changes something about what serves, and not who serves: all of them
    can be done at any moment, so they are known beforehand and go with the intent.
    """
    return sealed(
        {
            "runbook": runbook,
            "service": service,
            "from": start or origin(observed),
            "to": {"slot": slot, "release": release["id"], **{name: release[name] for name in ("version", "images")}},
            "schema": {"live": observed["schema"], "release": release.get("schema") or {}},
            "settings": settings_digest,
            "steps": steps,
            "notes": notes,
            **({} if back is None else {"back": back}),
        }
    )


def sealed(plan: Plan) -> Plan:
    """The plan with its hash: 16 hexadecimal digits over everything in it."""
    content = {name: value for name, value in plan.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return {**content, "hash": hashlib.sha256(text.encode()).hexdigest()[:16]}


def apply_update(
    observed: Observation, release: Release, *, accept_one_way: bool = False
) -> tuple[str, list[Step], list[str]]:
    """Slot, steps and notes for a new release."""
    live, notes = observed["live"], []
    current = observed["releases"].get(observed["slots"][live]["release"]) if live else None
    whole = observed["edge"] == "running" and observed["base"] not in ("absent", "partial")
    if live and observed["slots"][live]["release"] == release["id"] and observed["slots"][live]["ready"] and whole:
        return live, [], [f"{release['version']} is live already, from the same images, source and settings"]
    slot = other(live) if live else _free(observed, release)
    wanted = (release.get("schema") or {}).get("revision")
    done = (observed["releases"].get(release["id"]) or {}).get("jobs_done") or []
    migrates = bool(release.get("self_migrating")) or any(job not in done for job in release["jobs"])
    known = [*observed["releases"].values(), release]
    if not migrates and not lives_with(release, observed["schema"], known):
        raise Refused(
            f"{release['version']} cannot live with schema {observed['schema']}, and nothing of it changes that",
            code="schema_incompatible",
            last_seen={"schema": observed["schema"], "release": release.get("schema")},
            next_step="Correct schema in its manifest, or apply a release that fits the database.",
        )
    if current and wanted and wanted != observed["schema"] and migrates and not lives_with(current, wanted, known):
        if not accept_one_way:
            raise Refused(
                f"there would be no way back: {current['version']} cannot live with schema {wanted}",
                code="no_way_back",
                last_seen={"schema": observed["schema"], "release": current.get("schema")},
                next_step="Split the change into expand and contract, or accept it with -e accept_one_way=true.",
            )
        notes.append(f"Point of no return: after the migration to {wanted}, {current['version']} cannot serve again.")
    before = current["id"] if current and current["id"] != release["id"] else None
    jobs = tuple(release["jobs"])
    return slot, towards(observed, slot, release, new=True, jobs=jobs, watch=True, previous=before), notes


def _free(observed: Observation, release: Release) -> str:
    """The slot for a first release: one that holds it already, else an empty one."""
    for slot, state in observed["slots"].items():
        if state["release"] == release["id"]:
            return str(slot)
    return next((slot for slot, state in observed["slots"].items() if state["release"] is None), "blue")


def choose_rollback(observed: Observation, wanted: str | None) -> Release:
    """The record of the release to go back to: the one named (id or version), else the one that was live before."""
    live = observed["live"]
    current = observed["slots"][live]["release"] if live else None
    releases = observed["releases"]
    if wanted:
        found = [r for r in releases.values() if wanted in (r["id"], r["version"])]
        if not found:
            raise Refused(
                f"no release {wanted} is kept on this host",
                code="unknown_release",
                last_seen=[f"{r['version']} ({r['id']})" for r in releases.values()],
                next_step=f"Name one of the releases kept here ({_kept(releases)}), or apply it as an update.",
            )
        chosen = sorted(found, key=lambda r: r.get("live_since") or 0)[-1]
    else:
        previous = (releases.get(current or "") or {}).get("previous")
        if not previous or previous not in releases:
            others = {name: record for name, record in releases.items() if name != current}
            gone = f"{previous}, which was live before the present one, is kept no longer"
            raise Refused(
                "there is nothing to roll back to: "
                + (gone if previous else "no release was live before the present one"),
                code="nothing_to_roll_back_to",
                last_seen=[f"{r['version']} ({r['id']})" for r in others.values()],
                next_step=f"Name another release that is kept here with -e release=VERSION: {_kept(others)}."
                if others
                else "Apply an update (apply_update.yml): what serves now is then what to roll back to.",
            )
        chosen = releases[previous]
    if chosen["id"] == current:
        raise Refused(
            f"{chosen['version']} is live already",
            code="already_live",
            next_step="Name another release (status.yml lists them).",
        )
    check_schema(observed, chosen)
    return dict(chosen)


def _kept(releases: Mapping[str, Release]) -> str:
    return ", ".join(sorted({str(record["version"]) for record in releases.values()})) or "none is"


def check_schema(observed: Observation, release: Release) -> None:
    """Refuse a release that cannot live with the database as it is, naming one that can."""
    known = list(observed["releases"].values())
    if lives_with(release, observed["schema"], known):
        return
    live = observed["live"]
    current = observed["slots"][live]["release"] if live else None
    safe = [r for r in known if r["id"] not in (release["id"], current) and lives_with(r, observed["schema"], known)]
    nearest = max(safe, key=lambda r: r.get("live_since") or 0)["version"] if safe else None
    raise Refused(
        f"{release['version']} cannot live with the database: schema {observed['schema']} is live, "
        f"it knows {', '.join((release.get('schema') or {}).get('compatible') or []) or 'another one'}",
        code="schema_incompatible",
        last_seen={"schema": observed["schema"], "release": release.get("schema")},
        next_step=f"Roll back to {nearest} (-e release={nearest}), which can."
        if nearest
        else "Downgrade the database first (its migration tool), or apply a new release that fits it.",
    )


def rollback(observed: Observation, release: Release) -> tuple[str, list[Step], list[str]]:
    """Slot, steps and notes for going back to a release that is kept here: warm where it still runs."""
    slot = next((s for s, state in observed["slots"].items() if state["release"] == release["id"]), None)
    slot = slot or (other(observed["live"]) if observed["live"] else "blue")
    warm = observed["slots"][slot]["ready"] and observed["slots"][slot]["release"] == release["id"]
    notes = [
        f"{'Warm' if warm else 'Cold'}: {release['version']} {'still runs' if warm else 'is started again'} in {slot}."
    ]
    return slot, towards(observed, slot, release, verify=not warm), notes


def switch(observed: Observation, watch: bool = True) -> tuple[Release, str, list[Step], list[str]]:
    """Release, slot, steps and notes for flipping to the other slot, whichever way that is."""
    live = observed["live"]
    slot = other(live) if live else next((s for s, state in observed["slots"].items() if state["release"]), None)
    release = observed["releases"].get(observed["slots"][slot]["release"] or "") if slot else None
    if not slot or not release:
        raise Refused(
            "the other slot is empty: there is nothing to switch to",
            code="nothing_to_switch_to",
            next_step="Apply an update, which stages a release there.",
        )
    check_schema(observed, release)
    return dict(release), slot, towards(observed, slot, dict(release), watch=watch), []


def retire(observed: Observation) -> list[Step]:
    """Remove the slot that serves nobody."""
    idle = [slot for slot, state in observed["slots"].items() if slot != observed["live"] and state["release"]]
    if observed["live"] is None:
        return []
    return [
        _step(
            "retire",
            f"Remove {_named(observed, observed['slots'][slot]['release'])} from {slot}",
            "apply it again",
            slot=slot,
        )
        for slot in idle
    ]


def describe_steps(plan: Plan) -> str:
    """The plan for people: what `--diff` prints, and exactly what a run does."""
    start, goal = plan["from"], plan["to"]
    # Two releases can have one version: the same image with other files, for example.
    name = "release" if start and start["version"] == goal["version"] else "version"
    if start and "plain" in (start["slot"], goal["slot"]):
        name = "slot"
    began = start[name] if start else "nothing"
    in_place = "back" in plan
    if plan.get("way"):
        head = f"recover {plan['service']}: " + (f"back to {began}" if plan["way"] == "back" else f"on to {goal[name]}")
    elif in_place:
        head = f"{plan['runbook']} {plan['service']}: {goal['version']} in {goal['slot']} goes on serving"
    else:
        head = f"{plan['runbook']} {plan['service']}: {began} -> {goal[name]}"
    lines = [f"{head} (plan {plan['hash']})"]
    for number, step in enumerate(plan["steps"], 1):
        undo = f"  [undo: {step['undo']}]" if step["undo"] else ""
        lines.append(f"  {number}. {step['title']}{undo}")
    if plan.get("way") != "back" and not in_place:
        lines += [f"  - {service}: {image}" for service, image in sorted(plan["to"]["images"].items())]
    lines += [f"  ! {note}" for note in plan["notes"]]
    return "\n".join(lines if plan["steps"] else [*lines, "  nothing to do"]) + "\n"

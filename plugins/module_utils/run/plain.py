# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From plain ``docker compose`` to a slot (adopt) and the other way (unadopt): plans, and how a dead one ends. Pure.

Both ways are made of the same level-triggered steps, and each is the other's undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from .contract import PLAIN, Observation, Release

Step = dict[str, Any]
Planned = tuple[str, list[Step], list[str]]


def concerns(plan: Mapping[str, Any]) -> bool:
    """Whether a plan (or an intent) leads from plain compose or to it."""
    return PLAIN in ((plan.get("from") or {}).get("slot"), (plan.get("to") or {}).get("slot"))


def refuse_unadopted(observed: Observation, roles: Mapping[str, str]) -> None:
    """Refuse to set up slots beside a service that runs by plain compose."""
    running = [name for name in plain_of(observed)["running"] if roles.get(name) == "web"]
    if running and not observed["live"]:
        raise Refused(
            f"{', '.join(running)} runs by plain docker compose, and has not been adopted",
            code="not_adopted",
            next_step="Run adopt.yml: it takes over what runs, volumes and networks kept.",
        )


def refuse_adopted(observed: Observation) -> None:
    """Refuse to adopt what slots serve already."""
    live = observed["live"]
    if live:
        record = observed["releases"].get(observed["slots"][live]["release"] or "") or {}
        raise Refused(
            f"it is adopted already: {record.get('version') or 'a release'} serves from {live}",
            code="already_adopted",
            next_step="status.yml tells what runs; apply_update.yml brings the next release.",
        )


def refuse_tls(there: bool) -> None:
    """Refuse a hand-over at which a port would change its protocol: plain compose has no TLS of the edge."""
    if there:
        raise Refused(
            "the edge has TLS (service_edge_tls), which plain docker compose does not have at these ports",
            code="tls_at_the_edge",
            next_step="Take service_edge_tls out, and run maintenance.yml -e state=keep if a release serves; set it "
            "again after an adoption.",
        )


def plain_of(observed: Observation) -> dict[str, Any]:
    """The observation of plain compose, where the platform has that."""
    return observed.get("plain") or {"stage": "", "directory": "", "running": [], "containers": {}}


def origin(observed: Observation, release: Release) -> dict[str, Any]:
    return {"slot": PLAIN, "release": release["id"], "version": release["version"]}


def adopt(observed: Observation, release: Release) -> Planned:
    """Slot, steps and notes for taking over *release*, which runs by plain compose."""
    refuse_adopted(observed)
    slot = "blue"
    stale = [name for name, state in observed["slots"].items() if state["release"]]
    steps = [_step("retire", f"Remove what is left in {name}", "", slot=name) for name in stale]
    return slot, [*steps, *onto_slot(release, slot, observed, first=True)], []


def onto_slot(release: Release, slot: str, observed: Observation, *, first: bool) -> list[Step]:
    """The steps after which *slot* serves *release*, and nothing of it runs by plain compose any more."""
    version, name = release["version"], release["id"]
    exclusive = release["strategy"] == "hold"
    stage = _step(
        "stage", f"Start {version} in {slot} and wait until it is ready", f"remove {slot}", slot=slot, release=name
    )
    verify = _step("verify", f"Check {version} in {slot} before anybody uses it", slot=slot, release=name)
    take = _step(
        "take_ports",
        "Stop the plain web containers; the edge takes their ports and holds requests",
        "give the ports back: the same containers are started again",
        release=name,
        slot=slot if first and not exclusive else "",
    )
    steps: list[Step] = []
    if first:
        containers = sorted(plain_of(observed)["containers"].values())
        steps += [
            _step("prepare", f"Keep the source and the record of {version}", "remove them", release=name),
            _step("remember", "Record what runs by plain compose", "", release=name, containers=containers),
            _step(
                "base", "Leave the state services as they are, in their own project", "none: they stay", release=name
            ),
        ]
    steps += [take, stage, *([verify] if first else [])] if exclusive or not first else [stage, verify, take]
    steps.append(_step("shift", f"Send all requests to {slot}", "", slot=slot))
    if release.get("workers"):
        steps.append(
            _step("handover", f"Stop the plain workers, start those in {slot}", "the other way round", slot=slot)
        )
    if first:
        steps.append(_step("watch", f"Watch {version}", slot=slot, release=name))
    steps.append(_step("settle", f"Settle on {version}", slot=slot, release=name, previous=release.get("previous")))
    steps.append(_step("dismiss", "Remove the plain containers of what the slot runs; no state, volume or network"))
    return steps


def unadopt(observed: Observation, release: Release, home: Mapping[str, Any]) -> Planned:
    """Place, steps and notes for going back to plain compose with the live *release*; *home* is where it is made."""
    if observed["traffic"].get("maintenance"):
        raise Refused(
            "users get the maintenance page, which ends with the edge",
            code="in_maintenance",
            next_step="Take it down first: maintenance.yml -e state=off.",
        )
    _refuse_crowded(observed, release)
    where = home["directory"]
    if home["pinned"]:
        notes = [
            f"Plain compose will run from {where}, which is written for it: {home['why']}.",
            f"Use docker compose in {where} from then on, or bring your own directory to {release['version']} first.",
        ]
    else:
        notes = [f"Plain compose will run from your own {where}: what is there is what is live."]
    notes.append("The hand-over of the ports costs one outage: as long as the plain containers take to start.")
    return PLAIN, [_draft(release, home), *onto_plain(release, str(observed["live"]))], notes


def _refuse_crowded(observed: Observation, release: Release) -> None:
    """Refuse what needs the edge: several containers at one port of the host."""
    members = (release.get("understanding") or {}).get("services") or {}
    for name, member in sorted(members.items()):
        asked = ((observed.get("scale") or {}).get(name) or {}).get("replicas")
        count, ports = asked or member["replicas"], [str(port["published"]) for port in member["ports"]]
        if count > 1 and ports and member["role"] != "state":
            raise Refused(
                f"{name} has {count} replicas and publishes {', '.join(ports)}: plain docker compose cannot run that",
                code="one_port_for_many",
                next_step=f"Scale it to 1 first: scale.yml -e service={name} -e replicas=1"
                + ("." if asked else ", or correct deploy.replicas in the source and apply it."),
            )


def _draft(release: Release, home: Mapping[str, Any]) -> Step:
    title = f"Make the plain containers of {release['version']} from {home['directory']}, not started yet"
    return _step("draft", title, "remove them", release=release["id"], home=dict(home))


def onto_plain(release: Release, slot: str) -> list[Step]:
    """The steps after which plain compose serves *release* again, and nothing of ours is left but the records."""
    return [
        _step(
            "restore",
            "Stop the edge, and start the plain containers on its ports",
            f"stop them; the edge takes the ports and sends requests to {slot}",
            release=release["id"],
        ),
        _step("dissolve", "Remove slots, edge and their networks; the history stays"),
    ]


def past(observed: Observation, plan: Mapping[str, Any]) -> str:
    """Why a run between plain compose and a slot cannot go back any more; empty while it can."""
    stage = plain_of(observed)["stage"]
    if plan["to"]["slot"] == PLAIN:
        return "its slots are being removed" if stage == "returned" else ""
    return "its plain containers are being removed" if stage == "taken" else ""


def back(observed: Observation, intent: Mapping[str, Any], release: Release) -> list[Step]:
    """The steps that undo a run: towards where it came from."""
    if intent["to"]["slot"] == PLAIN:
        return onto_slot(release, intent["from"]["slot"], observed, first=False)
    return onto_plain(release, intent["to"]["slot"])


def onward(observed: Observation, intent: Mapping[str, Any], release: Release) -> list[Step]:
    """The steps that finish a run."""
    planned = intent["plan"]["steps"] if "plan" in intent else intent["steps"]
    stage = plain_of(observed)["stage"]
    if intent["to"]["slot"] == PLAIN:
        draft = [step for step in planned if step["do"] == "draft" and stage != "returned"]
        return [*draft, *onto_plain(release, intent["from"]["slot"])]
    if stage == "taken":
        return onto_slot(release, intent["to"]["slot"], observed, first=False)
    return [step for step in planned if step["do"] != "retire" or stage != "begun"]


def _step(do: str, title: str, undo: str = "", **args: Any) -> Step:
    return {"do": do, "title": title, "undo": undo, "args": args}

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other replicas, CPUs or memory for one service: what is asked for, whether there is room, and the steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from .contract import Observation, Release, Room, Scale
from .plan import Step, _step
from .sizes import number_of, size_text
from .variables import meant


def scale(
    observed: Observation, release: Release, asked: Scale | None, service: str, room: Room
) -> tuple[list[Step], list[Step], list[str]]:
    """The steps that give a service other replicas, CPUs or memory, those that undo them, and what to know."""
    before = (observed.get("scale") or {}).get(service) or {}
    after = {**before, **asked} if asked else {}
    live = observed["live"]
    _check_scale(observed, release, service, after, room)
    own = (release.get("replicas") or {}).get(service, 1)
    has = len((room["slots"].get(live) or {}).get(service) or [])
    texts = [f"{_scale(one, own)} of {service}" for one in (after, before)]
    step = _step("scale", f"Run {texts[0]}", f"run {texts[1]}", service=service, wanted=after)
    back = _step("scale", f"Run {texts[1]}", f"run {texts[0]}", service=service, wanted=before)
    same = after == before and has == (after.get("replicas") or own)
    return ([] if same else [step]), [back], [f"Now {has} of {service} run in {live}."]


def _check_scale(observed: Observation, release: Release, service: str, wanted: Scale, room: Room) -> None:
    """Refuse what cannot or must not run, naming what is missing."""
    role = release["roles"].get(service)
    member = ((release.get("understanding") or {}).get("services") or {}).get(service) or {}
    count, cpus, memory = wanted.get("replicas"), wanted.get("cpus"), wanted.get("memory")
    running = {slot: used[service] for slot, used in room["slots"].items() if used.get(service)}
    now = running.get(observed["live"]) or []
    if role is None:
        raise Refused(
            f"there is no service {service}{meant(service, release['roles'])}",
            code="unknown_service",
            next_step=f"Name one of: {', '.join(sorted(release['roles']))}.",
        )
    if role not in ("web", "worker", "scheduler"):
        raise Refused(
            f"{service} is a {role} service, which no slot runs",
            code="not_in_a_slot",
            next_step="Change it in your compose file; scale.yml is for web services, workers and schedulers.",
        )
    if (count or 1) > 1 and (role == "scheduler" or member.get("exclusive")):
        why = (
            "a scheduler must never run twice" if role == "scheduler" else "; ".join(member.get("exclusive_why") or [])
        )
        raise Refused(
            f"{service} cannot run {count} times: {why}",
            code="exclusive",
            next_step="Give it more CPUs or memory instead, or declare that its containers can share what they write.",
        )
    total = (count or len(now) or 1) * (cpus or 0)
    if total > room["cpus"]:
        raise Refused(
            f"{count or len(now)} of {service} with {cpus:g} CPUs are {total:g}, and the host has {room['cpus']}",
            code="no_room",
            next_step="Ask for fewer replicas or CPUs, or move to a larger host.",
        )
    each = memory or max(now, default=0)
    missing = sum((count or len(used)) * each - sum(used) for used in running.values()) - (room["free"] or 0)
    if missing > 0 and room["free"] is not None:
        raise Refused(
            f"{size_text(missing)} of memory are missing: {size_text(room['free'])} are free, and each {service} "
            f"{'may use' if memory else 'uses'} {size_text(each)}",
            code="no_room",
            next_step="Ask for fewer replicas or less memory; retire.yml gives back what the idle slot uses.",
        )
    if memory and now and memory < max(now):
        raise Refused(
            f"{service} uses {size_text(max(now))} now, more than {size_text(memory)}",
            code="too_small",
            next_step="Ask for more, or it would be killed at once.",
        )


def scale_asked(options: Mapping[str, Any]) -> Scale | None:
    """What is asked for with ``-e``; None for what the release itself says. Refuse what asks for nothing."""
    given = {name: options.get(name) for name in ("replicas", "cpus", "memory") if options.get(name) not in (None, "")}
    if not options.get("service") or bool(given) == bool(options.get("unset")):
        raise Refused(
            "no service is named" if not options.get("service") else "neither a scale nor its end is asked for",
            code="invalid_variable",
            next_step="Give -e service=NAME, and -e replicas=3, -e cpus=0.5 or -e memory=512m; or -e unset=true.",
        )
    kinds: dict[str, Any] = {"replicas": int, "cpus": float, "memory": number_of}
    return {name: kinds[name](value) for name, value in given.items()} or None


def told_scale(service: str, wanted: Scale) -> str:
    """``3 (each at most 0.5 CPUs) of web``."""
    return f"{_scale(wanted, 'as many as its release has')} of {service}"


def _scale(wanted: Scale, own: int | str) -> str:
    limits = [f"{wanted['cpus']:g} CPUs"] if wanted.get("cpus") else []
    limits += [size_text(wanted["memory"])] if wanted.get("memory") else []
    return f"{wanted.get('replicas') or own}" + (f" (each at most {', '.join(limits)})" if limits else "")

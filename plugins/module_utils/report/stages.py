# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who had the requests when, what users got meanwhile, and the moments at which that changed. Pure."""

from __future__ import annotations

from typing import Any

from .facts import Facts

SLOTS = ("blue", "green")
# Steps after which users may see something else than before.
_TOUCHING = ("hold", "take_ports", "restore", "shift", "close", "maintain")


def version_in(facts: Facts, slot: str) -> str:
    """Which version a slot has in this run, as far as the run is about it."""
    for end in (facts["to"], facts["from"]):
        if end and end["slot"] == slot:
            return str(end["version"])
    return ""


def touched_at(facts: Facts) -> float | None:
    """When the run first did something that users could notice; None when it never did."""
    return next((step["at"] for step in facts["steps"] if step["do"] in _TOUCHING), None)


def reached(facts: Facts) -> bool:
    """Whether the run gave requests to the release that it was about."""
    return any(step["do"] == "shift" and not step["back"] for step in facts["steps"])


def moments(facts: Facts) -> list[dict[str, Any]]:
    """What to look for in the charts, in order: ``{"at", "what"}``."""
    found = []
    for step in facts["steps"]:
        if step["do"] in _TOUCHING:
            found.append({"at": step["at"], "what": step["title"] + (" (going back)" if step["back"] else "")})
        if step["failed"]:
            found.append({"at": step["at"] + step["seconds"], "what": f"Failed: {step['title']}"})
    return sorted(found, key=lambda moment: float(moment["at"]))


def eras(facts: Facts, since: float, until: float) -> list[dict[str, Any]]:
    """Who had new requests: ``{"since", "until", "slot", "label"}``, one after the other, from *since* to *until*."""
    slot = facts["from"]["slot"] if facts["from"] else ""
    found: list[dict[str, Any]] = [{"since": since, "slot": slot}]
    to = facts["to"] or {}
    for step in facts["steps"]:
        if step["do"] in ("hold", "take_ports"):
            slot = "hold"
        elif step["do"] == "restore":
            slot = "plain"
        elif step["do"] == "close":
            slot = ""
        elif step["do"] == "shift":
            slot = (facts["from"] or {}).get("slot", "") if step["back"] else to.get("slot", "")
        if slot != found[-1]["slot"] and since <= step["at"] <= until:
            found.append({"since": step["at"], "slot": slot})
    ends = [era["since"] for era in found[1:]] + [until]
    return [
        {**era, "until": end, "label": _label(facts, str(era["slot"]))}
        for era, end in zip(found, ends)
        if end > era["since"]
    ]


def _label(facts: Facts, slot: str) -> str:
    if slot == "hold":
        return "held"
    return f"{version_in(facts, slot) or '?'} ({slot})" if slot else "nothing"


def users(timeline: dict[str, Any] | None, since: float, until: float) -> dict[str, dict[str, float]]:
    """What users sent and what failed of it, by slot, in the buckets from *since* to *until*; our probes left out."""
    found: dict[str, dict[str, float]] = {}
    if not timeline:
        return found
    start, bucket = timeline["since"], timeline["bucket_s"]
    for one in timeline["series"]:
        if one["probes"]:
            continue
        total = found.setdefault(one["slot"], {"requests": 0, "errors": 0, "p95_ms": 0.0})
        for index, requests in enumerate(one["requests"]):
            end = start + (index + 1) * bucket
            if end > since and end - bucket < until:
                total["requests"] += requests
                total["errors"] += one["errors"][index]
                total["p95_ms"] = max(total["p95_ms"], one["p95_ms"][index] or 0.0)
    return {slot: total for slot, total in found.items() if total["requests"]}

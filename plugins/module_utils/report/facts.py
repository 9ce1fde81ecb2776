# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a run, brought into one known and bounded shape, so that what renders it need not doubt anything.

The raw facts are what the run's own files and its platform say::

    {"intent": intent.json, "result": result.json, "events": [lines of steps.jsonl], "where": the run's directory,
     "timeline": {"since", "until", "bucket_s", "series": [...]} | None,       # see compose.signals.timeline_of
     "origin": record of the release it came from | None, "logs": [line, ...]}

They may be of an older version, edited by hand or huge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .markup import clean

Facts = dict[str, Any]

MOST_POINTS = 300
NOTICES = "nobody: no notices are configured"
EVENTS = ("step", "done", "failure", "turn")  # the others are progress
_SERIES = ("requests", "errors", "p50_ms", "p95_ms", "p99_ms")


def facts_of(raw: Mapping[str, Any], chars: int = 2000, items: int = 200) -> Facts:
    """The facts, with texts of at most *chars* characters and lists of at most *items* entries."""
    intent, result = (_map(bounded(raw.get(name), chars, items)) for name in ("intent", "result"))
    events = [_map(event) for event in _list(raw.get("events")) if _map(event).get("event") in EVENTS]
    plan, who = _map(intent.get("plan")), _map(result.get("actor")) or _map(intent.get("actor"))
    failure = _failure(_map(result.get("failure")))
    started = num(result.get("started")) or num(intent.get("started"))
    steps = _steps(result, bounded(events, chars, items))
    release = _map(result.get("release")) or _map(intent.get("release"))
    runbook = text(result.get("runbook") or intent.get("runbook"))
    start, goal = _end(result.get("from") or intent.get("from")), _end(result.get("to") or intent.get("to"))
    if start:
        origin = _map(bounded(raw.get("origin"), chars, items))
        start.update(commit=text(origin.get("commit")), images=_texts(start["images"] or origin.get("images")))
    if goal:
        goal["commit"] = text(release.get("commit"))
    verified = [step["evidence"].get("checks") for step in steps if step["do"] == "verify"]
    if failure and failure["code"] == "checks_failed":
        verified.append(_map(result.get("failure")).get("last_seen"))
    logs = failure["logs"] if failure and failure["logs"] else _lines(bounded(raw.get("logs"), chars, items))
    return {
        "service": text(result.get("service") or plan.get("service")),
        "environment": text(result.get("environment") or intent.get("environment")),
        "target": text(intent.get("target")),
        "inventory": _lines(intent.get("inventory")),
        "runbook": runbook,
        "purpose": text(_map(intent.get("ends")).get("runbook")) or runbook,  # of a recovery: what died was for
        "run": text(result.get("run") or intent.get("run")),
        "outcome": text(result.get("outcome")),
        "by": text(result.get("by")),
        "rolled_back": result.get("rolled_back") is True,
        "way": text(plan.get("way")),
        "from": start,
        "to": goal,
        "started": started,
        "ended": num(result.get("ended")) or max([started, *(step["at"] + step["seconds"] for step in steps)]),
        "user": text(who.get("user")) or "unknown",
        "controller": text(who.get("controller")),
        "reason": text(result.get("reason") or intent.get("reason")),
        "release": {name: text(release.get(name)) for name in ("source_digest", "type")},
        "schema": text(_map(release.get("schema")).get("revision")),
        "changes": [text(change) for change in _list(release.get("changes"))],
        "plan": text(plan.get("hash") or result.get("plan")),
        "notes": [text(note) for note in _list(plan.get("notes"))],
        "planned": [
            {name: text(_map(step).get(name)) for name in ("do", "title", "undo")} for step in _maps(plan, "steps")
        ],
        "steps": steps,
        "failure": failure,
        "proofs": _proofs(result, steps),
        "watch": _watch(result.get("watch")),
        "gates": [_texts(check) for check in _maps(intent, "checks")],
        "tests": [_test(_map(test)) for tests in verified for test in _list(tests)],
        "head": {
            "seq": int(num(_map(result.get("head")).get("seq"))),
            "hash": text(_map(result.get("head")).get("hash")),
        },
        "timeline": _timeline(_map(raw.get("timeline"))),
        "logs": logs,
        "where": text(raw.get("where")),
        "told": NOTICES,
    }


def bounded(data: Any, chars: int, items: int, depth: int = 8) -> Any:
    """*data* as JSON-like values with bounded texts, lists and depth; what was left out is said."""
    if isinstance(data, Mapping):
        if depth == 0:
            return "…"
        return {bounded(key, chars, items): bounded(data[key], chars, items, depth - 1) for key in list(data)[:items]}
    if isinstance(data, (list, tuple)):
        if depth == 0:
            return "…"
        return [bounded(one, chars, items, depth - 1) for one in data[:items]]
    if data is None or isinstance(data, (bool, int, float)):
        return data
    said = clean(data)
    return said if len(said) <= chars else f"{said[:chars]}… ({len(said) - chars:,} more characters)"


def num(value: Any, otherwise: float = 0.0) -> float:
    """*value* when it is a usable number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return otherwise
    try:
        found = float(value)
    except OverflowError:
        return otherwise
    return found if math.isfinite(found) and abs(found) < 1e15 else otherwise


def text(value: Any) -> str:
    """*value* as text: a document as JSON, nothing as the empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _map(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _maps(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [_map(one) for one in _list(holder.get(name))]


def _texts(value: Any) -> dict[str, str]:
    return {text(key): text(one) for key, one in _map(value).items()}


def _lines(value: Any) -> list[str]:
    return [text(line) for line in _list(value)]


def _end(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    end: dict[str, Any] = {name: text(value.get(name)) for name in ("version", "slot", "release")}
    return {**end, "images": _texts(value.get("images")), "commit": ""}


def _failure(value: dict[str, Any]) -> dict[str, Any] | None:
    if not value:
        return None
    seen = value.get("last_seen")
    told = {name: text(value.get(name)) for name in ("stage", "code", "detail", "next_step")}
    shown = (
        seen if isinstance(seen, str) else json.dumps(seen, indent=1, default=str, ensure_ascii=False) if seen else ""
    )
    back = text(_map(value.get("going_back")).get("detail"))
    return {**told, "last_seen": shown, "going_back": back, "logs": _lines(value.get("logs"))}


def _steps(result: Mapping[str, Any], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that were begun; one without a duration failed, and lasted until the failure was noted."""
    failures = sorted(num(event.get("at")) for event in events if event.get("event") == "failure")
    steps = []
    for record in _maps(result, "steps") or _logged(events):
        at, done = num(record.get("at")), record.get("seconds") is not None
        ended = next((moment for moment in failures if moment >= at), at)
        steps.append(
            {
                "do": text(record.get("do")),
                "title": text(record.get("title")),
                "back": record.get("direction") == "back",
                "at": at,
                "seconds": max(0.0, num(record.get("seconds")) if done else ended - at),
                "failed": not done,
                "changed": record.get("changed") is True,
                "say": text(_map(record.get("evidence")).get("say")),
                "evidence": _map(record.get("evidence")),
            }
        )
    return steps


def _logged(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps of a run that died and so has no result, as far as its step log goes."""
    steps: list[dict[str, Any]] = []
    direction = "forward"
    for event in events:
        if event.get("event") == "step":
            steps.append({**event, "direction": direction})
        elif event.get("event") == "done" and steps:
            steps[-1].update(seconds=event.get("seconds"), evidence={"say": event.get("say")})
        elif event.get("event") == "turn":
            direction = "back"
    return steps


def _proofs(result: Mapping[str, Any], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The proof of each switch of the run, the way back's too."""
    found = [(step["evidence"].get("proof"), step["back"]) for step in steps if step["do"] == "shift"]
    if result.get("proof") and not any(proof for proof, back in found if not back):
        found.insert(0, (result["proof"], False))
    return [_proof(_map(proof), back) for proof, back in found if isinstance(proof, Mapping) and proof]


def _proof(proof: dict[str, Any], back: bool) -> dict[str, Any]:
    declared = _map(proof.get("declared"))
    figures = {
        name: num(proof.get(name)) for name in ("sent", "failed", "longest_gap_ms", "interval_ms", "slow", "lag_ms")
    }
    return {
        **figures,
        "back": back,
        "say": text(proof.get("say")),
        "why": text(proof.get("why")),
        "breach": proof.get("breach") is True,
        "max_failed": num(declared.get("max_failed")),
        "max_gap_ms": num(declared.get("max_gap_ms")),
        "first_new_ms": num(proof["first_new_ms"]) if proof.get("first_new_ms") is not None else None,
        "slots": {text(slot): num(number) for slot, number in _map(proof.get("slots")).items()},
        "failures": [
            {"at_ms": num(one.get("at_ms")), "address": text(one.get("address")), "reason": text(one.get("reason"))}
            for one in _maps(proof, "failures")
        ],
    }


def _watch(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    figures = _map(value.get("figures"))
    limits = {text(name): num(limit) for name, limit in _map(figures.pop("limits", None)).items()}
    excluded = {text(name): num(one) for name, one in _map(figures.pop("excluded_percent", None)).items()}
    known = {text(name): num(one) for name, one in figures.items() if isinstance(one, (int, float))}
    return {
        "outcome": text(value.get("outcome")),
        "reasons": [text(reason) for reason in _list(value.get("reasons"))],
        "figures": known,
        "limits": limits,
        "excluded": excluded,
    }


def _test(test: dict[str, Any]) -> dict[str, Any]:
    told = {name: text(test.get(name)) for name in ("name", "seen")}
    return {**told, "ok": test.get("ok") is True, "ms": num(test["ms"]) if test.get("ms") is not None else None}


def _timeline(value: dict[str, Any]) -> dict[str, Any] | None:
    since, until, bucket = (num(value.get(name)) for name in ("since", "until", "bucket_s"))
    if not since or until <= since or bucket <= 0 or (until - since) / bucket > MOST_POINTS + 1:
        return None
    points = math.ceil((until - since) / bucket)
    series = []
    for one in _maps(value, "series")[:12]:
        figures = {name: _figures(one.get(name), points, name not in ("requests", "errors")) for name in _SERIES}
        series.append({"slot": text(one.get("slot"))[:20], "probes": one.get("probes") is True, **figures})
    return {"since": since, "until": until, "bucket_s": bucket, "series": series, "begins": num(value.get("begins"))}


def _figures(value: Any, points: int, gaps: bool) -> list[float | None]:
    """Exactly *points* numbers; None where there is no figure and *gaps* are allowed."""
    given = [*_list(value)[:points], *([None] * points)][:points]
    return [None if gaps and one is None else max(0.0, num(one)) for one in given]

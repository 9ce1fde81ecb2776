# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs as their files tell them: a release that replaced another, and one that failed its watch and was undone."""

from __future__ import annotations

import copy
from typing import Any, Callable

import pytest

START = 1_900_000_000.0
DIGEST = "sha256:" + "0123456789abcdef" * 4
OLD = {"version": "1.0.0", "slot": "blue", "release": "1.0.0-aaaaaaaa"}
NEW = {
    "version": "1.1.0",
    "slot": "green",
    "release": "1.1.0-bbbbbbbb",
    "images": {"web": f"registry.example.com/web:1.1.0@{DIGEST}"},
}
Raw = dict[str, Any]


def proof(back: bool = False) -> Raw:
    return {
        "sent": 27,
        "failed": 0,
        "failures": [],
        "longest_gap_ms": 26.0,
        "interval_ms": 20.0,
        "slow": 0,
        "lag_ms": 6.3,
        "slots": {"blue": 11, "green": 16},
        "first_new_ms": 22.6,
        "last_old_ms": 1.4,
        "say": "0 of 27 failed, longest gap 26 ms, first response of the new slot after 23 ms",
        "declared": {"max_failed": 0, "max_gap_ms": 1000},
        "breach": False,
        "why": "within what is declared",
        "timeline": [],
        "unserved": 0,
    }


def step(do: str, title: str, at: float, seconds: float | None, back: bool = False, **evidence: Any) -> Raw:
    record = {"do": do, "title": title, "at": START + at, "direction": "back" if back else "forward"}
    if seconds is None:
        return record
    return {**record, "seconds": seconds, "changed": True, "evidence": {"changed": True, **evidence}}


def series(slot: str, requests: list[int], errors: list[int], probes: bool = False) -> Raw:
    times = [5.0 if number else None for number in requests]
    return {
        "slot": slot,
        "probes": probes,
        "requests": requests,
        "errors": errors,
        "p50_ms": times,
        "p95_ms": [None if time is None else 4 * time for time in times],
        "p99_ms": [None if time is None else 9 * time for time in times],
    }


def _done() -> Raw:
    steps = [
        step("prepare", "Keep the source and the record of 1.1.0", 0.0, 0.01),
        step("stage", "Start 1.1.0 in green and wait until it is ready", 0.01, 1.4, say="ready after 1.1 s"),
        step(
            "verify",
            "Check 1.1.0 in green before anybody uses it",
            1.41,
            0.1,
            checks=[{"name": "version", "ok": True, "seen": '/ says version "1.1.0"', "status": 200, "ms": 1.1}],
        ),
        step("shift", "Send all requests to green", 1.5, 0.5, proof=proof(), say=proof()["say"]),
        step("watch", "Watch 1.1.0", 2.0, 5.0, say="pass: errors: 0 of 400 requests bad, limit 0.5%"),
        step("settle", "Settle on 1.1.0", 7.0, 0.02, warm_until=START + 3607),
    ]
    planned = [{"do": one["do"], "title": one["title"], "undo": "take it back", "args": {}} for one in steps]
    plan = {"hash": "bb1c03788fa86c90", "runbook": "apply_update", "service": "shop", "notes": [], "steps": planned}
    return {
        "intent": {
            "environment": "production",
            "target": "web-1",
            "plan": plan,
            "checks": [{"name": "drift", "status": "go", "detail": "everything is as we left it", "next_step": ""}],
        },
        "result": {
            "run": "20300317T174640-apply_update-0a1b2c",
            "runbook": "apply_update",
            "service": "shop",
            "environment": "production",
            "outcome": "done",
            "changed": True,
            "from": OLD,
            "to": NEW,
            "plan": plan["hash"],
            "started": START,
            "ended": START + 7.02,
            "seconds": 7.02,
            "actor": {"user": "ada", "controller": "awx"},
            "reason": "quarterly release",
            "rolled_back": False,
            "release": {"commit": "c0ffee", "source_digest": "ab" * 32, "changes": ["Notes."], "type": "minor"},
            "failure": None,
            "proof": proof(),
            "watch": {
                "outcome": "pass",
                "reasons": ["errors: 0 of 400 requests bad, limit 0.5%"],
                "figures": {
                    "requests": 400,
                    "seconds": 5.0,
                    "errors_percent": 0.0,
                    "p95_ms": 20.0,
                    "limits": {"errors_percent": 0.5, "p95_ms": 800.0},
                    "excluded_percent": {"errors": 0.75},
                },
            },
            "steps": steps,
            "head": {"seq": 4, "hash": "77b1" * 16},
        },
        "events": [],
        "where": "/var/lib/steady/shop/runs/20300317T174640-apply_update-0a1b2c",
        "origin": {"commit": "beef00", "images": {"web": f"registry.example.com/web:1.0.0@{DIGEST}"}},
        "timeline": {
            "since": START - 10,
            "until": START + 10,
            "bucket_s": 1,
            "series": [
                series("blue", [50] * 12 + [0] * 8, [0] * 20),
                series("green", [0] * 12 + [50] * 8, [0] * 20),
                series("green", [0] * 11 + [20] + [0] * 8, [0] * 20, probes=True),
            ],
        },
    }


def _undone() -> Raw:
    raw = _done()
    result = raw["result"]
    forward = result["steps"][:4]
    result.update(outcome="undone", rolled_back=True)
    result["failure"] = {
        "stage": "watch",
        "code": "watch_failed",
        "detail": "the release failed its watch: errors: 40 of 400 requests bad (10%), limit 0.5%",
        "last_seen": {"outcome": "fail"},
        "next_step": "The incident record has its logs; mend it in a new release.",
        "logs": [f"web: line {number}" for number in range(30)],
    }
    result["watch"].update(outcome="fail", reasons=["errors: 40 of 400 requests bad (10%), limit 0.5%"])
    result["steps"] = [
        *forward,
        step("watch", "Watch 1.1.0", 2.0, None),
        step("shift", "Send all requests to blue", 5.0, 0.5, True, proof=proof()),
        step("settle", "Settle on 1.0.0", 5.5, 0.02, True),
        step("halt", "Stop green and keep it to be looked at", 5.6, 1.0, True),
    ]
    raw["events"] = [{"event": "failure", "at": START + 4.9}, {"event": "turn", "at": START + 5.0}]
    raw["timeline"]["series"][:2] = [
        series("blue", [50] * 12 + [0] * 3 + [50] * 5, [0] * 20),
        series("green", [0] * 12 + [50] * 3 + [0] * 5, [0] * 12 + [5] * 3 + [0] * 5),
    ]
    return raw


@pytest.fixture(scope="session")
def done() -> Callable[[], Raw]:
    """Makes the raw facts of a release that replaced another."""
    return lambda: copy.deepcopy(_done())


@pytest.fixture(scope="session")
def undone() -> Callable[[], Raw]:
    """Makes the raw facts of a release that failed its watch and was undone."""
    return lambda: copy.deepcopy(_undone())

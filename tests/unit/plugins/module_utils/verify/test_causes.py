# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each cause from its evidence, and which of several is named first."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.causes import CAUSES, diagnose

Seen = dict[str, Any]


def container(service: str = "web", **more: Any) -> Seen:
    fixed = {"role": "web", "slot": "blue", "wanted": True, "state": "running", "exit": 0, "error": "", "oom": False}
    fixed |= {"restarts": 0, "health": "healthy", "health_said": "", "memory": 50, "memory_limit": 0, "cpu": 5.0}
    return {"name": f"shop-{service}-1", "service": service, **fixed, "log": ["INFO all is well"], **more}


def seen(*containers: Seen, **more: Any) -> Seen:
    well: Seen = {
        "live": "blue",
        "maintenance": False,
        "edge": "running",
        "run": {},
        "containers": list(containers or [container()]),
        "missing": [],
        "requests": {"blue": {"requests": 500, "errors": 1, "statuses": {"200": 499}, "p95_ms": 20.0, "waiting": [1]}},
        "database": {"service": "db", "used": 20, "most": 100, "idle_in_transaction": 0, "slow": [], "refused": ""},
        "redis": [redis()],
        "disks": [{"where": "/var", "free_mib": 9000, "percent": 40.0}],
        "ended": [{"runbook": "apply_update", "outcome": "done", "why": ""}],
    }
    return {**well, **more}


def redis(**more: Any) -> Seen:
    fixed = {"service": "cache", "memory": 10, "most": 0, "evicted": 0, "clients": 3, "clients_most": 10000}
    return {**fixed, "queues": {}, **more}


def database(**more: Any) -> Seen:
    return {"database": {**seen()["database"], **more}}


def answers(errors: int, statuses: dict[str, int], **more: Any) -> Seen:
    one = {"requests": 500, "errors": errors, "statuses": statuses, "p95_ms": 20.0, "waiting": [], **more}
    return {"requests": {"blue": one}}


WORKER = {"role": "worker", "health": "none"}
CASES: list[tuple[str, Seen, str]] = [
    ("dead_run", seen(run={"state": "dead", "run": "r-1", "runbook": "rollback"}), "run r-1 (rollback)"),
    ("edge_down", seen(edge="stopped"), "the edge is stopped"),
    ("edge_down", seen(edge="absent"), "the edge is absent"),
    ("maintenance", seen(maintenance=True), "every user gets 503"),
    ("disk_full", seen(disks=[{"where": "/var", "free_mib": 12, "percent": 0.1}]), "12 MiB (0.1%) are free in /var"),
    ("disk_full", seen(container(log=["OSError: [Errno 28] No space left on device"])), "No space left"),
    ("out_of_memory", seen(container(oom=True, exit=137, state="exited", memory_limit=64 << 20)), "(limit 64 MiB)"),
    ("out_of_memory", seen(container(exit=137, state="restarting")), "for want of memory or by hand"),
    ("out_of_memory", seen(container(memory=99, memory_limit=100)), "uses 99% of its"),
    ("out_of_memory", seen(container(log=["MemoryError"])), "said: MemoryError"),
    ("port_taken", seen(container(state="created", error="Bind: address already in use")), "already in use"),
    ("connections_exhausted", seen(**database(used=97, most=100, idle_in_transaction=60)), "97 of 100 connections"),
    ("connections_exhausted", seen(**database(refused="FATAL: sorry, too many clients already")), "too many clients"),
    ("connections_exhausted", seen(container(log=["QueuePool limit of size 5 reached"])), "QueuePool limit"),
    ("connections_exhausted", seen(redis=[redis(clients=10000)]), "10000 of 10000 clients"),
    ("crash_at_start", seen(container(state="restarting", exit=1, restarts=9)), "exit status 1, 9 restarts"),
    ("crash_at_start", seen(container(), container(state="exited", exit=3, wanted=False)), "exit status 3"),
    ("unhealthy", seen(container(health="unhealthy", health_said="curl: (7) refused")), "its check said: curl: (7)"),
    ("restarting", seen(container(restarts=4)), "was restarted 4 times"),
    ("not_running", seen(container(state="exited")), "(web) is exited"),
    ("not_running", seen(missing=[{"service": "db", "role": "state"}]), "db (state) has no container"),
    ("worker_idle", seen(container(), container("worker", state="exited", **WORKER)), "shop-worker-1 is exited"),
    (
        "worker_idle",
        seen(container("worker", cpu=0.0, **WORKER), redis=[redis(queues={"jobs": 40})]),
        "40 entries wait in jobs of cache",
    ),
    ("slow_queries", seen(**database(slow=[{"seconds": 30, "wait": "", "query": "select 1"}])), "for 30 s (at work)"),
    ("slow_queries", seen(**database(statements=[{"mean_ms": 2000, "calls": 9, "query": "select 2"}])), "2000 ms"),
    ("redis_full", seen(redis=[redis(memory=99, most=100, evicted=5)]), "5 keys were evicted"),
    ("server_errors", seen(**answers(50, {"200": 450, "500": 40, "502": 10})), "40 x 500, 10 x 502"),
    ("hanging", seen(**answers(0, {}, waiting=[30, 2])), "the oldest for 30 s"),
]


@pytest.mark.parametrize(("cause", "evidence", "named"), CASES, ids=[f"{n}-{one[0]}" for n, one in enumerate(CASES)])
def test_a_cause_is_found_by_its_evidence(cause: str, evidence: Seen, named: str) -> None:
    first = diagnose(evidence)[0]
    assert first["cause"] == cause
    assert any(named in sentence for sentence in first["evidence"]), first
    assert first["what"] and first["next_step"] and 0 < first["score"] <= 100


def test_every_cause_is_tried() -> None:
    assert {cause.__name__ for cause in CAUSES} == {name for name, _seen, _named in CASES}


def test_nothing_is_found_where_all_is_well() -> None:
    assert diagnose(seen()) == []
    former = {"green": answers(50, {"500": 50})["requests"]["blue"]}
    assert diagnose(seen(requests=former)) == [], "green does not serve any more"
    idle = seen(container(), container("worker", cpu=0.0, **WORKER))
    assert diagnose(idle) == [], "a worker with nothing to do is not idle"
    stopped = container(state="exited", exit=143, wanted=False)
    assert diagnose(seen(container(), stopped)) == [], "what a run stopped is no crash"


@pytest.mark.parametrize(
    ("evidence", "order"),
    [
        (
            seen(container(oom=True, exit=137, state="restarting", restarts=5), **answers(50, {"503": 50})),
            ["out_of_memory", "server_errors", "not_running", "restarting"],
        ),
        (
            seen(container(log=["ERROR too many clients already"]), **answers(50, {"500": 50}), **database(used=100)),
            ["connections_exhausted", "server_errors"],
        ),
        (
            seen(disks=[{"where": "/", "free_mib": 0, "percent": 0}], **database(refused="could not write: No space")),
            ["disk_full"],
        ),
    ],
)
def test_a_cause_comes_before_what_follows_from_it(evidence: Seen, order: list[str]) -> None:
    assert [one["cause"] for one in diagnose(evidence)] == order


def test_locks_are_named_as_such() -> None:
    (found,) = diagnose(seen(**database(slow=[{"seconds": 9, "wait": "Lock", "query": "update x"}])))
    assert found["what"] == "queries wait for locks"


def test_a_crash_that_the_newest_run_left_comes_before_what_is_usual() -> None:
    left = container(state="exited", exit=1, wanted=False)
    evidence = seen(container(), left, ended=[{"runbook": "apply_update", "outcome": "undone", "why": "crashed"}])
    assert diagnose(evidence)[0]["score"] == 85

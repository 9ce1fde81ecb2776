# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is likely wrong with a service: one function a cause, from the evidence to a finding or nothing. Pure.

The evidence is::

    {"live": slot | None, "maintenance": bool, "edge": state, "run": {"state", "run", "runbook"} | {},
     "containers": [{"name", "service", "role", "slot": "blue" | "green" | "base", "state", "exit", "error",
                     "oom": bool, "restarts": n, "health", "health_said", "memory", "memory_limit", "cpu": percent,
                     "wanted": bool, "log": [line, ...]}],      # wanted: it should run
     "requests": {slot: {"requests", "errors", "statuses": {status: n}, "p95_ms", "waiting": [seconds, ...]}},
     "database": {"service", "used", "most", "holders": {service or address: n}, "idle_in_transaction",
                  "slow": [{"seconds", "wait", "query"}], "statements": [{"mean_ms", "calls", "query"}],
                  "refused": why | ""} | {},
     "redis": [{"service", "memory", "most", "evicted", "clients", "clients_most", "queues": {name: length}}],
     "disks": [{"where", "free_mib", "percent"}],
     "ended": [{"runbook", "outcome", "why"}, ...]}            # the ledger's newest runs, the newest last

A finding is ``{"cause", "what", "score", "evidence": [sentence, ...], "next_step"}``; the score says how surely it is
the cause and not a consequence of another one, 0 to 100.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .smoke import LOG_ERROR

Evidence = Mapping[str, Any]
Finding = dict[str, Any]
KILLED = 137  # 128 + SIGKILL: nearly always the kernel, for want of memory
FULL_SHARE = 0.95
SLOW_SECONDS = 5.0
SLOW_MS = 1000.0
_CONNECTIONS = re.compile(
    r"(?i)too many clients|remaining connection slots|too many connections|QueuePool limit|max number of clients"
)
_MEMORY = re.compile(r"(?i)\bMemoryError\b|out of memory|Cannot allocate memory|heap out of memory|OutOfMemoryError")
_DISK = re.compile(r"(?i)no space left on device|disk quota exceeded|\bENOSPC\b")
_PORT = re.compile(r"(?i)address already in use|port is already allocated|\bEADDRINUSE\b")
_REDIS_FULL = re.compile(r"OOM command not allowed")


def diagnose(evidence: Evidence) -> list[Finding]:
    """All findings, the likeliest first."""
    found = [finding for cause in CAUSES for finding in [cause(evidence)] if finding]
    return sorted(found, key=lambda one: -int(one["score"]))


def _finding(cause: str, what: str, score: int, evidence: list[str], next_step: str) -> Finding:
    return {"cause": cause, "what": what, "score": score, "evidence": evidence[:8], "next_step": next_step}


def _lines(evidence: Evidence, pattern: re.Pattern[str], most: int = 3) -> list[str]:
    """The newest matching log lines of each container."""
    found = []
    for one in evidence["containers"]:
        lines = [line for line in one["log"] if pattern.search(line)]
        found += [f"{one['name']} said: {line[:200]}" for line in lines[-1:]]
    return found[:most]


def _wanted(evidence: Evidence) -> list[Mapping[str, Any]]:
    return [one for one in evidence["containers"] if one["wanted"]]


def dead_run(evidence: Evidence) -> Finding | None:
    run = evidence["run"]
    if run.get("state") != "dead":
        return None
    said = [f"run {run['run']} ({run['runbook']}) has an intent and no result"]
    return _finding("dead_run", "a run died before it ended", 99, said, "recover.yml finishes it or goes back.")


def edge_down(evidence: Evidence) -> Finding | None:
    if evidence["edge"] == "running" or not evidence["live"]:
        return None
    said = [f"the edge is {evidence['edge']}"]
    next_step = (
        "maintenance.yml -e state=keep starts it; `docker logs` of the container that ends in -edge tells why it ended."
    )
    return _finding("edge_down", "the edge does not run, so nobody is served", 98, said, next_step)


def maintenance(evidence: Evidence) -> Finding | None:
    if not evidence["maintenance"]:
        return None
    said = ["the edge's map says maintenance on: every user gets 503"]
    return _finding("maintenance", "the maintenance page is up", 97, said, "maintenance.yml -e state=off ends it.")


def disk_full(evidence: Evidence) -> Finding | None:
    full = [one for one in evidence["disks"] if one["free_mib"] < 256 or one["percent"] < 1]
    said = [f"{one['free_mib']} MiB ({one['percent']:.1f}%) are free in {one['where']}" for one in full]
    said += _lines(evidence, _DISK)
    if not said:
        return None
    return _finding(
        "disk_full", "a disk is full", 96 if full else 90, said, "prune.yml removes what is kept for nothing."
    )


def out_of_memory(evidence: Evidence) -> Finding | None:
    killed = [one for one in evidence["containers"] if one["oom"]]
    said = [f"{one['name']} was killed for want of memory (limit {_mib(one)})" for one in killed]
    wanted = _wanted(evidence)
    maybe = [one for one in wanted if one["exit"] == KILLED and one["state"] != "running" and not one["oom"]]
    near = [one for one in wanted if one["memory_limit"] and one["memory"] > FULL_SHARE * one["memory_limit"]]
    told = _lines(evidence, _MEMORY)
    if not said and not maybe and not near and not told:
        return None
    score = 94 if said else 75 if told else 74 if maybe else 45
    said += [f"{one['name']} was killed, by the kernel for want of memory or by hand" for one in maybe]
    said += [f"{one['name']} uses {100 * one['memory'] / one['memory_limit']:.0f}% of its {_mib(one)}" for one in near]
    service = next((one["service"] for one in [*killed, *near, *maybe]), "NAME")
    next_step = f"scale.yml -e service={service} -e memory=… gives it more; rollback.yml if it began with a release."
    return _finding("out_of_memory", "a container has too little memory", score, said + told, next_step)


def _mib(container: Mapping[str, Any]) -> str:
    return f"{container['memory_limit'] / 2**20:.0f} MiB" if container["memory_limit"] else "none"


def connections_exhausted(evidence: Evidence) -> Finding | None:
    database, said = evidence["database"], []
    most, used = database.get("most") or 0, database.get("used") or 0
    full = bool(most) and used >= FULL_SHARE * most
    if database.get("refused") and _CONNECTIONS.search(database["refused"]):
        said, full = [f"{database['service']} answers: {database['refused'][:200]}"], True
    if full and most:
        held = sorted((database.get("holders") or {}).items(), key=lambda one: -one[1])[:3]
        whose = f": {', '.join(f'{count} by {name}' for name, count in held)}" if held else ""
        said.append(f"{used} of {most} connections of {database['service']} are used{whose}")
    if full and database.get("idle_in_transaction"):
        said.append(f"{database['idle_in_transaction']} of them are idle in a transaction, and not given back")
    for one in evidence["redis"]:
        if one["clients_most"] and one["clients"] >= FULL_SHARE * one["clients_most"]:
            said.append(f"{one['clients']} of {one['clients_most']} clients of {one['service']} are connected")
    told = _lines(evidence, _CONNECTIONS)
    if not said and not told:
        return None
    # What a log says has passed where there is room now, unless it is the application's own pool that is full.
    score = 92 if said else 80 if not most or any("QueuePool" in line for line in told) else 55
    next_step = "rollback.yml if it began with a release; else smaller pools (set_env.yml) or a larger max_connections."
    return _finding("connections_exhausted", "the database has no free connections", score, said + told, next_step)


def crash_at_start(evidence: Evidence) -> Finding | None:
    bad = [
        one
        for one in evidence["containers"]
        if one["exit"] not in (0, KILLED)
        and not one["oom"]
        and one["state"] in ("exited", "restarting", "dead")
        # what was stopped on purpose ends so too, by SIGTERM
        and (one["wanted"] or one["exit"] not in (143, 130))
    ]
    if not bad:
        return None
    score = 91 if any(one["wanted"] for one in bad) else 70
    if not any(one["wanted"] for one in bad) and _failed(evidence):
        score = 85  # what the newest run left, to be looked at
    said = []
    for one in bad[:3]:
        said.append(f"{one['name']} is {one['state']} with exit status {one['exit']}, {one['restarts']} restarts")
        said += [f"{one['name']} said last: {line[:200]}" for line in one["log"][-2:]]
    next_step = f"logs.yml -e service={bad[0]['service']}; then a new release, set_env.yml, or rollback.yml."
    return _finding("crash_at_start", f"{bad[0]['service']} ends right after its start", score, said, next_step)


def _failed(evidence: Evidence) -> bool:
    return bool(evidence["ended"]) and evidence["ended"][-1]["outcome"] in ("undone", "stuck", "kept")


def port_taken(evidence: Evidence) -> Finding | None:
    said = [f"{one['name']}: {one['error'][:200]}" for one in evidence["containers"] if _PORT.search(one["error"])]
    said += _lines(evidence, _PORT)
    if not said:
        return None
    next_step = "`ss -ltnp` tells who has the port; a plain `docker compose up` of the same service is the usual one."
    return _finding("port_taken", "a port is taken by something else", 93, said, next_step)


def unhealthy(evidence: Evidence) -> Finding | None:
    bad = [one for one in _wanted(evidence) if one["health"] == "unhealthy"]
    if not bad:
        return None
    said = [f"{one['name']} is unhealthy; its check said: {one['health_said'][:200] or 'nothing'}" for one in bad]
    next_step = f"exec.yml -e service={bad[0]['service']} -e command=… tries the check by hand; rollback.yml goes back."
    return _finding("unhealthy", f"the health check of {bad[0]['service']} fails", 78, said, next_step)


def restarting(evidence: Evidence) -> Finding | None:
    bad = [one for one in _wanted(evidence) if one["restarts"] >= 3]
    if not bad:
        return None
    said = [f"{one['name']} was restarted {one['restarts']} times" for one in bad]
    return _finding(
        "restarting",
        f"{bad[0]['service']} is restarted again and again",
        60,
        said,
        f"logs.yml -e service={bad[0]['service']}.",
    )


def not_running(evidence: Evidence) -> Finding | None:
    bad = [one for one in _wanted(evidence) if one["state"] != "running" and one["role"] not in ("worker", "scheduler")]
    missing = evidence["missing"]
    if not bad and not missing:
        return None
    said = [f"{one['name']} ({one['role']}) is {one['state']}" for one in bad]
    said += [f"{one['service']} ({one['role']}) has no container" for one in missing]
    next_step = "apply_update.yml of the same release starts it again; rollback.yml goes back."
    score = 73 if missing or any(one["state"] != "restarting" for one in bad) else 65
    return _finding("not_running", f"{(*bad, *missing)[0]['service']} does not run", score, said, next_step)


def worker_idle(evidence: Evidence) -> Finding | None:
    hands = [one for one in _wanted(evidence) if one["role"] in ("worker", "scheduler")]
    stopped = [one for one in hands if one["state"] != "running"]
    queues = [
        (one["service"], name, length) for one in evidence["redis"] for name, length in one["queues"].items() if length
    ]
    waiting = [f"{length} entries wait in {name} of {service}" for service, name, length in queues]
    said = [f"{one['name']} is {one['state']}" for one in stopped]
    quiet = [one for one in hands if one["role"] == "worker" and one["state"] == "running" and one["cpu"] < 1.0]
    if waiting and not stopped:
        said = [
            f"{one['name']} runs, uses {one['cpu']:.1f}% of a CPU"
            + (f" and said last: {one['log'][-1][:150]}" if one["log"] else " and says nothing")
            for one in quiet
        ]
    if not said:
        return None
    next_step = f"logs.yml -e service={(stopped or quiet)[0]['service']}: does it listen to that queue? set_env.yml."
    return _finding(
        "worker_idle", "a worker does not work", 82 if waiting or stopped else 40, said + waiting, next_step
    )


def slow_queries(evidence: Evidence) -> Finding | None:
    database = evidence["database"]
    slow = [one for one in database.get("slow") or [] if one["seconds"] >= SLOW_SECONDS]
    said = [f"for {one['seconds']:.0f} s ({one['wait'] or 'at work'}): {one['query']}" for one in slow[:4]]
    means = [one for one in database.get("statements") or [] if one["mean_ms"] >= SLOW_MS]
    said += [f"{one['mean_ms']:.0f} ms in the mean of {one['calls']} calls: {one['query']}" for one in means[:3]]
    if not said:
        return None
    locked = any("Lock" in one["wait"] for one in slow)
    what = "queries wait for locks" if locked else "queries of the database are slow"
    next_step = (
        "EXPLAIN what is named; rollback.yml if it came with a release. A lock is held by the oldest transaction."
    )
    return _finding("slow_queries", what, 76 if slow else 50, said, next_step)


def redis_full(evidence: Evidence) -> Finding | None:
    full = [one for one in evidence["redis"] if one["most"] and one["memory"] >= FULL_SHARE * one["most"]]
    said = [
        f"{one['service']} uses {one['memory']} of {one['most']} bytes, {one['evicted']} keys were evicted"
        for one in full
    ]
    said += _lines(evidence, _REDIS_FULL)
    if not said:
        return None
    return _finding(
        "redis_full", "Redis has no memory left", 77, said, "Raise maxmemory in your compose file, or remove keys."
    )


def server_errors(evidence: Evidence) -> Finding | None:
    said = []
    for slot, seen in evidence["requests"].items():
        if slot == evidence["live"] and seen["errors"] and seen["errors"] >= 0.01 * seen["requests"]:
            codes = ", ".join(
                f"{count} x {status}" for status, count in sorted(seen["statuses"].items()) if int(status) >= 500
            )
            said.append(f"{seen['errors']} of {seen['requests']} requests to {slot} failed ({codes})")
    if not said:
        return None
    lines = _lines(evidence, LOG_ERROR)
    next_step = "logs.yml tells what it says; rollback.yml if it began with the release."
    return _finding("server_errors", f"{evidence['live']} answers with server errors", 72, said + lines, next_step)


def hanging(evidence: Evidence) -> Finding | None:
    said = [
        f"{len(seen['waiting'])} requests to {slot} wait for an answer, the oldest for {max(seen['waiting'])} s"
        for slot, seen in evidence["requests"].items()
        if seen["waiting"] and max(seen["waiting"]) >= 10
    ]
    if not said:
        return None
    return _finding(
        "hanging", "requests wait without an answer", 68, said, "rollback.yml if it began with the release."
    )


CAUSES = (
    dead_run,
    edge_down,
    maintenance,
    disk_full,
    out_of_memory,
    port_taken,
    connections_exhausted,
    crash_at_start,
    worker_idle,
    unhealthy,
    redis_full,
    slow_queries,
    server_errors,
    hanging,
    not_running,
    restarting,
)

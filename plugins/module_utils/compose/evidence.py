# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collects what a diagnosis needs, read only: containers, requests, database, Redis, disks, the ledger's last runs."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import RunbookError
from ..run.contract import SLOTS
from ..run.ledger import Ledger
from ..verify.causes import diagnose
from ..verify.stats import quantile
from . import observe
from .database import ask, connections, is_postgresql
from .host import Host, is_running, service_of
from .memory import memory_in_use
from .platform import ComposePlatform
from .settings import checked
from .signals import is_bad
from .status import run_of

WINDOW = 300.0  # seconds of the edge's log
NO_STATS = {"cpu": 0.0, "memory": 0}
LINES = 200
QUERIES = (
    "select coalesce(json_agg(one), '[]') from (select round(extract(epoch from now() - query_start)) as seconds, "
    "coalesce(wait_event_type, '') as wait, left(query, 200) as query from pg_stat_activity where state = 'active' "
    "and pid <> pg_backend_pid() and backend_type = 'client backend' order by 1 desc limit 5) one"
)
IDLE = "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
STATEMENTS = (
    "select coalesce(json_agg(one), '[]') from (select round(mean_exec_time) as mean_ms, calls, "
    "left(query, 200) as query "
    "from pg_stat_statements where calls > 5 order by mean_exec_time desc limit 5) one"
)
# How much waits in lists and streams, where queues are; looks at a thousand keys at most. A stream keeps what was read:
# what waits is what a group of readers was not given (since Redis 7) or has not acknowledged.
_QUEUES = """for key in $(redis-cli --scan --count 1000 2>/dev/null | head -n 1000); do
  case $(redis-cli type "$key") in
    list) echo "$(redis-cli llen "$key") $key";;
    stream) echo "$(redis-cli xinfo groups "$key" | awk '
      was == "name" {n = 0}
      was == "pending" || was == "lag" {n += $1; if (n > most) most = n}
      {was = $0}
      END {print most + 0}') $key";;
  esac
done | sort -rn | head -n 5"""


def diagnosis(params: Mapping[str, Any]) -> dict[str, Any]:
    """What module ``compose_diagnosis_info`` answers."""
    platform = ComposePlatform.open(checked(params, references=False))
    host = platform.host
    host.hide_kept()
    evidence = host.mask.data(collect(platform))
    findings = diagnose(evidence)
    return {
        "evidence": evidence,
        "findings": findings,
        "text": "\n".join(_text(host.service, findings, evidence)) + "\n",
    }


def collect(platform: ComposePlatform) -> dict[str, Any]:
    """The evidence of ``verify.causes``. What cannot be had is left out, not an error: something is wrong here."""
    seen = platform.edge.observe()
    traffic = seen.get("running_traffic") or seen.get("traffic") or {}
    live = traffic.get("live") if traffic.get("live") in SLOTS else None
    with ThreadPoolExecutor(4) as pool:
        requests = pool.submit(_or, {}, _requests, platform)
        stats = pool.submit(_or, {}, _stats, platform)
        containers = [
            *(one for slot in SLOTS for one in _slot(platform, slot, live)),
            *_base(platform),
        ]
        database = pool.submit(_or, {}, _database, platform, containers)
        redis = pool.submit(_or, [], _redis, platform, containers)
        for one in containers:
            one.update(stats.result().get(one.pop("id"), NO_STATS))
        return {
            "live": live,
            "maintenance": bool(traffic.get("maintenance")),
            "edge": seen["state"],
            "run": run_of(platform),
            "containers": containers,
            "missing": _missing(platform, live, containers),
            "requests": requests.result(),
            "database": database.result(),
            "redis": _still(redis.result(), _or([], _redis, platform, containers)),
            "disks": _disks(platform),
            "ended": _ended(platform),
        }


def _or(otherwise: Any, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (RunbookError, ValueError, KeyError, IndexError):
        return otherwise


def _missing(platform: ComposePlatform, live: str | None, containers: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What should run and has no container at all."""
    there = {(one["service"], one["wanted"]) for one in containers}
    record = _record(platform, live) if live else {}
    wanted = {name: "web" for name, count in (record.get("replicas") or {}).items() if count}
    wanted |= dict.fromkeys(observe.expected_hands(record), "worker")
    base = platform.host.files.read_json("base/base.json") or {}
    wanted |= dict.fromkeys(base.get("services") or [], "state")
    return [{"service": name, "role": role} for name, role in sorted(wanted.items()) if (name, True) not in there]


def _record(platform: ComposePlatform, slot: str) -> Mapping[str, Any]:
    return platform.host.release(platform.host.slot(slot).get("release") or "") or {}


def _slot(platform: ComposePlatform, slot: str, live: str | None) -> list[dict[str, Any]]:
    host = platform.host
    roles = _record(platform, slot).get("roles") or {}
    return [
        _container(platform, one, slot, roles.get(service_of(one), "web"), slot == live)
        for one in host.slot_containers(slot)
    ]


def _base(platform: ComposePlatform) -> list[dict[str, Any]]:
    wanted = (platform.host.files.read_json("base/base.json") or {}).get("services") or []
    found = [one for one in platform.host.base_containers() if service_of(one) in wanted]
    return [_container(platform, one, "base", "state", True) for one in found]


def _container(platform: ComposePlatform, one: dict[str, Any], slot: str, role: str, wanted: bool) -> dict[str, Any]:
    state = one["State"]
    health, networks = state.get("Health") or {}, one["NetworkSettings"].get("Networks") or {}
    # What a container that runs said long ago is over; one that ended said why at its end.
    since = platform.host.clock.now() - WINDOW if is_running(one) else 0.0
    said = platform.host.docker.run("logs", "--since", f"{since:.0f}", "--tail", str(LINES), one["Id"])
    return {
        "id": one["Id"],
        "name": one["Name"].lstrip("/"),
        "image": one["Config"]["Image"],
        "postgresql": is_postgresql(one),
        "addresses": [each["IPAddress"] for each in networks.values() if each.get("IPAddress")],
        "service": service_of(one),
        "role": role,
        "slot": slot,
        "wanted": wanted,
        "state": state["Status"],
        "exit": int(state.get("ExitCode") or 0),
        "error": str(state.get("Error") or ""),
        "oom": bool(state.get("OOMKilled")),
        "restarts": int(one.get("RestartCount") or 0),
        "health": str(health.get("Status") or "none"),
        "health_said": str(((health.get("Log") or [{}])[-1] or {}).get("Output") or "").strip(),
        "memory_limit": int(one["HostConfig"].get("Memory") or 0),
        "log": [line for line in (said.stdout + said.stderr).splitlines() if line.strip()],
    }


def _stats(platform: ComposePlatform) -> dict[str, dict[str, Any]]:
    """CPU in percent of one and memory in bytes, by container id."""
    host = platform.host
    every = [*(one for slot in SLOTS for one in host.slot_containers(slot)), *host.base_containers()]
    running = [one for one in every if is_running(one)]
    with ThreadPoolExecutor(len(running) or 1) as pool:  # the engine takes two seconds for each
        cpu = pool.map(lambda one: _or(0.0, _cpu, host, one["Id"]), running)
        return {one["Id"]: {"cpu": used, "memory": int(memory_in_use(host, one))} for one, used in zip(running, cpu)}


def _cpu(host: Host, container: str) -> float:
    seen = host.docker.engine.json("GET", f"/containers/{container}/stats?stream=false")[1]
    now, before = seen["cpu_stats"], seen["precpu_stats"]
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    cores = now.get("online_cpus") or os.cpu_count() or 1
    return round(100 * cores * used / system, 1) if system > 0 else 0.0


def _requests(platform: ComposePlatform) -> dict[str, Any]:
    """What users got by slot in the last minutes, our probes left out."""
    now, edge = platform.host.clock.now(), platform.edge
    live = edge.serving().live
    # What a former release in this slot answered is none of this one's.
    since = (_record(platform, live).get("live_since") or 0.0) if live in SLOTS else 0.0
    records = [
        one
        for one in edge.log(now - WINDOW, now)
        if not one["probe"] and one["ended_by"] != "client" and (one["slot"] != live or one["time"] >= since)
    ]
    found = {}
    for slot in sorted({*SLOTS, *(one["slot"] for one in records if one["slot"])}):
        mine = [one for one in records if one["slot"] == slot]
        times = sorted(float(one["total_ms"]) for one in mine)
        found[slot] = {
            "requests": len(mine),
            "errors": sum(map(is_bad, mine)) if slot in SLOTS else 0,
            "statuses": {str(status): count for status, count in Counter(one["status"] for one in mine).items()},
            "p95_ms": round(quantile(times, 0.95), 1) if times else None,
            "waiting": sorted(_or({}, edge.open_requests, slot).values()) if slot in SLOTS else [],
        }
    return found


def _database(platform: ComposePlatform, containers: list[dict[str, Any]]) -> dict[str, Any]:
    """The declared database, else the one whose image is PostgreSQL's."""
    declared = dict(platform.host.settings.get("schema") or {})
    if not declared.get("service"):
        named = [one["service"] for one in containers if one["postgresql"]]
        if not named:
            return {}
        declared = {"service": named[0]}
    told: dict[str, Any] = {"service": declared["service"], "refused": "", "slow": [], "statements": []}
    try:
        most, reserved, clients = connections(platform.host, declared)
    except RunbookError as error:
        return {**told, "refused": error.detail}
    owners = {address: one["service"] for one in containers for address in one["addresses"]}
    told.update(used=len(clients), most=most - reserved)
    told["holders"] = dict(Counter(owners.get(client, client) for client in clients))
    told["idle_in_transaction"] = int(_or("0", ask, platform.host, declared, IDLE) or 0)
    told["slow"] = json.loads(_or("[]", ask, platform.host, declared, QUERIES) or "[]")
    told["statements"] = json.loads(_or("[]", ask, platform.host, declared, STATEMENTS) or "[]")
    return told


def _redis(platform: ComposePlatform, containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for one in containers:
        if not _is(one, "redis", "valkey") or one["state"] != "running":
            continue
        said = platform.host.docker.engine.execute(one["name"], ("redis-cli", "INFO"), 20)
        facts = dict(line.strip().split(":", 1) for line in said.stdout.splitlines() if ":" in line)
        queues = platform.host.docker.engine.execute(one["name"], ("sh", "-c", _QUEUES), 60).stdout
        lengths = (line.split(" ", 1) for line in queues.splitlines() if " " in line)
        found.append(
            {
                "service": one["service"],
                "memory": int(facts.get("used_memory") or 0),
                "most": int(facts.get("maxmemory") or 0),
                "evicted": int(facts.get("evicted_keys") or 0),
                "clients": int(facts.get("connected_clients") or 0),
                "clients_most": int(facts.get("maxclients") or 0),
                "queues": {name: int(length) for length, name in lengths},
            }
        )
    return found


def _still(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What waits and did so before: a queue that is worked off has something in it as well, for a moment."""
    return [
        {**one, "queues": {name: min(was, one["queues"].get(name, 0)) for name, was in earlier["queues"].items()}}
        for earlier, one in zip(before, now)
    ]


def _is(container: Mapping[str, Any], *names: str) -> bool:
    image = str(container["image"]).rpartition("/")[2]
    return any(image.startswith(name) for name in names)


def _disks(platform: ComposePlatform) -> list[dict[str, Any]]:
    found = []
    for where, _name in observe.disks(platform.host):
        usage = shutil.disk_usage(where)
        found.append({"where": where, "free_mib": usage.free // 2**20, "percent": 100 * usage.free / usage.total})
    return found


def _ended(platform: ComposePlatform) -> list[dict[str, Any]]:
    entries = [one for one in Ledger(platform.host.files).entries() if one.get("kind") == "run"][-5:]
    return [
        {
            "runbook": one.get("runbook"),
            "outcome": one.get("outcome"),
            "why": (one.get("failure") or {}).get("detail") or "",
        }
        for one in entries
    ]


def _text(service: str, findings: list[dict[str, Any]], evidence: Mapping[str, Any]) -> list[str]:
    total = sum(one["requests"] for one in evidence["requests"].values())
    looked = f"{len(evidence['containers'])} containers, {total} requests of the last {WINDOW / 60:.0f} minutes"
    if not findings:
        return [f"{service}: nothing is wrong as far as this looks ({looked})"]
    lines = [f"{service}: {findings[0]['what']}"]
    for number, one in enumerate(findings, 1):
        lines.append(f"  {number}. {one['what']} ({one['cause']}, {one['score']} of 100)")
        lines += [f"     - {sentence}" for sentence in one["evidence"]]
        lines.append(f"     next: {one['next_step']}")
    for last in evidence["ended"][-1:]:
        why = f": {last['why']}" if last["why"] else ""
        lines.append(f"  last run: {last['runbook']} ended {last['outcome']}{why}")
    return [*lines, f"  looked at {looked}, database, Redis, disks and ledger"]

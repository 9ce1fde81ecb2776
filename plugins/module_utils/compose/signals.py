# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users get from a slot, as the edge sees it: counts from its counters, latencies from its log."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any, Callable

from ..run.clock import Clock
from ..verify.smoke import check_log_errors
from ..verify.stats import quantile
from ..verify.watch import Sample, overdue
from .edge import Edge

ANSWERS = ("2xx", "3xx", "4xx", "5xx")
MOST_POINTS = 240


class SlotSource:
    """A watch's source for one slot. Counts from when it is made; *bound* is the age in seconds from which an open
    request is overdue, *lines* the slot's own log lines since a time."""

    def __init__(self, edge: Edge, slot: str, clock: Clock, bound: float, lines: Callable[[float], list[str]]) -> None:
        self.edge = edge
        self.clock = clock
        self.bound = bound
        self.lines = lines
        self.last = clock.now()
        self.counted = edge.counters(slot)
        self.late = overdue(edge.open_requests(slot), bound)

    def sample(self, slot: str) -> Sample:
        """What happened since the call before."""
        now = self.clock.now()
        records = self.edge.log(self.last, now)
        logged = sample_of(records, slot, now)
        counted = self.edge.counters(slot)
        requests, errors = logged.requests, logged.errors
        if counted["since"] == self.counted["since"]:
            # Requests of ours are in the counters too; the log tells them apart.
            probes = [record for record in records if record["slot"] == slot and record["probe"]]
            requests = max(answers(counted) - answers(self.counted) - len(probes), 0)
            errors = max(failures(counted) - failures(self.counted) - sum(map(is_bad, probes)), 0)
        late = overdue(self.edge.open_requests(slot), self.bound)
        sample = Sample(
            time=now,
            requests=requests,
            errors=min(errors, requests) if requests else errors,
            latencies_ms=logged.latencies_ms,
            overdue=len(late - self.late),
            log_errors=check_log_errors(self.lines(self.last))["count"],
        )
        self.last, self.counted, self.late = now, counted, late
        return sample


def sample_of(records: Iterable[dict[str, Any]], slot: str, time: float) -> Sample:
    """Requests of users in a slot, from the edge's log; those that the client gave up by itself do not count."""
    mine = [record for record in records if record["slot"] == slot and not record["probe"]]
    answered = [record for record in mine if record["ended_by"] != "client"]
    return Sample(
        time=time,
        requests=len(answered),
        errors=sum(map(is_bad, answered)),
        # A websocket's time is how long somebody stayed; one of plain TCP too.
        latencies_ms=[float(record["total_ms"]) for record in answered if record["status"] not in (0, 101)],
    )


def samples_of(records: Iterable[dict[str, Any]], slot: str, since: float, until: float) -> list[Sample]:
    """The same, a sample a second."""
    seconds: dict[int, list[dict[str, Any]]] = {second: [] for second in range(max(0, math.ceil(until - since)))}
    for record in records:
        second = int(record["time"] - since)
        if second in seconds:
            seconds[second].append(record)
    return [sample_of(mine, slot, second + 1.0) for second, mine in seconds.items()]


def timeline_of(records: Iterable[dict[str, Any]], since: float, until: float) -> dict[str, Any]:
    """What happened from *since* to *until*, by slot, users and our probes apart, in at most 240 buckets::

        {"since", "until", "bucket_s": 1, "series": [
            {"slot", "probes": bool, "requests": [n], "errors": [n], "p50_ms": [ms | None], "p95_ms", "p99_ms"}]}

    Each list has an entry a bucket. Slots other than blue and green are answers of the edge itself.
    """
    bucket = max(1, math.ceil((until - since) / MOST_POINTS))
    points = max(1, math.ceil((until - since) / bucket))
    found: dict[tuple[str, bool], tuple[list[int], list[int], list[array[float]]]] = {}
    for record in records:
        index = int((record["time"] - since) // bucket)
        if not 0 <= index < points or record["ended_by"] == "client":
            continue
        key = (record["slot"], record["probe"])
        if key not in found:
            found[key] = ([0] * points, [0] * points, [array("f") for _point in range(points)])
        requests, errors, latencies = found[key]
        requests[index] += 1
        errors[index] += is_bad(record)
        if record["status"] not in (0, 101):
            latencies[index].append(record["total_ms"])
    series = []
    for (slot, probes), (requests, errors, latencies) in sorted(found.items()):
        ordered = [sorted(one) for one in latencies]
        times = {
            name: [round(quantile(one, share), 1) if one else None for one in ordered]
            for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
        }
        series.append({"slot": slot, "probes": probes, "requests": requests, "errors": errors, **times})
    return {"since": since, "until": until, "bucket_s": bucket, "series": series}


def is_bad(record: dict[str, Any]) -> bool:
    return record["status"] >= 500 or record["ended_by"] == "server"


def answers(counters: dict[str, int]) -> int:
    """The requests that were answered, as HAProxy's own total has those too that still wait; and TCP connections."""
    return sum(counters[name] for name in (*ANSWERS, "connections"))


def failures(counters: dict[str, int]) -> int:
    """Failed requests: a refused or broken connection is counted a second time as the 5xx that it was answered with,
    unless the answer had begun."""
    return max(counters["5xx"], counters["connect_errors"] + counters["response_errors"])

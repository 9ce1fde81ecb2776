# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users get from a slot, as the edge sees it: counts from its counters, latencies from its log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ..run.clock import Clock
from ..verify.smoke import LOG_ERROR
from ..verify.watch import Sample, newly_overdue
from .edge import Edge

BAD = ("5xx", "connect_errors", "response_errors")


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
            requests = max(counted["requests"] - self.counted["requests"] - len(probes), 0)
            errors = max(_bad(counted) - _bad(self.counted) - sum(map(is_bad, probes)), 0)
        overdue = newly_overdue(self.edge.open_requests(slot), self.bound, now - self.last)
        sample = Sample(
            time=now,
            requests=requests,
            errors=min(errors, requests) if requests else errors,
            latencies_ms=logged.latencies_ms,
            overdue=overdue,
            log_errors=sum(1 for line in self.lines(self.last) if LOG_ERROR.search(line)),
        )
        self.last, self.counted = now, counted
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


def is_bad(record: dict[str, Any]) -> bool:
    return record["status"] >= 500 or record["ended_by"] == "server"


def _bad(counters: dict[str, int]) -> int:
    return sum(counters[name] for name in BAD)

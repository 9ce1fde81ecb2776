# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof of a switch: our own requests through the edge before, while and after it, and what they amount to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import RunbookError
from ..run.clock import Clock
from ..run.contract import PLAIN
from .http import Connection
from .settings import ProofLimits, parse_proof
from .stats import chance
from .tally import Proof, Tally, proof_of

PROBE_HEADER, SLOT_HEADER = "X-Steady-Probe", "x-steady-slot"
MOST_PROBES = 200.0  # a second, over all addresses: probing must not be a load
LEAST_USUAL = 30  # requests before an error share is called usual
UNLIKELY = 0.01

Counters = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Target:
    """Where users come in; *name* goes into the Host header, *tls* is for an edge that speaks it."""

    host: str
    port: int
    path: str = "/"
    name: str = ""
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Prober:
    """Probes each target *rate* times a second until it is stopped.

    Two threads a target, one on a kept connection, one with a new connection each time: users have both, and one slow
    answer does not stop the probing. A probe fails when there is no whole answer within *timeout* seconds, or a 5xx.
    *slow_ms* is from when a probe counts as slow (the declared longest gap).
    """

    def __init__(
        self,
        targets: Sequence[Target],
        token: str,
        clock: Clock,
        rate: float = 50.0,
        timeout: float = 10.0,
        slow_ms: float = 1000.0,
    ) -> None:
        self.targets = tuple(targets)
        self.token = token
        self.clock = clock
        self.timeout = timeout
        self.slow_s = slow_ms / 1000.0
        self.interval = 1.0 / min(rate, MOST_PROBES / max(1, len(self.targets)))
        self._lag = 0.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._over = False
        self._threads: list[threading.Thread] = []
        self._tallies: list[Tally] = []
        self._connections: list[Connection] = []

    def start(self) -> None:
        """Begin; returns at once. A prober is started once."""
        begin = self.clock.monotonic()
        for target in self.targets:
            tally = Tally(str(target), begin, self.slow_s)
            self._tallies.append(tally)
            for turn, keep in enumerate((True, False)):
                connection = Connection((target.host, target.port), target.tls)
                self._connections.append(connection)
                thread = threading.Thread(
                    target=self._probe,
                    args=(target, tally, connection, keep, begin + turn * self.interval),
                    name=f"probe {target}",
                    daemon=True,
                )
                self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def mark(self, slot: str) -> None:
        """Called just before *slot* is given the traffic: times of the proof are relative to this."""
        with self._lock:
            now = self.clock.monotonic()
            for tally in self._tallies:
                tally.mark(slot, now)

    def seen(self, slot: str) -> bool:
        """Whether every target has answered from *slot*, the one that was marked, since the mark."""
        with self._lock:
            return all(tally.new_slot == slot and tally.first_new is not None for tally in self._tallies)

    def stop(self, grace: float = 1.0) -> Proof:
        """End, wait up to *grace* seconds for the probes that are still open, and tell what was seen.

        A probe that is open longer than that is cut and not counted as failed; the time that it waited is in the gap.
        """
        self._stopping.set()
        until = self.clock.monotonic()
        for thread in self._threads:
            thread.join(max(0.0, until + grace - self.clock.monotonic()))
        with self._lock:
            self._over = True
            now = self.clock.monotonic()
            for tally in self._tallies:
                tally.ended(now)
        for connection in self._connections:
            connection.abort()
        for thread in self._threads:
            thread.join(1.0)
        return proof_of(self._tallies, self.interval, self._lag)

    def _probe(self, target: Target, tally: Tally, connection: Connection, keep: bool, due: float) -> None:
        headers = {PROBE_HEADER: self.token, "Connection": "keep-alive" if keep else "close"}
        if target.name:
            headers["Host"] = target.name
        while not self._stopping.wait(max(0.0, due - self.clock.monotonic())):
            began = self.clock.monotonic()
            with self._lock:
                self._lag = max(self._lag, began - due)
            reason, slot = "", ""
            try:
                answer = connection.request("GET", target.path, headers, timeout=self.timeout)
                slot = answer.headers.get(SLOT_HEADER, PLAIN)[:20]
                if answer.status >= 500:
                    reason = f"status {answer.status}" + (f" from {slot}" if slot else " from the edge")
            except RunbookError as error:
                reason = error.detail
            ended = self.clock.monotonic()
            with self._lock:
                if not self._over:
                    tally.record(began, ended, reason, slot)
            # Turns that a slow answer took the time of are left out, not made up for.
            due = max(due + 2 * self.interval, ended)
        connection.close()


def confirmed(
    proof: Proof,
    before: Counters | None,
    after: Counters | None,
    declared: Mapping[str, Any] | None = None,
    held_ms: float = 0.0,
) -> dict[str, Any]:
    """The proof as evidence, with ``breach`` and ``why``: whether users noticed more of the switch than was declared.

    *before* and *after* (None: it cannot be asked) are the edge's own counters by slot, around the probing:
    ``requests``, ``errors`` (or ``5xx``, ``connect_errors``, ``response_errors``) since ``since``, and where it knows
    it ``max_ms``, the longest time of a request. A breach needs both witnesses: one lost probe is none, nor is a gap
    in which the prober itself did not run. *declared* is ``service_proof``; where requests are held on purpose, the
    longest time of that, *held_ms*, is added to the longest gap.
    """
    limits = parse_proof(declared)
    limits = replace(limits, max_gap_ms=limits.max_gap_ms + round(held_ms))
    breach, why = _decide(proof, limits, before or {}, after)
    accepted = {"max_failed": limits.max_failed, "max_gap_ms": limits.max_gap_ms}
    return {**proof.as_dict(), "declared": accepted, "breach": breach, "why": why}


def _decide(proof: Proof, limits: ProofLimits, before: Counters, after: Counters | None) -> tuple[bool, str]:
    failed_too_often = proof.failed > limits.max_failed
    gap_too_long = proof.longest_gap_ms > limits.max_gap_ms
    if not failed_too_often and not gap_too_long:
        return False, "within what is declared"
    if proof.sent == 0:
        return False, "no probe was answered, so nothing is proved"
    if after is None:
        dead = proof.failed >= 20 and 2 * proof.failed >= proof.sent
        return dead, "the edge cannot be asked" + (", and most probes failed" if dead else "")
    edge = _total(after, before)
    lost = f"{proof.failed:,} of {proof.sent:,} probes failed ({limits.max_failed} declared)"
    if failed_too_often:
        # The old release's share of errors, which the new one may have as well: that is for the watch to judge.
        old = _total(before)
        usual = old["errors"] / old["requests"] if old["requests"] >= LEAST_USUAL else 0.0
        expected = chance(proof.failed, proof.sent, usual) >= UNLIKELY
        if not expected and edge["errors"] > limits.max_failed and max(edge["errors"], proof.failed) > 1:
            return True, f"{lost}, and the edge counted {edge['errors']:,.0f} errors"
        if not gap_too_long:
            why = f"the usual {usual:.2%} of errors explains it" if expected else "the edge does not confirm it"
            return False, f"{lost}, but {why}"
    gap = f"{proof.longest_gap_ms:.0f} ms without a successful response ({limits.max_gap_ms} ms declared)"
    if proof.lag_ms >= proof.longest_gap_ms / 2:
        return False, f"{gap}, but the prober itself was {proof.lag_ms:.0f} ms late"
    # An edge that does not count times cannot confirm a wait: then more than one probe has to have been seen waiting.
    timed = any("max_ms" in counted for counted in after.values())
    waited = edge["max_ms"] > limits.max_gap_ms if timed else proof.slow > 1
    if edge["errors"] > 1 or waited:
        return True, gap
    return False, f"{gap}, but the edge does not confirm it"


def _total(counters: Counters, since: Counters | None = None) -> dict[str, float]:
    """The counters of all slots together, less those of *since*; a slot that began to count anew has none of those."""
    total: dict[str, float] = {"requests": 0, "errors": 0, "max_ms": 0}
    for slot, counted in counters.items():
        earlier = (since or {}).get(slot, {})
        if earlier.get("since") != counted.get("since") or earlier.get("requests", 0) > counted.get("requests", 0):
            earlier = {}
        total["requests"] += counted.get("requests", 0) - earlier.get("requests", 0)
        total["errors"] += _errors(counted) - _errors(earlier)
        # The longest time is no sum: it tells something only when it grew.
        if counted.get("max_ms", 0) > earlier.get("max_ms", 0):
            total["max_ms"] = max(total["max_ms"], counted["max_ms"])
    return total


def _errors(counted: Mapping[str, float]) -> float:
    """``errors``, or what HAProxy has: a failed connect or answer is among its 5xx too, unless the client had gone."""
    failed = counted.get("connect_errors", 0) + counted.get("response_errors", 0)
    return counted.get("errors", max(counted.get("5xx", 0), failed))

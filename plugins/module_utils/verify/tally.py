# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users noticed of a switch: the tally of the probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST_FAILURES = 5
LONGEST_TIMELINE = 32


@dataclass(frozen=True)
class Proof:
    """The probes of one switch. Times are in ms, relative to the mark (or to the start when there was none)."""

    sent: int = 0
    failed: int = 0
    failures: tuple[dict[str, Any], ...] = ()  # the first few: {at_ms, address, reason}
    longest_gap_ms: float = 0.0  # between two successful responses at one address
    interval_ms: float = 0.0  # between two probes of one address: no gap can be shorter
    slow: int = 0  # probes that took longer than max_gap_ms
    lag_ms: float = 0.0  # the longest time that the prober itself was late
    slots: Mapping[str, int] = field(default_factory=dict)  # responses by slot
    timeline: tuple[dict[str, Any], ...] = ()  # {at_ms, slot, address}: the changes only
    first_new_ms: float | None = None
    last_old_ms: float | None = None
    unserved: int = 0  # probes before the first successful response: there was nothing to keep up yet

    def say(self) -> str:
        """The sentence for people."""
        told = f"{self.failed:,} of {self.sent:,} failed, longest gap {self.longest_gap_ms:.0f} ms"
        if self.first_new_ms is not None:
            told += f", first response of the new slot after {self.first_new_ms:.0f} ms"
        return told

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "failures": list(self.failures), "timeline": list(self.timeline), "say": self.say()}


class Tally:
    """Counts the probes of one address; memory is bounded, however long it goes on. Times are monotonic seconds."""

    def __init__(self, address: str, start: float, slow_s: float) -> None:
        self.address = address
        self.start = start
        self.slow_s = slow_s
        self.sent = self.failed = self.unserved = self.slow = 0
        self.last_success: float | None = None
        self.longest_gap = 0.0
        self.failures: list[tuple[float, str]] = []
        self.slots: dict[str, int] = {}
        self.timeline: list[tuple[float, str]] = []
        self.marked: float | None = None
        self.new_slot = ""
        self.first_new: float | None = None
        self.last_old: float | None = None

    def mark(self, slot: str, now: float) -> None:
        self.new_slot, self.marked = slot, now

    def record(self, began: float, ended: float, reason: str, slot: str) -> None:
        """One probe; *reason* says why it failed, and is empty when it did not."""
        self.sent += 1
        self.slow += ended - began > self.slow_s
        if reason:
            # Before anything served there was nothing that a switch could have broken.
            self.unserved += self.last_success is None
            self.failed += 1
            if len(self.failures) < FIRST_FAILURES:
                self.failures.append((ended, reason))
        else:
            if self.last_success is None:
                self.sent -= self.unserved
                self.failed, self.failures = 0, []
            else:
                self.longest_gap = max(self.longest_gap, ended - self.last_success)
            self.last_success = ended
        if slot:
            self._answered(ended, slot)

    def _answered(self, ended: float, slot: str) -> None:
        self.slots[slot] = self.slots.get(slot, 0) + 1
        if (not self.timeline or self.timeline[-1][1] != slot) and len(self.timeline) < LONGEST_TIMELINE:
            self.timeline.append((ended, slot))
        if self.marked is None:
            return
        if slot != self.new_slot:
            self.last_old = ended
        elif self.first_new is None:
            self.first_new = ended

    def ended(self, now: float) -> None:
        """The time from the last success to the end is a gap too."""
        since = self.start if self.last_success is None else self.last_success
        self.longest_gap = max(self.longest_gap, now - since)


def proof_of(tallies: list[Tally], interval_s: float, lag_s: float) -> Proof:
    """One proof of all addresses: counts are added, of the times the worst is told."""
    zero = min((tally.start if tally.marked is None else tally.marked for tally in tallies), default=0.0)

    def ms(time: float) -> float:
        return round((time - zero) * 1000.0, 1)

    slots: dict[str, int] = {}
    for tally in tallies:
        for slot, count in tally.slots.items():
            slots[slot] = slots.get(slot, 0) + count
    failures = sorted((at, tally.address, reason) for tally in tallies for at, reason in tally.failures)
    timeline = sorted((at, tally.address, slot) for tally in tallies for at, slot in tally.timeline)
    first_new = [tally.first_new for tally in tallies if tally.first_new is not None]
    last_old = [tally.last_old for tally in tallies if tally.last_old is not None]
    return Proof(
        sent=sum(tally.sent for tally in tallies),
        failed=sum(tally.failed for tally in tallies),
        failures=tuple({"at_ms": ms(at), "address": where, "reason": why} for at, where, why in failures)[
            :FIRST_FAILURES
        ],
        longest_gap_ms=round(max((tally.longest_gap for tally in tallies), default=0.0) * 1000.0, 1),
        interval_ms=round(interval_s * 1000.0, 1),
        slow=sum(tally.slow for tally in tallies),
        lag_ms=round(lag_s * 1000.0, 1),
        slots=slots,
        timeline=tuple({"at_ms": ms(at), "slot": slot, "address": where} for at, where, slot in timeline),
        first_new_ms=ms(max(first_new)) if first_new else None,
        last_old_ms=ms(max(last_old)) if last_old else None,
        unserved=sum(tally.unserved for tally in tallies),
    )

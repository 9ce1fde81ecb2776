# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watch loop: it samples, asks the judge, and gives way. It knows neither where figures come from nor limits."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Protocol

from ..errors import RunbookError
from ..run.clock import Clock
from .stats import quantile

INTERVAL = 1.0
# How soon a watch notices that it shall give way: part of the time that a rollback takes.
GLANCE = 0.2
LEAST_OVERDUE_BOUND = 1.0
RECENT_SECONDS = 10.0


@dataclass(frozen=True)
class Sample:
    """What happened in a slot since the call before.

    *time* is the end of that stretch; in a watch's history it is in seconds since the watch began.

    *requests* were answered, *errors* of them badly (5xx, failed connect, reset). *overdue* requests passed a bound
    since the call before and are still open (see :func:`overdue`): a slot that hangs has nothing else to show.
    *latencies_ms* of the answered requests, or None when there is no source of them.
    """

    time: float
    requests: int = 0
    errors: int = 0
    latencies_ms: Sequence[float] | None = None
    overdue: int = 0
    log_errors: int = 0
    note: str = ""


class Source(Protocol):
    """Where the figures of a watch come from: the edge, Prometheus, Cloud Monitoring."""

    def sample(self, slot: str) -> Sample:
        """What happened in *slot* since the call before; the first call counts from when the source was made."""


@dataclass(frozen=True)
class Look:
    """Which look of the watch the judge is asked at. *checkpoint* counts from 1; 0 is between two of them."""

    elapsed: float
    checkpoint: int = 0
    checkpoints: int = 1
    since: float = 0.0  # seconds into the watch of the checkpoint before

    @property
    def last(self) -> bool:
        return self.checkpoint == self.checkpoints


@dataclass(frozen=True)
class Verdict:
    """*outcome* is pass, fail, inconclusive, continue or preempted; *reasons* are sentences, *figures* numbers."""

    outcome: str
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"outcome": self.outcome, "reasons": list(self.reasons), "figures": self.figures}


# Asked after every sample, so a sequential judge may answer
# at any of them; "continue" goes on, everything else ends the watch.
Judge = Callable[[Sequence[Sample], Look], Verdict]


def watch(
    source: Source,
    judge: Judge,
    *,
    slot: str,
    seconds: float,
    checkpoints: Sequence[float],
    clock: Clock,
    on_progress: Callable[[dict[str, Any]], None] = lambda line: None,
    preempted: Callable[[], bool] = lambda: False,
    healthy: Callable[[], tuple[bool, str]] = lambda: (True, ""),
) -> Verdict:
    """Watch *slot* for *seconds* and return the judge's verdict.

    ``healthy()`` answers whether the slot's containers are up, and what was seen: unhealthy fails at once.
    ``preempted()`` ends the watch within 0.2 s. A source or a health check that cannot answer (it raises
    :class:`RunbookError`) is noted and asked again; what it missed is in the next sample.
    """
    if seconds <= 0:
        return Verdict("inconclusive", ("not watched: the watch is declared to be 0 seconds long",))
    start = clock.monotonic()
    history: list[Sample] = []
    missed: list[str] = []
    points = sorted({min(float(point), float(seconds)) for point in checkpoints} | {float(seconds)})
    done, due = 0, start
    while True:
        # A slow sample is followed by one at once, not by all those that it kept from being taken.
        due = max(due + INTERVAL, clock.monotonic())
        if _waits(due, clock, preempted):
            verdict = Verdict("preempted", ("another run asked this one to give way",))
            break
        elapsed = clock.monotonic() - start
        history.append(_sample(source, slot, elapsed, missed))
        sick = _sick(healthy, missed)
        if sick:
            verdict = Verdict("fail", (sick,))
            break
        # When a sample was slow, several checkpoints may have passed: they are one look.
        reached = sum(1 for point in points if elapsed >= point - GLANCE / 2)
        since = points[done - 1] if done else 0.0
        look = Look(elapsed, reached if reached > done else 0, len(points), since)
        verdict = judge(history, look)
        done = max(done, reached)
        on_progress(_progress(history, elapsed, seconds, verdict))
        if verdict.outcome != "continue":
            break
        if look.last:
            verdict = replace(verdict, outcome="inconclusive", reasons=(*verdict.reasons, "the judge did not decide"))
            break
    return _finished(verdict, history, missed)


def overdue(ages: Mapping[str, int], bound: float) -> set[str]:
    """The names of the open requests that have certainly waited for *bound* seconds.

    HAProxy takes the second of the beginning from the second of now: an age of 1 may be a hundredth of a second.
    """
    return {name for name, age in ages.items() if age - 1 >= bound}


def overdue_bound(latencies_ms: Sequence[float]) -> float:
    """From which age in seconds an open request counts as overdue: the old slot's p99.9, at least 1 s."""
    return max(LEAST_OVERDUE_BOUND, quantile(sorted(latencies_ms), 0.999) / 1000.0)


def _waits(until: float, clock: Clock, preempted: Callable[[], bool]) -> bool:
    """Wait for the next sample; whether the watch shall give way instead."""
    while True:
        if preempted():
            return True
        left = until - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(left, GLANCE))


def _sample(source: Source, slot: str, elapsed: float, missed: list[str]) -> Sample:
    try:
        sample = source.sample(slot)
    except RunbookError as error:
        missed.append(error.detail)
        return Sample(time=elapsed, note=error.detail)
    packed = None if sample.latencies_ms is None else array("f", sample.latencies_ms)
    return replace(sample, time=elapsed, latencies_ms=packed)


def _sick(healthy: Callable[[], tuple[bool, str]], missed: list[str]) -> str:
    try:
        well, seen = healthy()
    except RunbookError as error:
        missed.append(error.detail)
        return ""
    return "" if well else f"the release is not healthy: {seen}"


def _progress(history: Sequence[Sample], elapsed: float, seconds: float, verdict: Verdict) -> dict[str, Any]:
    recent: list[float] = []
    for sample in reversed(history):
        if sample.time <= elapsed - RECENT_SECONDS:
            break
        recent.extend(sample.latencies_ms or ())
    return {
        "elapsed_s": round(elapsed),
        "of_s": round(seconds),
        "requests": sum(sample.requests for sample in history),
        "errors": sum(sample.errors for sample in history),
        "overdue": sum(sample.overdue for sample in history),
        "recent_p95_ms": round(quantile(sorted(recent), 0.95), 1) if recent else None,
        "verdict": verdict.outcome,
    }


def _finished(verdict: Verdict, history: Sequence[Sample], missed: Sequence[str]) -> Verdict:
    figures = {
        "seconds": round(history[-1].time, 1) if history else 0.0,
        "requests": sum(sample.requests for sample in history),
        "errors": sum(sample.errors for sample in history),
        "overdue": sum(sample.overdue for sample in history),
        **verdict.figures,
    }
    reasons = verdict.reasons
    if missed:
        figures["missed"] = len(missed)
        if verdict.outcome == "inconclusive":
            reasons = (*reasons, f"{len(missed)} looks got no figures, the last because: {missed[-1]}")
    return Verdict(verdict.outcome, reasons, figures)

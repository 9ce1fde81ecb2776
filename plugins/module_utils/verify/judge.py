# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge of fixed limits: a release fails on evidence that it is over one, not on an unlucky count.

A limit read naively (2 errors of 300 are more than 0.5%) aborts a healthy release in a third of all watches. Here a
limit is exceeded when what was counted would hardly happen to a release exactly at the limit: an exact binomial test,
its error rate split over limits, checkpoints and stretches of time. "p95 at most 800 ms" is the same test: at most 5%
of the requests may be slower than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .settings import Limits
from .stats import Block, chance, quantile, spread, upper_bound
from .watch import Judge, Look, Sample, Verdict

BREAKER_SECONDS, BREAKER_REQUESTS, BREAKER_SHARE, BREAKER_BASELINE = 3.0, 20, 0.5, 0.05
LEAST_REQUESTS, LEAST_BAD = 20, 3  # fewer never fail a release
PASS_REQUESTS = 300  # fewer never pass one
LEAST_BASELINE = 30
WORSE = 1.5  # times the old release's share: how much worse counts, where the old one was over the limit too
MARGIN = 0.01  # an error share this much above the limit has to be excluded before a release passes
BLOCK_SECONDS, LEAST_BLOCKS = 5.0, 6

Blocks = tuple[tuple[float, Block], ...]  # each with its end, in seconds since the watch began


@dataclass(frozen=True)
class Baseline:
    """The old slot's figures before the switch, counted in the same way."""

    requests: int = 0
    bad: int = 0
    latencies_ms: Sequence[float] = ()
    log_errors: int = 0
    seconds: float = 0.0
    broke: bool = False  # it would have tripped the breaker itself


@dataclass(frozen=True)
class Criterion:
    """One limit as a share: at most *allowed* of the requests may be bad, or slower than a time."""

    name: str
    limit: str  # as people declared it
    allowed: float  # the declared share, or more where the old release was over it
    margin: float  # a share this much above the allowed has to be excluded before a release passes
    blocks: Blocks
    aside: str = ""  # why the allowed is not the declared share


def fixed_limits(limits: Limits, baseline: Baseline | None = None) -> Judge:
    """The judge of a watch under *limits*; without *baseline* there was no old release to compare with."""
    return lambda history, look: judge(history, look, limits, baseline)


def baseline_of(history: Sequence[Sample], seconds: float) -> Baseline:
    """The baseline from samples of the old slot that cover *seconds*."""
    return Baseline(
        requests=sum(sample.requests + sample.overdue for sample in history),
        bad=sum(sample.errors + sample.overdue for sample in history),
        latencies_ms=[value for sample in history for value in sample.latencies_ms or ()],
        log_errors=sum(sample.log_errors for sample in history),
        seconds=seconds,
        broke=any(_breaker(history[: index + 1], Baseline()) for index in range(len(history))),
    )


def judge(history: Sequence[Sample], look: Look, limits: Limits, baseline: Baseline | None = None) -> Verdict:
    """Decide at this *look*: the breaker always, the limits at checkpoints, pass or inconclusive at the last one."""
    old = baseline or Baseline()
    broken = _breaker(history, old)
    if broken:
        return Verdict("fail", (broken,), _figures(history, look, limits))
    if not look.checkpoint:
        return Verdict("continue")
    criteria = _criteria(history, look, limits, old)
    # Each is tested on the whole watch and on what came since the checkpoint before: a release that turns bad
    # late is not excused by its good beginning.
    alpha = limits.alpha / max(1, len(criteria) * (2 * look.checkpoints - 1))
    figures = _figures(history, look, limits)
    failed = [_exceeded(criterion, 0.0, alpha) or _exceeded(criterion, look.since, alpha) for criterion in criteria]
    failed = [said for said in (*failed, _log_errors(history, look, limits, old)) if said]
    if failed:
        return Verdict("fail", tuple(failed), figures)
    if not look.last:
        return Verdict("continue", (), figures)
    return _end(criteria, limits, figures)


def _criteria(history: Sequence[Sample], look: Look, limits: Limits, old: Baseline) -> list[Criterion]:
    criteria: list[Criterion] = []
    size = BLOCK_SECONDS if look.elapsed >= BLOCK_SECONDS * LEAST_BLOCKS else 1.0
    if limits.errors_percent is not None:
        counts = [(one.time, (one.requests + one.overdue, one.errors + one.overdue)) for one in history]
        share = limits.errors_percent / 100.0
        blocks = _blocks(counts, size)
        allowed, aside = _allowed(share, old.requests, old.bad, blocks)
        criteria.append(Criterion("errors", f"limit {limits.errors_percent:g}%", allowed, MARGIN, blocks, aside))
    warm = _warm(history, look, limits)
    for name, most, share in (("p95", limits.p95_ms, 0.05), ("p99", limits.p99_ms, 0.01)):
        if most is None:
            continue
        counts = [
            (one.time, (len(one.latencies_ms or ()), sum(1 for value in one.latencies_ms or () if value > most)))
            for one in warm
        ]
        blocks = _blocks(counts, size)
        allowed, aside = _allowed(
            share, len(old.latencies_ms), sum(1 for value in old.latencies_ms if value > most), blocks
        )
        criteria.append(Criterion(name, f"{name} limit {most:g} ms", allowed, share, blocks, aside))
    return criteria


def _warm(history: Sequence[Sample], look: Look, limits: Limits) -> list[Sample]:
    """The samples after the warm-up: some seconds and some requests, but never more than half of a watch so far."""
    answered = 0
    for index, sample in enumerate(history):
        late = sample.time > look.elapsed / 2.0 and sample.time > limits.warmup_seconds
        if late or (answered >= limits.warmup_requests and sample.time > limits.warmup_seconds):
            return list(history[index:])
        answered += sample.requests
    return []


def _blocks(counts: Sequence[tuple[float, Block]], size: float) -> Blocks:
    blocks: list[tuple[float, Block]] = []
    for end, (requests, bad) in counts:
        if blocks and int((blocks[-1][0] - 0.01) // size) == int((end - 0.01) // size):
            _before, (more, worse) = blocks.pop()
            requests, bad = requests + more, bad + worse
        blocks.append((end, (requests, bad)))
    return tuple(blocks)


def _allowed(share: float, requests: int, bad: int, blocks: Blocks) -> tuple[float, str]:
    """The share to judge by. A limit that the old release was over too blames nobody; being much worse does."""
    if requests < LEAST_BASELINE or bad <= share * requests:
        return share, ""
    # The old release's requests are as lumpy as those of the new one, and its share is known the less for it.
    lumps = spread([block for _end, block in blocks])
    allowed = min(1.0, WORSE * upper_bound(bad / lumps, requests / lumps))
    return max(share, allowed), f"the old release was over it too ({bad / requests:.2%})"


def _exceeded(criterion: Criterion, since: float, alpha: float) -> str:
    """The sentence that blames the release, or nothing."""
    blocks = [block for end, block in criterion.blocks if end > since]
    requests, bad = sum(block[0] for block in blocks), sum(block[1] for block in blocks)
    if requests < LEAST_REQUESTS or bad < LEAST_BAD or bad <= criterion.allowed * requests:
        return ""
    lumps = spread(blocks)
    luck = chance(bad / lumps, requests / lumps, criterion.allowed)
    if luck >= alpha:
        return ""
    what = "bad" if criterion.name == "errors" else "slower"
    when = f" since {since:g} s" if since else ""
    told = f"{criterion.name}: {bad:,} of {requests:,} requests{when} {what} ({bad / requests:.2%}), {criterion.limit}"
    return f"{told}; {criterion.aside}, this one is worse" if criterion.aside else told


def _log_errors(history: Sequence[Sample], look: Look, limits: Limits, old: Baseline) -> str:
    if limits.log_errors is None:
        return ""
    count = sum(sample.log_errors for sample in history)
    usual = old.log_errors * look.elapsed / old.seconds if old.seconds else 0.0
    if count <= limits.log_errors or usual > limits.log_errors:
        return ""
    return f"log: {count:,} error lines, limit {limits.log_errors:,}"


def _breaker(history: Sequence[Sample], old: Baseline) -> str:
    """Most requests bad for some seconds: nobody waits for a checkpoint then. A burst of one second is not that."""
    if old.broke or (old.requests >= LEAST_BASELINE and old.bad >= BREAKER_BASELINE * old.requests):
        return ""
    recent = [sample for sample in history[-10:] if sample.time > history[-1].time - BREAKER_SECONDS + 0.01]
    counts = [(one.requests + one.overdue, one.errors + one.overdue) for one in recent]
    requests, bad = sum(count[0] for count in counts), sum(count[1] for count in counts)
    if requests < BREAKER_REQUESTS or bad < BREAKER_SHARE * requests or history[-1].time < BREAKER_SECONDS - 0.01:
        return ""
    if any(worse < BREAKER_SHARE / 2 * more for more, worse in counts):
        return ""
    return f"breaker: {bad:,} of the last {requests:,} requests bad within {BREAKER_SECONDS:g} s"


def _end(criteria: Sequence[Criterion], limits: Limits, figures: dict[str, Any]) -> Verdict:
    """Pass only what was seen to be good; what was not is inconclusive, with what could be excluded."""
    if not criteria and limits.log_errors is None:
        return Verdict("inconclusive", ("no limit is declared",), figures)
    open_questions: list[str] = []
    told: list[str] = []
    excluded: dict[str, float] = {}
    for criterion in criteria:
        blocks = [block for _end, block in criterion.blocks]
        requests, bad = sum(block[0] for block in blocks), sum(block[1] for block in blocks)
        lumps = spread(blocks)
        bound = upper_bound(bad / lumps, requests / lumps)
        excluded[criterion.name] = round(100.0 * bound, 2)
        least = PASS_REQUESTS if criterion.name == "errors" else PASS_REQUESTS / 3
        what = "bad" if criterion.name == "errors" else "slower"
        said = f"{criterion.name}: {bad:,} of {requests:,} requests {what}, {criterion.limit}"
        if criterion.aside:
            said += f" ({criterion.aside})"
        told.append(said)
        if requests == 0:
            unseen = "requests" if criterion.name == "errors" else "latencies after the warm-up"
            open_questions.append(f"{criterion.name}: no {unseen} were seen")
        elif requests < least or bound > min(1.0, criterion.allowed + criterion.margin):
            open_questions.append(f"{said}: more than {bound:.2%} excluded, which is not enough")
    figures = {**figures, "excluded_percent": excluded}
    if open_questions:
        return Verdict("inconclusive", tuple(open_questions), figures)
    return Verdict("pass", tuple(told), figures)


def _figures(history: Sequence[Sample], look: Look, limits: Limits) -> dict[str, Any]:
    requests = sum(sample.requests + sample.overdue for sample in history)
    bad = sum(sample.errors + sample.overdue for sample in history)
    values = sorted(value for sample in _warm(history, look, limits) for value in sample.latencies_ms or ())
    figures: dict[str, Any] = {
        "errors_percent": round(100.0 * bad / requests, 3) if requests else None,
        "log_errors": sum(sample.log_errors for sample in history),
        "limits": limits.as_dict(),
    }
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        figures[name] = round(quantile(values, share), 1) if values else None
    return figures

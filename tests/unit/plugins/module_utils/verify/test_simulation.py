# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""False aborts and detection of the fixed-limit judge, by seeded simulation; `pytest -s` prints the rates.

``STEADY_WATCHES=5000`` plays that many watches a case instead of the few that a unit test has time for.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.judge import Baseline, baseline_of, fixed_limits
from ansible_collections.steady.runbooks.plugins.module_utils.verify.settings import Limits, parse_watch
from ansible_collections.steady.runbooks.plugins.module_utils.verify.watch import Judge, Look, Sample, Verdict, watch

WATCHES = int(os.environ.get("STEADY_WATCHES", "200"))
SECONDS = 300
WATCH = parse_watch({"seconds": SECONDS})
BOTH = WATCH.limits
ERRORS = replace(BOTH, p95_ms=None, p99_ms=None)
OUTCOMES = ("pass", "fail", "inconclusive")


def poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count


def binomial(dice: random.Random, trials: int, share: float) -> int:
    """By the gaps between successes: quick where they are rare."""
    if share <= 0:
        return 0
    if share > 0.2:
        return sum(dice.random() < share for _trial in range(trials))
    count, at = 0, 0
    while True:
        at += 1 + int(math.log(1.0 - dice.random()) / math.log(1.0 - share))
        if at > trials:
            return count
        count += 1


def traffic(dice: random.Random, rps: float, share: float, lumps: float = 1.0, seconds: int = SECONDS) -> list[Sample]:
    """One sample a second. With *lumps* > 1 errors come in lumps of that mean size, each within two seconds."""
    requests = [poisson(dice, rps) for _second in range(seconds)]
    if lumps <= 1:
        errors = [binomial(dice, count, share) for count in requests]
    else:
        errors = [0] * seconds
        for _lump in range(poisson(dice, rps * share * seconds / lumps)):
            begin = dice.randrange(seconds)
            size = 1 + int(dice.expovariate(1.0 / (lumps - 1)))
            for _error in range(size):
                at = min(seconds - 1, begin + dice.randrange(2))
                errors[at] = min(requests[at], errors[at] + 1)
    return [Sample(second + 1.0, requests[second], errors[second]) for second in range(seconds)]


def play(
    judge: Judge, samples: list[Sample], checkpoints: tuple[int, ...] = WATCH.checkpoints
) -> tuple[Verdict, float]:
    """What `watch` does, without its waiting; between checkpoints only the latest samples matter to this judge."""
    checkpoints = WATCH.checkpoints
    since, done = 0.0, 0
    for index, sample in enumerate(samples):
        reached = sample.time in checkpoints
        done += reached
        seen = samples[: index + 1] if reached else samples[max(0, index - 9) : index + 1]
        verdict = judge(seen, Look(sample.time, done if reached else 0, len(checkpoints), since))
        since = sample.time if reached else since
        if verdict.outcome != "continue":
            return verdict, sample.time
    raise AssertionError("a watch ends with a verdict")


def rates(
    case: str, watches: int, make: Callable[[random.Random], list[Sample]], limits: Limits, old: Baseline | None = None
) -> dict[str, float]:
    """The share of watches by outcome, and the median time of the failures in seconds; printed too."""
    dice = random.Random(case)
    played = [play(fixed_limits(limits, old), make(dice)) for _watch in range(watches)]
    failed = [at for verdict, at in played if verdict.outcome == "fail"]
    told = {name: sum(one.outcome == name for one, _at in played) / watches for name in OUTCOMES}
    when = f", failed at {median(failed):.0f} s (median)" if failed else ""
    print(f"{case}: {watches} watches: " + ", ".join(f"{name} {share:.1%}" for name, share in told.items()) + when)
    return {**told, "failed_at": median(failed) if failed else math.inf}


class Replay:
    """A source that repeats samples."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = iter(samples)

    def sample(self, slot: str) -> Sample:
        return next(self.samples)


@pytest.mark.parametrize("share", [0.002, 0.02, 0.6])
def test_what_is_simulated_is_the_watch_itself(clock: Any, share: float) -> None:
    samples = traffic(random.Random(share), 10, share)
    judge = fixed_limits(ERRORS)
    options = {"slot": "green", "seconds": SECONDS, "checkpoints": WATCH.checkpoints, "clock": clock}
    verdict = watch(Replay(samples), judge, **options)
    played, at = play(judge, samples)
    assert (verdict.outcome, verdict.reasons) == (played.outcome, played.reasons)
    assert clock.time == pytest.approx(at)


@pytest.mark.parametrize("lumps", [1, 10])
@pytest.mark.parametrize("rps", [1, 10, 50, 300])
def test_a_healthy_release_is_aborted_in_less_than_one_percent_of_watches(rps: float, lumps: float) -> None:
    case = f"healthy, {rps}/s, 0.2% errors in lumps of {lumps}"
    told = rates(case, WATCHES, lambda dice: traffic(dice, rps, 0.002, lumps), ERRORS)
    assert told["fail"] < 0.01
    if rps >= 10 and lumps == 1:
        assert told["pass"] > 0.99


@pytest.mark.parametrize("rps", [1, 10, 50])
def test_a_release_exactly_at_its_limit_is_aborted_as_rarely_as_promised(rps: float) -> None:
    told = rates(f"at the limit, {rps}/s, 0.5% errors", WATCHES, lambda dice: traffic(dice, rps, 0.005), ERRORS)
    assert told["fail"] <= 0.015


@pytest.mark.parametrize(
    ("rps", "share", "least", "latest"),
    [(1, 0.05, 0.9, 300), (1, 0.3, 0.99, 60), (10, 0.02, 0.99, 120), (10, 0.05, 0.99, 60), (50, 0.01, 0.99, 120)],
)
def test_a_bad_release_is_found(rps: float, share: float, least: float, latest: float) -> None:
    case = f"bad, {rps}/s, {share:.0%} errors"
    told = rates(case, WATCHES // 4, lambda dice: traffic(dice, rps, share), ERRORS)
    assert told["fail"] >= least
    assert told["failed_at"] <= latest
    assert told["pass"] <= 0.01


def test_a_release_that_turns_bad_late_is_found() -> None:
    def make(dice: random.Random) -> list[Sample]:
        late = [replace(sample, time=sample.time + 200) for sample in traffic(dice, 20, 0.05, seconds=100)]
        return traffic(dice, 20, 0.001, seconds=200) + late

    assert rates("bad from 200 s on, 20/s, 5% errors", WATCHES // 4, make, ERRORS)["fail"] > 0.99


@pytest.mark.parametrize(("rps", "lumps"), [(1, 1), (10, 1), (50, 1), (1, 10), (10, 2), (50, 5)])
def test_a_limit_that_the_old_release_was_over_too_blames_nobody(rps: float, lumps: float) -> None:
    old = baseline_of(traffic(random.Random(rps), rps, 0.03, lumps), SECONDS)
    case = f"as bad as the old one, {rps}/s, 3% errors in lumps of {lumps}"
    assert rates(case, WATCHES // 2, lambda dice: traffic(dice, rps, 0.03, lumps), ERRORS, old)["fail"] < 0.01


def test_much_worse_than_an_old_release_over_the_limit_is_found() -> None:
    old = baseline_of(traffic(random.Random(1), 10, 0.03), SECONDS)
    told = rates("old 3%, new 15%, 10/s", WATCHES // 4, lambda dice: traffic(dice, 10, 0.15), ERRORS, old)
    assert told["fail"] > 0.99


def latencies(dice: random.Random, rps: float, median_ms: Callable[[int], float]) -> list[Sample]:
    """Log-normal latencies (sigma 0.5): p95 is 2.3 times the median."""
    return [
        replace(one, latencies_ms=[dice.lognormvariate(math.log(median_ms(at)), 0.5) for _one in range(one.requests)])
        for at, one in enumerate(traffic(dice, rps, 0.001))
    ]


def cold_then_warm(second: int) -> float:
    return 880.0 if second < 45 else 220.0


@pytest.mark.parametrize("rps", [1, 10])
def test_latency_is_judged_by_evidence_and_after_the_warm_up(rps: float) -> None:
    few = WATCHES // 8
    # p95 500 ms, and four times that while caches are cold; limits are 800 and 1,000 ms.
    cold = rates(
        f"cold caches for 45 s, {rps}/s", few, lambda d: latencies(d, rps, lambda at: 880 if at < 45 else 220), BOTH
    )
    assert cold["fail"] == 0
    slow = rates(f"twice as slow, {rps}/s", few, lambda dice: latencies(dice, rps, lambda _at: 440), BOTH)
    assert slow["fail"] > (0.99 if rps > 1 else 0.6)
    assert slow["pass"] == 0

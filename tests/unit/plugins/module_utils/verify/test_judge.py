# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge of fixed limits, case by case; its rates are in test_simulation.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.judge import Baseline, baseline_of, judge
from ansible_collections.steady.runbooks.plugins.module_utils.verify.settings import Limits
from ansible_collections.steady.runbooks.plugins.module_utils.verify.watch import Look, Sample, Verdict

LIMITS = Limits(warmup_seconds=10.0)


def seconds(count: int, requests: int = 10, errors: int = 0, latency: float = 50.0, **more: Any) -> list[Sample]:
    """*count* seconds that are all alike."""
    return [Sample(float(second), requests, errors, [latency] * requests, **more) for second in range(1, count + 1)]


def spread_out(count: int, every: int, **more: Any) -> list[Sample]:
    """An error (or what *more* says) each *every* seconds only."""
    return [Sample(float(second), 10, int(second % every == 0), [50.0] * 10, **more) for second in range(1, count + 1)]


def last(history: list[Sample], limits: Limits = LIMITS, old: Baseline | None = None) -> Verdict:
    return judge(history, Look(history[-1].time, 3, 3, 0.0), limits, old)


OLD_AT_3_PERCENT = Baseline(requests=2000, bad=60, latencies_ms=[50.0] * 2000, seconds=120)
OLD_HALF_SLOW = Baseline(requests=2000, latencies_ms=[50.0] * 1000 + [900.0] * 1000, seconds=120)

OLD_WITH_AN_OUTAGE = baseline_of([*seconds(3, errors=6), *[Sample(4.0 + s, 100) for s in range(60)]], 63.0)
OVER = "(the old release was over it too (3.00%))"
LOGGED = replace(LIMITS, log_errors=50)
ERRORS = replace(LIMITS, p95_ms=None, p99_ms=None)
HALF_SLOW = [Sample(float(s), 10, 0, [50.0] * 5 + [900.0] * 5) for s in range(1, 121)]
COLD = [replace(one, latencies_ms=[5000.0] * 10) if one.time <= 10 else one for one in seconds(120)]
BURST = [replace(one, errors=9 * (one.time == 50)) for one in seconds(120)]
NO_LATENCIES = [Sample(float(s), 10) for s in range(1, 121)]

CASES: list[tuple[str, list[Sample], Limits, Baseline | None, str, str]] = [
    ("healthy", seconds(120), LIMITS, None, "pass", "errors: 0 of 1,200 requests bad, limit 0.5%"),
    ("few errors", spread_out(120, 40), LIMITS, None, "pass", "errors: 3 of 1,200 requests bad"),
    ("over, but hardly", spread_out(120, 15), LIMITS, None, "pass", "errors: 8 of 1,200 requests bad"),
    ("perhaps over", spread_out(120, 10), LIMITS, None, "inconclusive", "errors: 12 of 1,200 requests bad"),
    ("errors", spread_out(120, 4), LIMITS, None, "fail", "errors: 30 of 1,200 requests bad (2.50%), limit 0.5%"),
    ("overdue", seconds(120, overdue=1), LIMITS, None, "fail", "errors: 120 of 1,320 requests bad (9.09%)"),
    ("slow", seconds(120, latency=900.0), LIMITS, None, "fail", "p95: 1,100 of 1,100 requests slower (100.00%)"),
    ("very slow", seconds(120, latency=1900.0), LIMITS, None, "fail", "p99: 1,100 of 1,100 requests slower"),
    ("slow in the warm-up", COLD, LIMITS, None, "pass", "p99: 0 of 1,100 requests slower"),
    ("errors in the warm-up", spread_out(9, 1), LIMITS, None, "fail", "errors: 9 of 90 requests bad"),
    ("one burst", BURST, LIMITS, None, "inconclusive", "errors: 9 of 1,200"),
    ("little traffic", seconds(12), LIMITS, None, "inconclusive", "limit 0.5%: more than 2.47% excluded"),
    ("two of two bad", [Sample(60.0, 2, 2)], LIMITS, None, "inconclusive", "errors: 2 of 2 requests bad"),
    ("old as bad", spread_out(120, 4), LIMITS, OLD_AT_3_PERCENT, "pass", OVER),
    ("much worse than it", seconds(120, errors=2), LIMITS, OLD_AT_3_PERCENT, "fail", "(3.00%), this one is worse"),
    (
        "old as slow",
        HALF_SLOW,
        LIMITS,
        OLD_HALF_SLOW,
        "pass",
        "limit 800 ms (the old release was over it too (50.00%))",
    ),
    ("slow, unlike the old", HALF_SLOW, LIMITS, OLD_AT_3_PERCENT, "fail", "p95: 550 of 1,100 requests slower"),
    ("a small baseline says little", spread_out(120, 4), LIMITS, Baseline(20, 2), "fail", "errors: 30"),
    ("log errors", seconds(120, log_errors=1), LOGGED, None, "fail", "log: 120 error lines, limit 50"),
    ("old logged as much", seconds(120, log_errors=1), LOGGED, Baseline(log_errors=99, seconds=99.0), "pass", ""),
    ("no latencies", NO_LATENCIES, LIMITS, None, "inconclusive", "p95: no latencies after the warm-up were seen"),
    ("latencies not judged", NO_LATENCIES, ERRORS, None, "pass", ""),
    ("nothing judged", seconds(120), Limits(None, None, None), None, "inconclusive", "no limit is declared"),
    ("no error accepted", spread_out(120, 30), Limits(0.0), None, "fail", "errors: 4 of 1,200 requests bad (0.33%)"),
]


@pytest.mark.parametrize(
    ("case", "history", "limits", "old", "outcome", "said"), CASES, ids=[case[0] for case in CASES]
)
def test_the_verdict_of_the_last_checkpoint(
    case: str, history: list[Sample], limits: Limits, old: Baseline | None, outcome: str, said: str
) -> None:
    verdict = last(history, limits, old)
    assert verdict.outcome == outcome, verdict.reasons
    assert said in " | ".join(verdict.reasons)


def test_limits_are_asked_at_checkpoints_only() -> None:
    history = spread_out(120, 4)
    assert judge(history, Look(120.0, 0, 3), LIMITS).outcome == "continue"
    assert judge(history, Look(120.0, 1, 3), LIMITS).outcome == "fail"
    assert judge(seconds(120), Look(120.0, 1, 3), LIMITS).outcome == "continue"


def test_a_late_turn_is_seen_in_the_stretch_since_the_last_checkpoint() -> None:
    history = [Sample(float(s), 10, int(s > 550 and s % 2), [50.0] * 10) for s in range(1, 601)]
    whole = judge(history, Look(600.0, 4, 4, 0.0), LIMITS)
    late = judge(history, Look(600.0, 4, 4, 540.0), LIMITS)
    assert whole.outcome != "fail"
    assert late.reasons == ("errors: 25 of 600 requests since 540 s bad (4.17%), limit 0.5%",)


@pytest.mark.parametrize(
    ("history", "old", "trips"),
    [
        (seconds(3, errors=6), None, True),
        (seconds(2, errors=10), None, False),  # three seconds have not passed
        (seconds(3, requests=6, errors=6), None, False),  # 18 requests are too few
        (seconds(3, errors=4), None, False),
        ([Sample(1.0, 10), Sample(2.0, 50, 50), Sample(3.0, 10, 9)], None, False),  # a burst, not a state
        (seconds(3, errors=0, overdue=10), None, True),
        (seconds(3, errors=6), OLD_AT_3_PERCENT, True),
        (seconds(3, errors=6), Baseline(requests=1000, bad=50), False),
        (seconds(3, errors=6), OLD_WITH_AN_OUTAGE, False),
    ],
)
def test_the_breaker(history: list[Sample], old: Baseline | None, trips: bool) -> None:
    verdict = judge(history, Look(history[-1].time), LIMITS, old)
    assert verdict.outcome == ("fail" if trips else "continue")


def test_the_baseline_counts_as_the_watch_does() -> None:
    old = baseline_of(seconds(10, errors=1, overdue=2, log_errors=1), 10.0)
    assert (old.requests, old.bad, len(old.latencies_ms), old.log_errors, old.broke) == (120, 30, 100, 10, False)


def test_it_is_a_pure_function() -> None:
    history = spread_out(120, 10)
    assert last(history) == last(history)
    assert history == spread_out(120, 10)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watch loop, by a virtual clock: looks, checkpoints, health, giving way, sources that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed
from ansible_collections.steady.runbooks.plugins.module_utils.verify.judge import fixed_limits
from ansible_collections.steady.runbooks.plugins.module_utils.verify.settings import Limits, parse_watch
from ansible_collections.steady.runbooks.plugins.module_utils.verify.watch import (
    Look,
    Sample,
    Verdict,
    overdue,
    overdue_bound,
    watch,
)


class Slot:
    """A source that tells what each second was like: ``at(second) -> Sample``."""

    def __init__(self, at: Callable[[int], Sample]) -> None:
        self.at = at
        self.calls = 0

    def sample(self, slot: str) -> Sample:
        assert slot == "green"
        self.calls += 1
        return self.at(self.calls)


def healthy_second(second: int) -> Sample:
    return Sample(time=0.0, requests=20, latencies_ms=[50.0] * 20)


def observe(slot: Slot, clock: Any, judge: Any = None, **options: Any) -> tuple[Verdict, list[dict[str, Any]]]:
    lines: list[dict[str, Any]] = []
    declared = parse_watch(options.pop("declared", {"seconds": 60}))
    verdict = watch(
        slot,
        judge or fixed_limits(declared.limits),
        slot="green",
        seconds=declared.seconds,
        checkpoints=declared.checkpoints,
        clock=clock,
        on_progress=lines.append,
        **options,
    )
    return verdict, lines


def test_a_healthy_release_passes(clock: Any) -> None:
    verdict, lines = observe(Slot(healthy_second), clock)
    assert verdict.outcome == "pass"
    assert verdict.reasons == (
        "errors: 0 of 1,200 requests bad, limit 0.5%",
        "p95: 0 of 960 requests slower, p95 limit 800 ms",
        "p99: 0 of 960 requests slower, p99 limit 1000 ms",
    )
    assert verdict.figures["p95_ms"] == 50.0
    assert clock.time == pytest.approx(60.0)
    assert len(lines) == 60
    assert lines[29] == {
        "elapsed_s": 30,
        "of_s": 60,
        "requests": 600,
        "errors": 0,
        "overdue": 0,
        "recent_p95_ms": 50.0,
        "verdict": "continue",
    }


def test_a_slot_that_hangs_is_found_although_it_shows_nothing(clock: Any) -> None:
    """0 errors, 0 log lines, 0 answers: requests come in and become overdue, nothing else."""
    verdict, _lines = observe(Slot(lambda second: Sample(0.0, overdue=10 if second > 1 else 0)), clock)
    assert verdict.outcome == "fail"
    assert verdict.reasons == ("breaker: 20 of the last 20 requests bad within 3 s",)
    assert clock.time == pytest.approx(3.0)
    assert (verdict.figures["errors"], verdict.figures["requests"], verdict.figures["overdue"]) == (0, 0, 20)


def test_a_slot_that_hangs_under_little_traffic_is_found_at_a_checkpoint(clock: Any) -> None:
    verdict, _lines = observe(Slot(lambda second: Sample(0.0, overdue=1)), clock)
    assert verdict.outcome == "fail"
    assert verdict.reasons == ("errors: 30 of 30 requests bad (100.00%), limit 0.5%",)
    assert clock.time == pytest.approx(30.0)


def test_a_slot_that_hangs_for_some_requests_only(clock: Any) -> None:
    verdict, _lines = observe(Slot(lambda second: Sample(0.0, 19, 0, [50.0] * 19, overdue=1)), clock)
    assert verdict.outcome == "fail"
    assert verdict.reasons[0] == "errors: 30 of 600 requests bad (5.00%), limit 0.5%"


def test_most_requests_bad_ends_it_at_once(clock: Any) -> None:
    verdict, _lines = observe(Slot(lambda second: Sample(0.0, 10, 6 if second > 10 else 0)), clock)
    assert verdict.reasons == ("breaker: 18 of the last 30 requests bad within 3 s",)
    assert clock.time == pytest.approx(13.0)


def test_no_traffic_is_inconclusive(clock: Any) -> None:
    verdict, _lines = observe(Slot(lambda second: Sample(0.0)), clock)
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons == (
        "errors: no requests were seen",
        "p95: no latencies after the warm-up were seen",
        "p99: no latencies after the warm-up were seen",
    )


def test_little_traffic_is_inconclusive_and_says_what_is_excluded(clock: Any) -> None:
    verdict, _lines = observe(Slot(lambda second: Sample(0.0, 1, 0, [50.0])), clock)
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons[0] == (
        "errors: 0 of 60 requests bad, limit 0.5%: more than 4.87% excluded, which is not enough"
    )
    assert verdict.figures["excluded_percent"]["errors"] == 4.87


def test_an_unhealthy_container_fails_at_once_with_the_evidence(clock: Any) -> None:
    looks = iter([(True, "")] * 4 + [(False, "backend-green: restarting (exit 137)")])
    verdict, _lines = observe(Slot(healthy_second), clock, healthy=lambda: next(looks))
    assert verdict.outcome == "fail"
    assert verdict.reasons == ("the release is not healthy: backend-green: restarting (exit 137)",)
    assert clock.time == pytest.approx(5.0)


def test_it_gives_way_at_once(clock: Any) -> None:
    verdict, _lines = observe(Slot(healthy_second), clock, preempted=lambda: clock.time > 7.5)
    assert verdict.outcome == "preempted"
    assert 7.5 < clock.time <= 7.8
    assert verdict.figures["requests"] == 140


def test_a_watch_of_no_seconds_is_inconclusive(clock: Any) -> None:
    verdict, lines = observe(Slot(healthy_second), clock, declared={"seconds": 0})
    assert (verdict.outcome, lines) == ("inconclusive", [])


def test_a_source_that_fails_now_and_then_is_asked_again(clock: Any) -> None:
    def at(second: int) -> Sample:
        if second % 3 == 0:
            raise CommandFailed("the edge is busy", code="edge")
        return healthy_second(second)

    verdict, _lines = observe(Slot(at), clock)
    assert (verdict.outcome, verdict.figures["missed"]) == ("pass", 20)


def test_a_source_that_never_answers_is_inconclusive_and_says_why(clock: Any) -> None:
    def at(second: int) -> Sample:
        raise CommandFailed("the edge does not answer", code="edge")

    verdict, _lines = observe(Slot(at), clock)
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons[-1] == "60 looks got no figures, the last because: the edge does not answer"


def test_a_health_check_that_cannot_look_is_no_verdict(clock: Any) -> None:
    def healthy() -> tuple[bool, str]:
        raise CommandFailed("docker inspect did not end within 60 s", code="docker_slow")

    verdict, _lines = observe(Slot(healthy_second), clock, healthy=healthy)
    assert verdict.outcome == "pass"


def test_a_slow_source_does_not_pile_up_looks(clock: Any) -> None:
    def at(second: int) -> Sample:
        clock.sleep(3.5 if second == 5 else 0.0)
        return healthy_second(second)

    slot = Slot(at)
    verdict, _lines = observe(slot, clock)
    assert verdict.outcome == "pass"
    assert slot.calls == 58


def test_any_judge_fits_and_may_decide_at_any_look(clock: Any) -> None:
    looks: list[Look] = []

    def sequential(history: Sequence[Sample], look: Look) -> Verdict:
        looks.append(look)
        assert history[-1].time == look.elapsed
        return Verdict("pass" if len(history) == 47 else "continue", ("evidence is enough",))

    verdict, _lines = observe(Slot(healthy_second), clock, judge=sequential)
    assert (verdict.outcome, verdict.figures["seconds"]) == ("pass", pytest.approx(47.0))
    assert [look.checkpoint for look in looks] == [0] * 29 + [1] + [0] * 17
    assert looks[40].since == 30


def test_a_judge_that_never_decides_ends_with_the_watch(clock: Any) -> None:
    verdict, _lines = observe(Slot(healthy_second), clock, judge=lambda history, look: Verdict("continue"))
    assert (verdict.outcome, verdict.reasons) == ("inconclusive", ("the judge did not decide",))
    assert clock.time == pytest.approx(60.0)


def test_overdue_is_what_has_waited_so_long_whatever_part_of_a_second_it_began_in() -> None:
    assert overdue({"just begun": 0, "perhaps just begun": 1, "late": 2, "very late": 9}, 1.0) == {"late", "very late"}
    assert overdue({"late": 5, "perhaps": 4}, 3.2) == {"late"}


def test_what_counts_as_overdue() -> None:
    assert overdue_bound([]) == 1.0
    assert overdue_bound([20.0] * 5000) == 1.0
    assert overdue_bound([20.0] * 990 + [4000.0] * 10) == 4.0


def test_the_defaults_of_the_limits_are_those_of_a_release() -> None:
    assert Limits() == parse_watch({}).limits

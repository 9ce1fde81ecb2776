# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: a condition, a bound, and what was seen last."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed, TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.waiter import wait_for


class Time(Clock):
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return -self.at  # somebody sets the clock back all the time

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_it_returns_what_it_waited_for() -> None:
    clock = Time()
    value = wait_for(lambda: (clock.at >= 0.5, clock.at), what="half", timeout=1, clock=clock)
    assert value == pytest.approx(0.5)


def test_it_does_not_sleep_when_it_is_true_already() -> None:
    clock = Time()
    assert wait_for(lambda: (True, "so"), what="now", timeout=0, clock=clock) == "so"
    assert clock.at == 0


def test_it_gives_up_in_time_and_tells_what_was_seen_last() -> None:
    clock = Time()
    with pytest.raises(TimedOut) as late:
        wait_for(lambda: (False, f"at {clock.at:.0f}"), what="never", timeout=3, clock=clock, next_step="Look.")
    assert clock.at == pytest.approx(3, abs=0.2)
    assert (late.value.last_seen, late.value.next_step) == ("at 3", "Look.")
    assert "never" in late.value.detail and "3 s" in late.value.detail


def test_a_slow_look_cannot_miss_what_became_true_meanwhile() -> None:
    clock = Time()
    looks = []

    def look() -> tuple[bool, str]:
        looks.append(clock.at)
        true = clock.at >= 5
        clock.at += 10
        return true, "late"

    assert wait_for(look, what="slow", timeout=5, clock=clock) == "late"
    assert len(looks) == 2


def test_a_look_may_give_up_early() -> None:
    def look() -> tuple[bool, str]:
        raise StepFailed("it crashed", code="crashed")

    with pytest.raises(StepFailed, match="crashed"):
        wait_for(look, what="a start", timeout=60, clock=Time())

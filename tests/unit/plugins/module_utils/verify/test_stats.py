# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics against sums by hand."""

from __future__ import annotations

import math

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.stats import chance, quantile, spread, upper_bound


@pytest.mark.parametrize(("requests", "share"), [(1, 0.5), (20, 0.005), (300, 0.02), (300, 0.5), (1000, 0.001)])
def test_chance_is_the_exact_tail(requests: int, share: float) -> None:
    for bad in range(min(requests, 40) + 1):
        exact = 1.0 - sum(math.comb(requests, k) * share**k * (1 - share) ** (requests - k) for k in range(bad))
        assert chance(bad, requests, share) == pytest.approx(exact, abs=1e-9)


def test_chance_at_its_edges() -> None:
    assert chance(0, 0, 0.5) == 1.0
    assert chance(1, 10, 0.0) == 0.0
    assert chance(1, 10, 1.0) == 1.0
    assert chance(11, 10, 0.5) == 0.0
    assert 0 < chance(2_000_000 * 0.0052, 2_000_000, 0.005) < 1e-3


@pytest.mark.parametrize(("bad", "requests", "bound"), [(0, 300, 0.009936), (3, 300, 0.025637), (1, 30, 0.148596)])
def test_upper_bound_is_clopper_and_pearson(bad: int, requests: int, bound: float) -> None:
    assert upper_bound(bad, requests) == pytest.approx(bound, abs=1e-4)
    assert chance(bad + 1, requests, bound) == pytest.approx(0.95, abs=1e-3)


def test_upper_bound_without_evidence() -> None:
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(5, 5) == 1.0


def test_spread() -> None:
    assert spread([]) == 1.0
    assert spread([(100, 1)] * 10) == 1.0
    assert spread([(100, 100)] * 10) == 1.0
    # Twenty errors of one moment are about one event.
    assert spread([(100, 0)] * 59 + [(100, 20)]) == pytest.approx(20, rel=0.1)


def test_quantile() -> None:
    assert quantile([], 0.5) == 0.0
    values = [float(value) for value in range(1, 101)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1.0, 50.0, 95.0, 99.0, 100.0]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics that the judge needs, exact and without a library: binomial tails, bounds, quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Requests and bad ones among them, in one stretch of time.
Block = tuple[int, int]


def chance(bad: float, requests: float, share: float) -> float:
    """The chance of *bad* or more among *requests* when each is bad with probability *share* (exact binomial).

    Counts may be fractions (they are after :func:`spread`); the incomplete beta function is the same tail then.
    """
    if bad <= 0 or share >= 1:
        return 1.0
    if share <= 0 or bad > requests:
        return 0.0
    return _beta(bad, requests - bad + 1, share)


def upper_bound(bad: float, requests: float, confidence: float = 0.95) -> float:
    """The share that *bad* of *requests* still allows (one-sided Clopper-Pearson); 1.0 without requests."""
    if requests <= 0 or bad >= requests:
        return 1.0
    low, high = bad / requests, 1.0
    for _step in range(50):
        middle = (low + high) / 2
        # The chance of *bad* or fewer falls as the share grows.
        if 1.0 - _beta(bad + 1, requests - bad, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def spread(blocks: Sequence[Block]) -> float:
    """How much more the blocks scatter than independent requests would (Pearson's dispersion), at least 1.

    Errors come in clusters: one lost database connection fails twenty requests. Twenty errors of one moment are
    evidence of one event, so counts are divided by this before they are tested.
    """
    used = [(requests, bad) for requests, bad in blocks if requests > 0]
    requests = sum(block[0] for block in used)
    bad = sum(block[1] for block in used)
    if len(used) < 3 or bad == 0 or bad == requests:
        return 1.0
    share = bad / requests
    chi = sum((x - n * share) ** 2 / (n * share * (1.0 - share)) for n, x in used)
    return max(1.0, chi / (len(used) - 1))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the *ordered* values that at least *share* of them do not exceed; 0.0 of none."""
    if not ordered:
        return 0.0
    return float(ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))])


def _beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by Lentz's continued fraction."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    # The fraction converges quickly on this side of the mean only.
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            change = c * d
            value *= change
        if abs(change - 1.0) < 1e-12:
            break
    return value

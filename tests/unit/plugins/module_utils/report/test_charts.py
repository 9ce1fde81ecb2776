# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.report.charts import (
    Frame,
    Series,
    chart,
    nice,
    numbered,
    stage_bar,
)
from ansible_collections.steady.runbooks.plugins.module_utils.report.markup import (
    Html,
    clean,
    count,
    duration,
    h,
    ms,
    share,
)

VALUES = st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e9)), min_size=1, max_size=60)


@given(st.floats(min_value=0, max_value=1e15))
def test_a_scale_holds_what_it_is_for(most: float) -> None:
    top = nice(most)
    assert top >= most
    assert top <= max(1.0, 10 * most)
    assert round(top / 10 ** math.floor(math.log10(top)), 6) in (1, 2, 5)


@given(VALUES, st.sampled_from(["line", "thin", "area", "bars"]))
def test_shapes_stay_in_the_plot(values: list[float | None], style: str) -> None:
    frame = Frame(100.0, 100.0 + len(values), [], [])
    drawn = chart("c", "t", "d", "a second", frame, [Series("blue", style, values, 1.0)])
    for path in re.findall(r' d="([^"]*)"', drawn):
        assert re.fullmatch(r"[MLHVZ0-9. ]+", path)
        numbers = [float(number) for number in re.findall(r"[0-9.]+", path)]
        assert all(0 <= number <= 1000 for number in numbers)


def test_close_moments_share_a_mark() -> None:
    moments = [{"at": at, "what": ""} for at in (10.0, 11.0, 50.0, 99.9)]
    assert numbered(Frame(0.0, 100.0, [], moments)) == [(10.0, [1, 2]), (50.0, [3]), (99.9, [4])]


@given(st.floats(min_value=0, max_value=100), st.floats(min_value=0, max_value=100))
def test_a_bar_can_be_seen_and_stays_inside(since: float, took: float) -> None:
    x, width = (
        float(found)
        for found in re.findall(r'x="([0-9.]+)" width="([0-9.]+)"', stage_bar(since, since + took, 100.0, "on", ""))[0]
    )
    assert width >= 6
    assert x + width <= 1000.1


def test_only_our_own_markup_is_markup() -> None:
    assert h("<b>{}</b>{}", "<i>", [h("<u>{}</u>", '"'), 5]) == "<b>&lt;i&gt;</b><u>&quot;</u>5"
    assert isinstance(h("{}", "x"), Html)


def test_what_acts_is_taken_out() -> None:
    assert clean("\x1b[31mred\x1b[0m\x00\u202eexe\n\tend") == "red\ufffd\ufffdexe\n\tend"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 ms"), (0.0123, "12 ms"), (0.5, "0.5 s"), (59.99, "1 min 0 s"), (125, "2 min 5 s"), (3900, "1 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_figures() -> None:
    assert (count(1, "probe"), count(1204, "probe")) == ("1 probe", "1,204 probes")
    assert (share(1, 20), share(1, 5000), share(0, 10), share(1, 0)) == ("5.0%", "0.02%", "0.0%", "0.0%")
    assert (ms(26.4), ms(12_000)) == ("26 ms", "12.0 s")

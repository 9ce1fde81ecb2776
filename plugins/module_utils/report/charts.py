# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Charts as inline SVG: no script, no network. Pure.

A chart is as wide as the page. Its shapes are stretched to that (positions in percent, lines that keep their width),
its words are not, so it can be read on a telephone too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .markup import Html, clock, h

TOP, PLOT, BOTTOM = 38, 150, 20  # heights in px: who has the requests, the plot, the times
CLOSE = 4.0  # percent of the width that two marks need between them
Points = Sequence["float | None"]


@dataclass(frozen=True)
class Frame:
    """The stretch of time that charts share: *eras* and *moments* as of ``stages``."""

    since: float
    until: float
    eras: Sequence[dict[str, Any]]
    moments: Sequence[dict[str, Any]]

    def x(self, moment: float) -> float:
        """In percent of the width."""
        return round(min(100.0, max(0.0, 100.0 * (moment - self.since) / (self.until - self.since))), 2)


@dataclass(frozen=True)
class Series:
    """*values* in buckets of *bucket* seconds from the frame's start; *style* is line, thin, area, or bars."""

    colour: str
    style: str
    values: Points
    bucket: float
    floor: Points | None = None  # the lower edge of an area, instead of zero


def chart(name: str, title: str, description: str, unit: str, frame: Frame, series: Sequence[Series]) -> Html:
    """One chart; *name* is unique on the page."""
    top = nice(max((value for one in series for value in one.values if value is not None), default=0.0))
    grid = [_grid(part, top, unit) for part in (0.0, 0.5, 1.0)]
    shapes = h(
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 {}" preserveAspectRatio="none">{}</svg>',
        TOP,
        PLOT,
        PLOT,
        [_shape(one, frame, top) for one in series],
    )
    return h(
        '<svg class="chart" role="img" aria-labelledby="{}-t {}-d" width="100%" height="{}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>{}{}{}{}{}</svg>',
        *(name, name, TOP + PLOT + BOTTOM, name, title, name, description),
        *(_eras(frame), grid, shapes, _marks(frame), _times(frame)),
    )


def nice(most: float) -> float:
    """The end of a scale that holds *most*: 1, 2 or 5 times a power of ten."""
    if most < 1e-6:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next((step * power for step in (1, 2, 5, 10) if most <= step * power), 10 * power)


def _grid(part: float, top: float, unit: str) -> Html:
    y = TOP + PLOT * (1 - part)
    said = f"{top * part:,.6g}" + (f" {unit}" if part == 1 else "")
    words = h('<text class="axis" x="2" y="{}">{}</text>', round(y - 3, 1), said) if part else Html("")
    return h('<line class="grid" x1="0" x2="100%" y1="{}" y2="{}"/>{}', y, y, words)


def _shape(series: Series, frame: Frame, top: float) -> Html:
    scale = 1000.0 / (frame.until - frame.since)

    def at(index: float) -> str:
        return f"{min(1000.0, index * series.bucket * scale):.1f}"

    def height(value: float) -> str:
        return f"{PLOT * (1 - min(1.0, value / top)):.1f}"

    if series.style == "bars":
        bars = [
            f"M{at(index)} {PLOT}V{height(value)}H{at(index + 1)}V{PLOT}Z"
            for index, value in enumerate(series.values)
            if value
        ]
        return h('<path class="bars {}" d="{}"/>', series.colour, "".join(bars)) if bars else Html("")
    drawn = []
    for first, run in _runs(series.values):
        # Each figure is of a whole bucket, so it stands in its middle; one alone is drawn as wide as its bucket.
        places = [(first + index + 0.5, first + index) for index in range(len(run))]
        if len(run) == 1:
            places = [(first, first), (first + 1, first)]
        line = "L".join(f"{at(x)} {height(run[index - first])}" for x, index in places)
        if series.style == "area":
            floor = series.floor or [None] * (first + len(run))
            line += "L" + "L".join(f"{at(x)} {height(floor[index] or 0.0)}" for x, index in reversed(places)) + "Z"
        drawn.append(f"M{line}")
    return h('<path class="{} {}" d="{}"/>', series.style, series.colour, "".join(drawn)) if drawn else Html("")


def _runs(values: Points) -> list[tuple[int, list[float]]]:
    """Stretches without a gap, each with where it begins."""
    found: list[tuple[int, list[float]]] = []
    open_run = False
    for index, value in enumerate(values):
        if value is None:
            open_run = False
        elif open_run:
            found[-1][1].append(value)
        else:
            found.append((index, [value]))
            open_run = True
    return found


def _eras(frame: Frame) -> list[Html]:
    """A band on top that says who had the requests; a label is cut where its band ends."""
    bands = []
    for era in frame.eras:
        x, width = frame.x(era["since"]), round(frame.x(era["until"]) - frame.x(era["since"]), 2)
        colour = era["slot"] if era["slot"] in ("blue", "green", "hold") else "edge"
        bands.append(
            h(
                '<svg x="{}%" y="0" width="{}%" height="17"><rect class="era {}" width="100%" height="16"/>'
                '<text class="era" x="4" y="12">{}</text></svg>',
                *(x, width, colour, era["label"] if width >= 9 else ""),
            )
        )
    return bands


def numbered(frame: Frame) -> list[tuple[float, list[int]]]:
    """Where the moments are marked, in percent, and the numbers that stand there: close ones share a mark."""
    marks: list[tuple[float, list[int]]] = []
    for number, moment in enumerate(frame.moments, 1):
        x = frame.x(moment["at"])
        if marks and x - marks[-1][0] < CLOSE:
            marks[-1][1].append(number)
        else:
            marks.append((x, [number]))
    return marks


def _marks(frame: Frame) -> list[Html]:
    lines = [
        h('<line class="mark" x1="{}%" x2="{}%" y1="17" y2="{}"/>', frame.x(m["at"]), frame.x(m["at"]), TOP + PLOT)
        for m in frame.moments
    ]
    flags = []
    for x, numbers in numbered(frame):
        said = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        # The words stay inside: near the right end they stand left of their line.
        anchor, shift = ("end", -4) if x > 90 else ("start", 4)
        flags.append(h('<text class="mark" x="{}%" y="30" dx="{}" text-anchor="{}">{}</text>', x, shift, anchor, said))
    return lines + flags


def _times(frame: Frame) -> list[Html]:
    y = TOP + PLOT + 14
    places = ((0, "start"), (50, "middle"), (100, "end"))
    span = frame.until - frame.since
    return [
        h(
            '<text class="axis" x="{}%" y="{}" text-anchor="{}">{}</text>',
            x,
            y,
            anchor,
            clock(frame.since + span * x / 100),
        )
        for x, anchor in places
    ]


def stage_bar(since: float, until: float, of: float, state: str, title: str) -> Html:
    """The bar of one stage in a run of *of* seconds; never too thin to be seen."""
    width = max(6.0, 1000.0 * (until - since) / of)
    x = max(0.0, min(1000.0 - width, 1000.0 * since / of))
    return h(
        '<svg class="bar" role="img" width="100%" height="12" viewBox="0 0 1000 12" preserveAspectRatio="none">'
        '<title>{}</title><rect class="rail" width="1000" height="12"/>'
        '<rect class="{}" x="{}" width="{}" height="12"/></svg>',
        *(title, state, round(x, 1), round(min(width, 1000.0), 1)),
    )

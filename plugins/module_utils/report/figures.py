# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a report with charts: requests, errors and latency by slot across the switch. Pure."""

from __future__ import annotations

from typing import Any

from .charts import Frame, Series, chart
from .facts import Facts
from .markup import Html, clock, count, h, ms
from .parts import section, table
from .stages import SLOTS, eras, moments, version_in

NAMES = {
    "hold": "held by the edge",
    "maintenance": "the edge's maintenance page",
    "none": "the edge itself",
    "": "the edge itself",
}
LATENCIES = ("p50_ms", "p95_ms", "p99_ms")


def what_users_got(facts: Facts) -> Html:
    """The section; a sentence where there is nothing to draw."""
    timeline = facts["timeline"]
    title = "What users got"
    if not timeline:
        said = "The edge's log could not be read, or there is none yet."
        return section(title, h("<p>{}</p>", said)) if facts["steps"] else Html("")
    sent = [one for one in timeline["series"] if sum(one["requests"])]
    theirs = [one for one in sent if not one["probes"]]
    ours = [one for one in sent if one["probes"]]
    stretch = f"{clock(timeline['since'])} to {clock(timeline['until'])} UTC"
    if not sent:
        return section(title, h("<p>Nobody sent a request from {}.</p>", stretch))
    if not theirs:
        said = f"No user sent a request from {stretch}. What our own probes got is under 'Proof of the switch'."
        return section(title, h("<p>{}</p>\n", said), _table(facts, timeline, ours))
    frame = Frame(
        timeline["since"],
        timeline["until"],
        eras(facts, timeline["since"], timeline["until"]),
        [moment for moment in moments(facts) if timeline["since"] <= moment["at"] <= timeline["until"]],
    )
    lead = (
        f"Requests of users, without our own probes: from the edge's log, {stretch}, every {timeline['bucket_s']:g} s."
    )
    begins = timeline["begins"]
    if begins > timeline["since"]:
        lead += f" The log was full: it begins at {clock(begins)}."
    return section(
        title,
        h('<p class="soft">{}</p>\n', lead),
        _key(facts, theirs),
        _moments(frame),
        _charts(facts, frame, timeline["bucket_s"], theirs),
        _table(facts, timeline, sent),
    )


def _colour(slot: str) -> str:
    return slot if slot in SLOTS else "edge"


def _name(facts: Facts, slot: str) -> str:
    known = version_in(facts, slot)
    return f"{known} ({slot})" if known else NAMES.get(slot, slot)


def _key(facts: Facts, drawn: list[dict[str, Any]]) -> Html:
    items = []
    for one in drawn:
        sent, bad = sum(one["requests"]), sum(one["errors"])
        said = f"{_name(facts, one['slot'])}: {count(sent, 'request')}, {bad:,.0f} failed"
        items.append(h('<li><i class="{}"></i>{}</li>', _colour(one["slot"]), said))
    return h('<ul class="key">{}</ul>\n', items)


def _moments(frame: Frame) -> Html:
    items = [h("<li>{} {}</li>", clock(moment["at"]), moment["what"]) for moment in frame.moments]
    return h('<ol class="moments" aria-label="Moments marked in the charts">{}</ol>\n', items) if items else Html("")


def _charts(facts: Facts, frame: Frame, bucket: float, drawn: list[dict[str, Any]]) -> list[Html]:
    rates = [(one, [value / bucket for value in one["requests"]]) for one in drawn]
    requests: list[Series] = []
    for one, rate in rates:
        colour, rate_or_gap = _colour(one["slot"]), [value or None for value in rate]
        requests += [Series(colour, "area", rate_or_gap, bucket), Series(colour, "line", rate_or_gap, bucket)]
    bad = [Series(_colour(one["slot"]), "bars", [value / bucket for value in one["errors"]], bucket) for one in drawn]
    slow: list[Series] = []
    for one in drawn:
        if one["slot"] in SLOTS:
            colour = _colour(one["slot"])
            slow += [
                Series(colour, "area", one["p95_ms"], bucket, one["p50_ms"]),
                Series(colour, "line", one["p95_ms"], bucket),
                Series(colour, "thin", one["p99_ms"], bucket),
            ]
    said = "; ".join(f"{_name(facts, one['slot'])}: {count(sum(one['requests']), 'request')}" for one in drawn)
    parts = [h("<h3>Requests per second</h3>\n"), chart("c1", "Requests per second", said, "a second", frame, requests)]
    failed = sum(sum(one["errors"]) for one in drawn)
    parts.append(h("<h3>Failed requests per second</h3>\n"))
    if failed:
        said = "; ".join(f"{_name(facts, one['slot'])}: {sum(one['errors']):,.0f} failed" for one in drawn)
        parts.append(chart("c2", "Failed requests per second", said, "a second", frame, bad))
    else:
        parts.append(h("<p>None failed in this time.</p>\n"))
    if any(value is not None for one in slow for value in one.values):
        most = [(one, max((value for value in one["p95_ms"] if value is not None), default=0.0)) for one in drawn]
        said = "; ".join(f"{_name(facts, one['slot'])}: p95 at most {ms(value)}" for one, value in most)
        key = (
            "Time until a request was answered. Band: from half of them (p50) to 95 of 100 (p95, the solid line). "
            "Dotted: 99 of 100 (p99)."
        )
        parts.append(h('<h3>Latency</h3>\n<p class="soft">{}</p>\n', key))
        parts.append(chart("c3", "Latency", said, "ms", frame, slow))
    return parts


def _table(facts: Facts, timeline: dict[str, Any], sent: list[dict[str, Any]]) -> Html:
    """The same figures as a table, for those who cannot see the charts."""
    rows = []
    for index in range(len(sent[0]["requests"])):
        for one in sent:
            if one["requests"][index]:
                who = _name(facts, one["slot"]) + (", our probes" if one["probes"] else "")
                counts = (f"{one[name][index]:,.0f}" for name in ("requests", "errors"))
                times = ("" if one[name][index] is None else f"{one[name][index]:,.0f}" for name in LATENCIES)
                rows.append((clock(timeline["since"] + index * timeline["bucket_s"]), who, *counts, *times))
    heads = ("From", "Answered by", "Requests", "Failed", "p50 ms", "p95 ms", "p99 ms")
    return h(
        "<details><summary>The same figures as a table</summary>{}</details>\n", table("", heads, rows, (2, 3, 4, 5, 6))
    )

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.signals import MOST_POINTS, timeline_of


def record(time: float, slot: str = "blue", status: int = 200, total_ms: int = 5, **more: Any) -> dict[str, Any]:
    return {"time": time, "slot": slot, "status": status, "total_ms": total_ms, "probe": False, "ended_by": "", **more}


def test_a_point_a_second_by_slot_with_our_probes_apart() -> None:
    records = [
        record(100.2),
        record(100.9, total_ms=50),
        record(101.0, status=503),
        record(101.5, ended_by="client", status=-1),
        record(102.5, slot="green", probe=True),
        record(102.6, slot="green", status=101, total_ms=90_000),
        record(99.9),
        record(103.0),
    ]
    told = timeline_of(records, 100.0, 103.0)
    assert (told["since"], told["until"], told["bucket_s"]) == (100.0, 103.0, 1)
    assert told["series"] == [
        {
            "slot": "blue",
            "probes": False,
            "requests": [2, 1, 0],
            "errors": [0, 1, 0],
            "p50_ms": [5.0, 5.0, None],
            "p95_ms": [50.0, 5.0, None],
            "p99_ms": [50.0, 5.0, None],
        },
        {
            "slot": "green",
            "probes": False,
            "requests": [0, 0, 1],
            "errors": [0, 0, 0],
            # A websocket's time is how long somebody stayed.
            **dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"), [None] * 3),
        },
        {
            "slot": "green",
            "probes": True,
            "requests": [0, 0, 1],
            "errors": [0, 0, 0],
            **dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"), [None, None, 5.0]),
        },
    ]


@given(st.floats(min_value=0.5, max_value=90_000), st.lists(st.floats(min_value=0, max_value=0.999)))
def test_its_size_is_bounded_and_nothing_is_lost(seconds: float, places: list[float]) -> None:
    since, until = 1000.0, 1000.0 + seconds
    told = timeline_of([record(since + place * seconds) for place in places], since, until)
    assert all(len(one["requests"]) <= MOST_POINTS for one in told["series"])
    assert sum(sum(one["requests"]) for one in told["series"]) == len(places)

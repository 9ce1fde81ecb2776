# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge's log lines, as HAProxy 2.6 and 3.0 wrote them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_log import parse_log


def one(line: str) -> dict[str, object]:
    (record,) = parse_log([line])
    return record


def test_a_request_is_read() -> None:
    assert one("steady 1795361625289 18080 blue - 200 -- 13 2") == {
        "time": 1795361625.289,
        "port": 18080,
        "slot": "blue",
        "status": 200,
        "total_ms": 13,
        "wait_ms": 2,
        "ended_by": "",
        "probe": False,
    }


def test_our_own_requests_are_marked() -> None:
    assert one("steady 1795361024534 18080 - 1 204 LR 0 -1")["probe"] is True
    assert one("steady 1795361024534 18080 - 1 204 LR 0 -1")["wait_ms"] == 0


def test_who_ended_a_request_is_told() -> None:
    def ended(state: str) -> object:
        return one(f"steady 1 80 green - 503 {state} 0 0")["ended_by"]

    assert [ended(state) for state in ("--", "SC", "sH", "CD", "cD", "KD", "PR", "LR")] == [
        *("", "server", "server", "client", "client", "edge", "edge", ""),
    ]


def test_a_request_that_was_never_understood_has_no_slot() -> None:
    assert one("steady 1795361024534 18080 - - 400 PR 0 -1")["slot"] == ""
    assert one("steady 1795361024534 18080 hold - 503 LR 1001 -1")["slot"] == "hold"


def test_plain_tcp_has_no_status() -> None:
    assert one("steady 1795361024534 5432 blue - 0 -- 6005 0")["status"] == 0


def test_an_answer_that_never_came_has_a_negative_status() -> None:
    assert one("steady 1795361024534 18080 blue - -1 CH 14003 0")["status"] == -1


def test_everything_else_is_left_out() -> None:
    assert parse_log(["", "[NOTICE]   (1) : New worker (8) forked", "steady", "steady x 1 blue - 200 -- 1 1"]) == []


@given(st.lists(st.text()))
def test_no_line_breaks_it(lines: list[str]) -> None:
    assert isinstance(parse_log(lines), list)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the edge's log: one line for each request, written by the log formats in edge_config."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LINE = re.compile(
    r"steady (?P<end>\d+) (?P<port>\d+) (?P<slot>\S+) (?P<probe>[1-]) (?P<status>-?\d+) (?P<state>\S\S) "
    r"(?P<total>\+?\d+) (?P<wait>\+?-?\d+)"
)

# The first letter of HAProxy's session state: who ended the session before it was complete.
ENDED_BY = {
    "C": "client",
    "c": "client",
    "S": "server",
    "s": "server",
    "K": "edge",
    "D": "edge",
    "U": "edge",
    "P": "edge",
}


def parse_log(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The requests in the edge's log; everything else that HAProxy says is left out.

    A record is::

        {"time": 1700000000.123,   # when it ended, seconds since the epoch
         "port": 8080,             # published port
         "slot": "blue",           # slot; "hold", "maintenance" or "none" when the edge answered itself;
                                   # "" when no request was understood
         "status": 200,            # 0 for plain TCP; -1 when there was no answer; 101 ended as a websocket
         "total_ms": 12,           # from the request's first byte to the answer's last one, without idle time
         "wait_ms": 0,             # part of it that the edge held or queued the request
         "ended_by": "",           # "" complete; "client" gave up; "server" failed; "edge" cut or refused
         "probe": False}           # one of our own
    """
    records = []
    for line in lines:
        found = LINE.search(line)
        if not found:
            continue
        slot = found.group("slot")
        records.append(
            {
                "time": int(found.group("end")) / 1000,
                "port": int(found.group("port")),
                "slot": "" if slot == "-" else slot,
                "status": int(found.group("status")),
                "total_ms": int(found.group("total")),
                "wait_ms": max(int(found.group("wait")), 0),
                "ended_by": ENDED_BY.get(found.group("state")[0], ""),
                "probe": found.group("probe") == "1",
            }
        )
    return records

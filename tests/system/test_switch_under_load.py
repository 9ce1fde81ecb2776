# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switches at 300 requests a second on the plain application server: nobody notices, in at least 20,000 requests."""

from __future__ import annotations

import statistics
import time

import pytest

from ansible_collections.steady.runbooks.tests.system.conftest import Service

pytestmark = pytest.mark.alone

RATE = 300
ENOUGH = 10_000  # requests, each with keep-alive and without
FLIP_MS = 50
DRAIN_SECONDS = 10  # inventories/group_vars/local
UNWATCHED = {"service_watch": {"seconds": 0}}


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept connections", "a connection a request"])
def test_no_request_fails(shop: Service, keep_alive: bool) -> None:
    shop.ensure("1.1.0", beside="1.0.0")
    with shop.traffic(rate=RATE, keep_alive=keep_alive) as traffic:
        since = time.time()
        shop.done("rollback", {"release": "1.0.0", "reason": "warm"})
        shop.done("blue_green_switch", UNWATCHED)
        shop.done("apply_update", {"version": "1.1.1", **UNWATCHED})
        shop.done("rollback", {"reason": "warm"})
        while (seen := traffic.seen(since)).sent < ENOUGH:
            shop.done("blue_green_switch", UNWATCHED)
    entries = shop.ledger()[-4:]
    shop.done("rollback", {"release": "1.0.0"})
    assert seen.failed == 0, seen
    assert seen.sent >= ENOUGH
    assert set(seen.versions) == {"1.0.0", "1.1.0", "1.1.1"}
    for entry in entries:
        proof = entry["proof"]
        assert (proof["failed"], proof["breach"]) == (0, False), proof
    firsts = [entry["proof"]["first_new_ms"] for entry in entries]
    # Median: what else this machine does at that moment is no property of the switch.
    assert statistics.median(firsts) <= FLIP_MS, firsts


def test_websockets_are_closed_at_the_deadline_only(shop: Service) -> None:
    shop.ensure("1.1.0", beside="1.0.0")
    with shop.traffic(websockets=10, websocket_path="/ws") as traffic:
        time.sleep(1)
        played = shop.done("rollback", {"release": "1.0.0"})
        seen = traffic.seen()
    assert seen.failed == 0, seen
    flipped = seen.firsts["1.0.0"]
    assert len(seen.websockets) == 10
    for socket in seen.websockets:
        assert socket["version"] == "1.1.0"
        assert socket["opened"] < flipped
        assert DRAIN_SECONDS - 1 <= socket["closed"] - flipped <= DRAIN_SECONDS + 3
    assert "10 cut" in played.stdout

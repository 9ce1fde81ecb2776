# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The prober against a real server that is switched, fails and hangs."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.waiter import wait_for
from ansible_collections.steady.runbooks.plugins.module_utils.verify.proof import Prober, Target


def until(true: Any) -> None:
    wait_for(lambda: (bool(true()), None), what="the test goes on", timeout=10, clock=Clock(), interval=0.005)


def test_a_switch_is_seen_and_nothing_is_lost(server: Any) -> None:
    live = ["blue"]
    server.answer = lambda asked: (200, {"X-Steady-Slot": live[0]}, b"ok")
    prober = Prober([Target(*server.address, path="/health")], "mark", Clock(), rate=200)
    prober.start()
    until(lambda: len(server.asked) >= 10)
    assert not prober.seen("green")
    prober.mark("green")
    live[0] = "green"
    until(lambda: prober.seen("green"))
    until(lambda: len(server.asked) >= 40)
    proof = prober.stop()
    assert proof.failed == 0, proof
    assert proof.sent >= 40
    assert set(proof.slots) == {"blue", "green"}
    assert proof.first_new_ms is not None and 0 <= proof.first_new_ms < 2000
    assert [entry["slot"] for entry in proof.timeline][0] == "blue"
    assert {asked.headers["x-steady-probe"] for asked in server.asked} == {"mark"}
    assert {asked.path for asked in server.asked} == {"/health"}
    # One connection is kept and used again, the other probes have one each.
    kept = [asked for asked in server.asked if asked.headers["connection"] == "keep-alive"]
    assert server.connections == 1 + len(server.asked) - len(kept)
    assert len(kept) >= 10


def test_failures_are_told_with_their_reason(server: Any) -> None:
    broken = [False]
    server.answer = lambda asked: (503 if broken[0] else 200, {"X-Steady-Slot": "blue"}, b"")
    prober = Prober([Target(*server.address)], "mark", Clock(), rate=200)
    prober.start()
    until(lambda: len(server.asked) >= 6)
    broken[0] = True
    asked = len(server.asked)
    until(lambda: len(server.asked) >= asked + 20)
    proof = prober.stop()
    assert proof.failed >= 18
    assert proof.failures[0]["reason"] == "status 503 from blue"
    assert proof.failures[0]["address"] == f"127.0.0.1:{server.address[1]}"
    assert len(proof.failures) == 5


def test_several_addresses_and_one_that_nobody_serves(server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = ("127.0.0.1", listener.getsockname()[1])
    prober = Prober([Target(*server.address), Target(*closed)], "mark", Clock(), rate=100)
    prober.start()
    until(lambda: len(server.asked) >= 10)
    proof = prober.stop()
    assert proof.failed >= 5
    assert {failure["address"] for failure in proof.failures} == {f"127.0.0.1:{closed[1]}"}
    assert proof.failures[0]["reason"].endswith("connection refused")


def test_a_hanging_server_is_a_gap_and_stop_does_not_wait_for_it(server: Any) -> None:
    released = threading.Event()
    hanging = [False]

    def answer(asked: Any) -> Any:
        if hanging[0]:
            released.wait(10)
        return 200, {}, b""

    server.answer = answer
    prober = Prober([Target(*server.address)], "mark", Clock(), rate=100, slow_ms=100)
    prober.start()
    until(lambda: len(server.asked) >= 4)
    hanging[0] = True
    time.sleep(0.4)  # how long the gap is to be
    begun = time.monotonic()
    proof = prober.stop(grace=0.1)
    assert time.monotonic() - begun < 2.0
    assert proof.longest_gap_ms >= 350
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("probe ")]
    released.set()


def test_many_addresses_share_the_rate() -> None:
    targets = [Target("127.0.0.1", port) for port in range(1, 21)]
    assert Prober(targets, "mark", Clock(), rate=50).interval == 0.1
    assert Prober(targets[:2], "mark", Clock(), rate=50).interval == 0.02

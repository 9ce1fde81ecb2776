# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge with a real HAProxy in Docker: what traffic sees of switches, holds, reloads and crashes."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import time
from collections.abc import Iterator

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.compose.signals import SlotSource
from ansible_collections.steady.runbooks.plugins.module_utils.errors import TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock

from .edge_bench import SERVICE, TOKEN, Bench, docker, exchange, good, until
from .load import Request

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest.fixture
def ready(bench: Bench) -> Bench:
    bench.reset()
    return bench


def every(interval: float, seconds: float) -> Iterator[None]:
    until_then = time.monotonic() + seconds
    while time.monotonic() < until_then:
        yield
        time.sleep(interval)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_flips_under_load_fail_nothing(ready: Bench, keep_alive: bool) -> None:
    slots = ["green", "blue"] * 4
    with ready.load(keep_alive=keep_alive) as load:
        time.sleep(1)
        flips = []
        for slot in slots:
            took = ready.edge.set_traffic(Traffic(slot))["took_ms"]
            flips.append((time.time(), slot, took))
            assert ready.get()[2] == slot
            drained = ready.edge.drain("blue" if slot == "green" else "green", 5)
            assert drained["cut"] == 0
            assert drained["drained_s"] < 2
            time.sleep(0.4)
        result = load.stop()
    good(result, 1000)
    delays = [1000 * (load.load.first_after(flip, slot) - flip) for flip, slot, _took in flips]
    assert statistics.median(delays) < 50
    print("flip ms", [took for *_when, took in flips], "first answer ms", [round(delay) for delay in delays])
    print(result["latency_ms"], "gap", result["longest_gap_ms"])


def test_a_flip_reaches_connections_that_were_idle_at_a_reload(ready: Bench) -> None:
    with ready.connect(ready.http) as connection:
        assert exchange(connection) == "blue"
        assert ready.edge.ensure(dataclasses.replace(ready.spec, hold_seconds=61))["change"] == "reloaded"
        assert ready.edge.observe()["old_workers"] == 1
        ready.edge.set_traffic(Traffic("green"))
        assert exchange(connection) == "green"


def test_websockets_of_an_old_worker_are_drained_too(ready: Bench) -> None:
    with ready.load(rate=20, websockets=2) as load:
        until(lambda: ready.edge.counters("blue")["open"] >= 2, 5)
        ready.edge.ensure(dataclasses.replace(ready.spec, hold_seconds=62))
        ready.edge.set_traffic(Traffic("green"))
        assert ready.edge.drain("blue", 1)["cut"] == 2
        time.sleep(0.2)
        result = load.stop()
    good(result, 20)
    assert all(entry["closed"] for entry in result["websockets"])


@pytest.mark.parametrize("share", [10, 50])
def test_a_share_of_the_requests_goes_to_the_canary(ready: Bench, share: int) -> None:
    ready.edge.set_traffic(Traffic("blue", "green", share))
    with ready.load(rate=300, seconds=5, requests=(Request(1, "GET", "/"),)) as load:
        result = load.wait()
    good(result, 1500)
    got = 100 * result["versions"]["green"]["count"] / result["sent"]
    assert abs(got - share) < 5.7, got  # 4.4 standard deviations at 50%


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_hold_delays_and_fails_nothing(ready: Bench, keep_alive: bool) -> None:
    with ready.load(keep_alive=keep_alive, rate=150) as load:
        time.sleep(1)
        ready.edge.hold()
        held = time.time()
        ready.edge.drain("blue", 5)
        # in a hold nothing of the old slot is there any more: this is when a migration would run
        docker("stop", "--time", "0", f"{SERVICE}-blue")
        time.sleep(max(0, held + 3 - time.time()))
        # our own probes pass
        assert ready.get(X_Steady_Probe=TOKEN, X_Steady_Slot="green")[2] == "green"
        released = time.time()
        ready.edge.release_hold("green")
        time.sleep(1)
        result = load.stop()
    good(result, 600)
    assert 2900 < result["latency_ms"]["max"] < 20_000
    assert result["versions"]["blue"]["last"] < held + 1
    assert 0 <= result["versions"]["green"]["first"] - released < 2
    print("hold", result["latency_ms"], result["versions"])


def test_requests_that_are_held_outlive_a_reload(ready: Bench) -> None:
    ready.edge.hold()
    with ready.connect(ready.http) as held:
        held.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        until(lambda: ready.edge.runtime.sessions(ready.edge.runtime.current()) != [], 3)
        ready.edge.ensure(dataclasses.replace(ready.spec, hold_seconds=63))
        ready.edge.release_hold("green")
        answer = held.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"x-version: green" in answer.lower()


def test_a_hold_that_lasts_too_long_ends_with_the_page(ready: Bench) -> None:
    page = '<h1>planned work: 100% $HOME "quoted" %[src] {}</h1>'
    ready.edge.ensure(dataclasses.replace(ready.spec, hold_seconds=1, maintenance_html=page))
    ready.edge.hold()
    start = time.monotonic()
    status, headers, body = ready.get()
    assert 0.9 < time.monotonic() - start < 1.6
    assert (status, body) == (503, page)
    assert headers["retry-after"]
    assert headers["content-type"].startswith("text/html")
    ready.edge.maintain(True)
    start = time.monotonic()
    assert ready.get()[0] == 503
    assert time.monotonic() - start < 0.2


@pytest.mark.parametrize("keep_alive", [True, False])
def test_reloads_under_load_fail_nothing(ready: Bench, keep_alive: bool) -> None:
    with ready.load(keep_alive=keep_alive) as load:
        time.sleep(1)
        for seconds in (50, 51, 52):
            evidence = ready.edge.ensure(dataclasses.replace(ready.spec, hold_seconds=seconds))
            assert evidence["change"] == "reloaded"
            ready.edge.set_traffic(Traffic("green" if seconds % 2 else "blue"))
            time.sleep(0.5)
        result = load.stop()
    good(result, 900)


def test_slots_that_swap_their_addresses_are_not_mixed_up(ready: Bench) -> None:
    before = {slot: ready.address(slot) for slot in ("blue", "green")}
    docker("stop", "--time", "0", f"{SERVICE}-blue", f"{SERVICE}-green")
    for slot in ("blue", "green") if before["blue"] > before["green"] else ("green", "blue"):
        docker("start", f"{SERVICE}-{slot}")
    assert {slot: ready.address(slot) for slot in ("green", "blue")} == dict(zip(("green", "blue"), before.values()))
    for slot in ("blue", "green"):
        evidence = ready.edge.wait_ready(slot, 10)
        assert evidence["servers"][f"p{ready.http}_{slot}"] == [ready.address(slot)]
        ready.edge.set_traffic(Traffic(slot))
        assert {ready.get()[2] for _number in range(20)} == {slot}


def test_a_restart_comes_back_with_the_same_split(ready: Bench) -> None:
    ready.edge.set_traffic(Traffic("green", "blue", 50))
    docker("restart", f"{SERVICE}-edge")
    assert ready.edge.ensure(ready.spec)["change"] == "none"
    seen = ready.edge.observe()
    split = {"live": "green", "canary": "blue", "share": 50, "maintenance": False}
    assert seen["traffic"] == seen["running_traffic"] == split
    assert seen["drift"] == []
    answers = [ready.get() for _number in range(60)]
    assert {status for status, _headers, _body in answers} == {200}
    assert {body for _status, _headers, body in answers} == {"green", "blue"}


def test_websockets_are_cut_at_the_deadline_only(ready: Bench) -> None:
    with ready.load(rate=20, websockets=4) as load:
        until(lambda: ready.edge.counters("blue")["open"] >= 4, 5)
        assert ready.edge.open_requests("blue") == {}
        ready.edge.set_traffic(Traffic("green"))
        start = time.time()
        said: list[str] = []
        evidence = ready.edge.drain("blue", 2, said.append)
        time.sleep(0.3)
        result = load.stop()
    good(result, 40)
    assert evidence["cut"] == 4
    assert 2 <= evidence["drained_s"] < 2.5
    assert all(start + 1.9 < entry["closed"] < start + 2.6 for entry in result["websockets"])
    assert "4 still open in blue" in said[0]


def test_a_crashed_slot_answers_503_at_once(ready: Bench) -> None:
    docker("kill", f"{SERVICE}-blue")
    end = time.monotonic() + 3
    slowest = 0.0
    while time.monotonic() < end:
        start = time.monotonic()
        assert ready.get()[0] == 503
        slowest = max(slowest, time.monotonic() - start)
    print("slowest 503", slowest)
    assert slowest < 3
    with pytest.raises(TimedOut, match="the edge reaches slot blue") as error:
        ready.edge.wait_ready("blue", 0.3)
    assert "-blue: []" in error.value.last_seen
    docker("start", f"{SERVICE}-blue")
    took = until(lambda: ready.get()[0] == 200, 5)
    print("serves again after", took)


def test_an_application_that_hangs_shows_in_the_open_requests(ready: Bench) -> None:
    docker("pause", f"{SERVICE}-blue")
    try:
        with ready.connect(ready.http) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: ready.edge.open_requests("blue") != {}, 3)
            (number,) = ready.edge.open_requests("blue")
            until(lambda: ready.edge.open_requests("blue") == {number: 2}, 3)
            ready.edge.set_traffic(Traffic("green"))
            assert ready.edge.drain("blue", 0.5)["cut"] == 1
    finally:
        docker("unpause", f"{SERVICE}-blue")


def test_only_what_hangs_is_overdue_and_that_once(ready: Bench) -> None:
    source = SlotSource(ready.edge, "blue", Clock(), 1.0, lambda since: [])
    with ready.load(rate=50, requests=(Request(1, "GET", "/slow?ms=400"),), echo=frozenset()) as load:
        # at another moment of the second each time: HAProxy counts whole ones
        seen = [source.sample("blue") for _look in every(0.9, seconds=8)]
        good(load.stop(), 100)
    assert sum(sample.requests for sample in seen) > 100
    assert sum(sample.overdue for sample in seen) == 0
    docker("pause", f"{SERVICE}-blue")
    try:
        with ready.connect(ready.http) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sum(source.sample("blue").overdue for _look in every(0.1, seconds=5)) == 1
    finally:
        docker("unpause", f"{SERVICE}-blue")


@pytest.mark.parametrize("jump", ["DROP", "REJECT"])  # an engine that hangs, and one that is not there
def test_an_engine_that_answers_no_names_changes_nothing(ready: Bench, jump: str) -> None:
    pid = docker("inspect", "--format", "{{.State.Pid}}", f"{SERVICE}-edge").strip()
    block = ["nsenter", "--target", pid, "--net", "iptables", "--table", "filter"]
    rule = ["INPUT", "--destination", "127.0.0.11", "--jump", jump]
    subprocess.run([*block, "--insert", *rule], check=True)
    try:
        with ready.load(rate=100, seconds=4) as load:
            good(load.wait(), 400)
        ready.edge.set_traffic(Traffic("green"))
        assert ready.get()[2] == "green"
    finally:
        subprocess.run([*block, "--delete", *rule], check=True)

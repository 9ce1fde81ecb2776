# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge with a real HAProxy in Docker, between a load generator and two small servers."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Edge, EdgePort, EdgeSpec, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, StepFailed, TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock

from .load import Background, Load, Request

HAPROXY = os.environ.get("STEADY_EDGE_IMAGE", "127.0.0.1:5000/haproxy:3.0")
PYTHON = os.environ.get("STEADY_PYTHON_IMAGE", "127.0.0.1:5000/python:3.13-slim")
SERVICE = "edgetest"
TOKEN = "edgetest-token-0123456789"
MIX = (Request(75, "GET", "/"), Request(20, "POST", "/", '{"item": 1}'), Request(5, "GET", "/slow?ms=400"))
docker = Docker()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Bench:
    """The edge with two HTTP ports (the second one is kept for changes) and a TCP port, and its two slots."""

    def __init__(self, directory: Path) -> None:
        self.edge = Edge(str(directory / "edge"), SERVICE, docker, Clock())
        self.http, self.tcp = free_port(), free_port()
        self.spec = EdgeSpec(
            service=SERVICE,
            image=HAPROXY,
            ports=(EdgePort("127.0.0.1", self.http, "web", 8000), EdgePort("127.0.0.1", self.tcp, "raw", 8001, "tcp")),
            probe_token=TOKEN,
        )
        self.url = f"http://127.0.0.1:{self.http}"

    def start(self, slot: str) -> None:
        app = Path(__file__).with_name("edge_app.py")
        docker("rm", "--force", f"{SERVICE}-{slot}", accept=(0, 1))
        docker(
            *("run", "--detach", "--name", f"{SERVICE}-{slot}", "--network", f"{SERVICE}-edge", "--init"),
            *("--network-alias", f"web-{slot}", "--network-alias", f"raw-{slot}", "--env", f"VERSION={slot}"),
            *("--volume", f"{app}:/app.py:ro", "--env", "PYTHONUNBUFFERED=1", PYTHON, "python", "/app.py"),
        )

    def address(self, slot: str) -> str:
        return docker(
            *("inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{SERVICE}-edge").IPAddress}}}}'),
            f"{SERVICE}-{slot}",
        ).strip()

    def load(self, **options: Any) -> Background:
        return Background(Load(self.url, **{"requests": MIX, "echo": frozenset({"/"}), "seconds": 60, **options}))

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
        request = urllib.request.Request(
            self.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, {n.lower(): v for n, v in answer.headers.items()}, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, {n.lower(): v for n, v in error.headers.items()}, error.read().decode()

    def connect(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=10)


def exchange(connection: socket.socket, path: str = "/") -> str:
    """The body of one answer on a connection that stays open."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _blank, body = connection.recv(65536).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200"), head
    return body


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("edge"))
    try:
        made.edge.ensure(made.spec)
        for slot in ("blue", "green"):
            made.start(slot)
        yield made
    finally:
        docker("rm", "--force", f"{SERVICE}-blue", f"{SERVICE}-green", accept=(0, 1))
        made.edge.remove()


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """Both slots run, blue serves, and the edge is as the bench's spec says."""
    bench.edge.ensure(bench.spec)
    for slot in ("blue", "green"):
        docker("start", f"{SERVICE}-{slot}")
        bench.edge.wait_ready(slot, 20)
    bench.edge.set_traffic(Traffic("blue"))
    return bench


def good(result: dict[str, Any], at_least: int) -> None:
    assert result["failed"] == 0, (result["reasons"], result["first_failures"])
    assert result["sent"] >= at_least, result["sent"]


def until(true: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition and return how long it took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "not true in time"
        time.sleep(0.01)
    return time.monotonic() - start


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
    with ready.load(rate=600, seconds=4, requests=(Request(1, "GET", "/"),)) as load:
        result = load.wait()
    good(result, 2400)
    got = 100 * result["versions"]["green"]["count"] / result["sent"]
    assert abs(got - share) < 4.5, got  # 4.4 standard deviations at 50%


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
    assert 2900 < result["latency_ms"]["max"] < 7000
    assert result["versions"]["blue"]["last"] < held + 1
    assert 0 <= result["versions"]["green"]["first"] - released < 0.3
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
    ready.edge.set_traffic(Traffic("maintenance"))
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
        assert {ready.get()[2] for _ in range(20)} == {slot}


def test_a_restart_comes_back_with_the_same_split(ready: Bench) -> None:
    ready.edge.set_traffic(Traffic("green", "blue", 50))
    docker("restart", f"{SERVICE}-edge")
    assert ready.edge.ensure(ready.spec)["change"] == "none"
    seen = ready.edge.observe()
    assert seen["traffic"] == seen["running_traffic"] == {"live": "green", "canary": "blue", "share": 50}
    assert seen["drift"] == []
    answers = [ready.get() for _ in range(60)]
    assert {status for status, _headers, _body in answers} == {200}
    assert {body for _status, _headers, body in answers} == {"green", "blue"}


def test_websockets_are_cut_at_the_deadline_only(ready: Bench) -> None:
    with ready.load(rate=20, websockets=4) as load:
        until(lambda: ready.edge.counters("blue")["open"] >= 4, 5)
        assert ready.edge.open_requests("blue") == []
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
    assert "web-blue" in error.value.last_seen
    docker("start", f"{SERVICE}-blue")
    took = until(lambda: ready.get()[0] == 200, 5)
    print("serves again after", took)


def test_an_application_that_hangs_shows_in_the_open_requests(ready: Bench) -> None:
    docker("pause", f"{SERVICE}-blue")
    try:
        with ready.connect(ready.http) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: ready.edge.open_requests("blue") != [], 3)
            time.sleep(2)
            assert ready.edge.open_requests("blue")[0] in (2, 3)
            ready.edge.set_traffic(Traffic("green"))
            assert ready.edge.drain("blue", 0.5)["cut"] == 1
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


def test_probes_are_known_and_nobody_else_is(ready: Bench) -> None:
    since = time.time()
    _status, headers, body = ready.get("/headers", X_Steady_Probe=TOKEN)
    assert headers["x-steady-slot"] == "blue"
    assert not {"x-steady-probe", "x-steady-slot"} & {name for name, _value in json.loads(body)}
    _status, headers, body = ready.get("/headers", X_Steady_Probe="guess", X_Steady_Slot="green")
    assert "x-steady-slot" not in headers
    assert not {"x-steady-probe", "x-steady-slot"} & {name for name, _value in json.loads(body)}
    assert ready.get(X_Steady_Slot="green")[2] == "blue"
    assert ready.get(X_Steady_Probe=TOKEN, X_Steady_Slot="green")[2] == "green"
    assert ready.get("/status/500")[0] == 500
    until(lambda: len(ready.edge.log(since)) >= 5, 3)
    records = ready.edge.log(since)
    assert [(record["slot"], record["status"], record["probe"]) for record in records] == [
        ("blue", 200, True),
        ("blue", 200, False),
        ("blue", 200, False),
        ("green", 200, True),
        ("blue", 500, False),
    ]
    assert all(abs(record["time"] - since) < 5 and record["port"] == ready.http for record in records)
    assert ready.edge.log(since, since) == []


def test_forwarded_headers_are_kept_from_trusted_sources_only(ready: Bench) -> None:
    sent = {
        "X_Forwarded_For": "192.0.2.7",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "shop.example",
        "X_Forwarded_Port": "443",
        "Forwarded": "for=192.0.2.7",
        "X_Real_IP": "192.0.2.7",
    }

    def seen() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in json.loads(ready.get("/headers", **sent)[2]):
            found.setdefault(name, []).append(value)
        return found

    got = seen()
    assert got["x-forwarded-proto"] == ["http"]
    assert got["x-forwarded-host"] == [f"127.0.0.1:{ready.http}"]
    assert got["x-forwarded-port"] == [str(ready.http)]
    assert len(got["x-forwarded-for"]) == 1
    assert "192.0.2.7" not in str(got)
    ready.edge.ensure(dataclasses.replace(ready.spec, trusted=("192.0.2.0/24", "0.0.0.0/0")))
    got = seen()
    assert got["x-forwarded-proto"] == ["https"]
    assert got["x-forwarded-host"] == ["shop.example"]
    assert got["x-forwarded-port"] == ["443"]
    assert got["x-forwarded-for"][0] == "192.0.2.7"
    assert len(got["x-forwarded-for"]) == 2


def test_plain_tcp_follows_the_same_map(ready: Bench) -> None:
    with ready.connect(ready.tcp) as first:
        assert first.recv(10) == b"blue\n"
        ready.edge.hold()
        with ready.connect(ready.tcp) as second:
            second.settimeout(0.5)
            with pytest.raises(TimeoutError):
                second.recv(10)
            ready.edge.release_hold("green")
            second.settimeout(5)
            assert second.recv(10) == b"green\n"
            assert ready.edge.drain("blue", 0.5)["cut"] == 1
            assert first.recv(10) == b""
            second.sendall(b"still here")
            assert second.recv(20) == b"still here"
    ready.edge.set_traffic(Traffic("maintenance"))
    with ready.connect(ready.tcp) as third:
        assert third.recv(10) == b""


def test_counters_count_by_slot(ready: Bench) -> None:
    before = ready.edge.counters("blue")
    for path in ("/", "/", "/status/404", "/status/502"):
        ready.get(path)
    after = ready.edge.counters("blue")
    assert after["since"] == before["since"]
    assert {name: after[name] - before[name] for name in ("requests", "2xx", "4xx", "5xx", "open")} == {
        "requests": 4,
        "2xx": 2,
        "4xx": 1,
        "5xx": 1,
        "open": 0,
    }


def test_what_cannot_work_never_replaces_what_runs(ready: Bench) -> None:
    with ready.load(rate=50) as load:
        with pytest.raises(Refused) as error:
            ready.edge.ensure(dataclasses.replace(ready.spec, image=PYTHON))
        assert error.value.code == "edge_config"
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            taken = EdgePort("127.0.0.1", listener.getsockname()[1], "web", 8000)
            with pytest.raises(Refused) as error:
                ready.edge.ensure(dataclasses.replace(ready.spec, ports=(*ready.spec.ports, taken)))
        assert error.value.code == "edge_port_taken"
        good(load.stop(), 10)
    assert ready.edge.ensure(ready.spec)["change"] == "none"
    assert ready.edge.observe()["drift"] == []


def test_changed_ports_recreate_and_tell_the_gap(ready: Bench) -> None:
    other = EdgePort("127.0.0.1", free_port(), "web", 8000)
    evidence = ready.edge.ensure(dataclasses.replace(ready.spec, ports=(*ready.spec.ports, other)))
    print(evidence)
    assert evidence["change"] == "recreated"
    assert 0 < evidence["gap_ms"] < 8000
    with ready.connect(other.published) as connection:
        assert exchange(connection) == "blue"
    assert ready.edge.ensure(ready.spec)["change"] == "recreated"


def test_hand_made_changes_are_drift_and_are_mended(ready: Bench) -> None:
    config = Path(ready.edge.directory) / "config"
    config.joinpath("haproxy.cfg").write_text(config.joinpath("haproxy.cfg").read_text() + "# tuned\n")
    worker = ready.edge.runtime.current()
    ready.edge.runtime.ask("set map /edge/config/edge.map live green", worker)
    drift = ready.edge.observe()["drift"]
    assert len(drift) == 2
    assert "changed by hand" in drift[0]
    assert "its map file says" in drift[1]
    assert ready.edge.set_traffic(Traffic("blue"))["changed"]
    assert ready.edge.ensure(ready.spec)["change"] == "reloaded"
    assert ready.edge.observe()["drift"] == []
    config.joinpath("edge.map").write_text("live nowhere\n")
    seen = ready.edge.observe()
    assert seen["state"] == "broken"
    assert "changed by hand" in seen["drift"][0]
    ready.edge.set_traffic(Traffic("blue"))
    assert ready.edge.observe()["state"] == "running"


def test_a_stopped_edge_keeps_its_map_and_is_started_again(ready: Bench) -> None:
    docker("stop", f"{SERVICE}-edge")
    assert ready.edge.observe()["state"] == "stopped"
    with pytest.raises(StepFailed) as error:
        ready.edge.set_traffic(Traffic("green"))
    assert error.value.code == "edge_unreachable"
    assert ready.edge.ensure(ready.spec)["change"] == "started"
    assert ready.get()[2] == "green"

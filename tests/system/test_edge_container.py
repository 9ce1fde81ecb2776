# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge with a real HAProxy in Docker: headers, counts, and what becomes of its container and files."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import EdgePort, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, StepFailed

from .edge_bench import PYTHON, SERVICE, TOKEN, Bench, docker, exchange, free_port, good, until


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest.fixture
def ready(bench: Bench) -> Bench:
    bench.reset()
    return bench


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
    # HAProxy's threads write in no order.
    assert sorted((record["slot"], record["status"], record["probe"]) for record in records) == [
        ("blue", 200, False),
        ("blue", 200, False),
        ("blue", 200, True),
        ("blue", 500, False),
        ("green", 200, True),
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
    ready.edge.maintain(True)
    with ready.connect(ready.tcp) as third:
        assert third.recv(10) == b""


def test_counters_count_by_slot(ready: Bench) -> None:
    before = ready.edge.counters("blue")
    for path in ("/", "/", "/status/404", "/status/502"):
        ready.get(path)
    wanted = {"requests": 4, "2xx": 2, "4xx": 1, "5xx": 1, "open": 0, "since": 0}

    def counted() -> dict[str, int]:
        after = ready.edge.counters("blue")
        return {name: after[name] - before[name] for name in wanted}

    # a request counts once HAProxy is done with it, which may be after its answer has arrived
    until(lambda: counted()["requests"] >= 4 and counted()["open"] == 0, 3)
    assert counted() == wanted


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


def test_a_port_that_lost_docker_s_proxy_is_published_anew(ready: Bench) -> None:
    found = subprocess.run(
        ["pgrep", "--full", f"docker-proxy .*-host-port {ready.http} "], capture_output=True, text=True, check=False
    )
    if not found.stdout.split():
        pytest.skip("this engine publishes without docker-proxy")
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    until(lambda: ready.edge.observe()["state"] == "broken", 5)
    assert ready.edge.ensure(ready.spec)["change"] == "recreated"
    assert ready.get()[2] == "blue"

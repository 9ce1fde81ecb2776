# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""diagnose.yml: what is wrong is brought about for real, and named first."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import runner, shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker, wait_until

# Does what it is asked for: fails, takes memory, or opens connections to the database and keeps them.
APP = """\
import http.server, json, os, socket, struct
kept = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 500 if self.path == "/fail" else 200
        if self.path == "/eat":
            kept.append(bytearray(os.urandom(1 << 20) * 256))
        if self.path == "/connect":
            for _one in range(30):
                db = socket.create_connection(("db", 5432), 5)
                text = struct.pack("!i", 196608) + b"user\\0app\\0database\\0postgres\\0\\0"
                db.sendall(struct.pack("!i", len(text) + 4) + text)
                db.recv(100)
                kept.append(db)
        if self.path == "/free":
            kept.clear()
        body = json.dumps({"version": os.environ["VERSION"]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
if os.environ.get("CRASH"):
    raise SystemExit("CRASH is set, so this ends")
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
COMPOSE = """\
services:
  web:
    image: 127.0.0.1:5000/hello:1
    command: [python3, /app/app.py]
    environment: {VERSION: "${VERSION}", CRASH: "${CRASH:-}"}
    volumes: ["./app.py:/app/app.py:ro"]
    ports: ["127.0.0.1:${HELLO_PORT}:8000"]
    mem_limit: 96m
    memswap_limit: 96m
  worker:
    image: 127.0.0.1:5000/redis:8
    command: [sh, -c, "echo waiting for work; exec sleep 100000"]
  db:
    image: 127.0.0.1:5000/postgres:17
    command: [postgres, -c, max_connections=20]
    environment: {POSTGRES_HOST_AUTH_METHOD: trust}
    volumes: [db:/var/lib/postgresql/data]
  cache:
    image: 127.0.0.1:5000/redis:8
    volumes: [cache:/data]
volumes: {db: {}, cache: {}}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    lab.up(["haproxy:3.0", "postgres:17", "redis:8"])
    shop.provide_hello()
    hello = Hello(
        tmp_path_factory.mktemp("diagnose"),
        "lv-ill",
        service_roles={"worker": "worker"},
        service_ready={"web": {"path": "/", "port": 8000}, "db": {"port": 5432}, "cache": {"port": 6379}},
        service_watch={"seconds": 0},
        service_start_seconds=30,
        service_min_free_mib=0,
    )
    hello.write("source/compose.yaml", COMPOSE)
    hello.write("source/app.py", APP)
    (hello.root / "source/compose.exclusive.yaml").unlink()
    for version in ("1.0.0", "1.1.0"):
        hello.write(f"releases/{version}.yml", f'version: "{version}"\n')
    hello.remove()
    one = Acting(hello)
    try:
        one.done("apply_update", "1.0.0")
        docker("exec", f"{hello.name}-db-1", "psql", "-U", "postgres", "-c", "create role app login")
        yield one
    finally:
        hello.remove()


def ask(service: Acting, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.hello.port}{path}", timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def first(service: Acting) -> dict[str, Any]:
    """The likeliest cause, as a person is told it; nothing of the service may be another than before."""
    before = service.hello.snapshot()
    played = runner.play("diagnose", inventory=service.hello.inventory)
    assert played.rc == 0 and not played.complaints, played.stdout
    told = played.result("compose_diagnosis_info")
    assert service.hello.snapshot() == before
    assert not told["findings"] or told["findings"][0]["what"] in played.stdout
    return dict(told["findings"][0]) if told["findings"] else {}


def live_web(service: Acting) -> str:
    live = service.platform.edge.serving().live
    return f"{service.hello.name}-{live}-web-{live}-1"


def stream(cache: str, *words: str) -> None:
    docker("exec", cache, "redis-cli", *words)


def test_nothing_is_wrong(service: Acting) -> None:
    assert first(service) == {}


def test_a_worker_that_does_not_work(service: Acting) -> None:
    cache = f"{service.hello.name}-cache-1"
    docker("exec", cache, "redis-cli", "rpush", "jobs", *map(str, range(40)))
    found = first(service)
    assert found["cause"] == "worker_idle", found
    assert "40 entries wait in jobs of cache" in found["evidence"]
    assert "logs.yml -e service=worker" in found["next_step"]
    docker("exec", cache, "redis-cli", "del", "jobs")
    stream(cache, "xgroup", "create", "stream", "workers", "0", "mkstream")
    for number in range(3):
        stream(cache, "xadd", "stream", "*", "job", str(number))
    stream(cache, "xreadgroup", "group", "workers", "one", "count", "2", "streams", "stream", ">")
    assert "3 entries wait in stream of cache" in first(service)["evidence"], "two not acknowledged, one not given"
    stream(cache, "xreadgroup", "group", "workers", "one", "noack", "streams", "stream", ">")
    stream(cache, "xgroup", "delconsumer", "stream", "workers", "one")
    assert first(service) == {}, "a stream keeps what was read"
    live = service.platform.edge.serving().live
    worker = f"{service.hello.name}-{live}-worker-{live}-1"
    docker("stop", "-t", "0", worker)
    assert first(service)["cause"] == "worker_idle"
    docker("start", worker)


@pytest.mark.parametrize(
    ("gone", "cause", "check", "mends"),
    [
        ("edge", "edge_down", "edge: it is absent", ("maintenance", "-e", "state=keep")),
        ("slot", "not_running", "it is stopped", ("apply_update", "-e", "version=1.0.0")),
        ("cache-1", "not_running", "state services: they are partial", ("apply_update", "-e", "version=1.0.0")),
    ],
)
def test_what_somebody_removed(service: Acting, gone: str, cause: str, check: str, mends: tuple[str, ...]) -> None:
    hello = service.hello
    docker("rm", "--force", live_web(service) if gone == "slot" else f"{hello.name}-{gone}")
    assert first(service)["cause"] == cause
    assert check in hello.play("verify").stdout
    drift = service.status()["observed"]["drift"]
    assert len(drift) == 1 and f"{mends[0]}.yml" in drift[0], drift
    assert "drift" in hello.done("preflight", "-e", "version=1.0.0")
    hello.done(*mends)
    assert hello.version() and service.status()["observed"]["drift"] == [] and first(service) == {}
    hello.done("verify")


def test_connections_that_nobody_gives_back(service: Acting) -> None:
    ask(service, "/connect")
    try:
        found = first(service)
        assert found["cause"] == "connections_exhausted", found
        assert any("of 17 connections of db are used: 17 by web" in line for line in found["evidence"]), found
    finally:
        ask(service, "/free")


def test_a_release_that_crashes_at_its_start(service: Acting) -> None:
    service.hello.set(service_environment={**service.hello.variables["service_environment"], "CRASH": "yes"})
    try:
        assert service.run("apply_update", "1.1.0")["outcome"] == "undone"
        found = first(service)
        assert found["cause"] == "crash_at_start", found
        assert any("CRASH is set, so this ends" in line for line in found["evidence"])
    finally:
        service.hello.set(service_environment={"HELLO_PORT": str(service.hello.port)})
        service.done("retire")


def test_errors_of_the_server(service: Acting) -> None:
    assert [ask(service, "/fail") for _one in range(20)] == [500] * 20
    found = first(service)
    assert found["cause"] == "server_errors", found
    assert any("20 x 500" in line for line in found["evidence"])


def test_a_container_that_was_killed_for_want_of_memory(service: Acting) -> None:
    """Beside the errors of the test before, which may be its consequence."""
    ask(service, "/eat")
    name = live_web(service)
    wait_until(lambda: docker("inspect", "-f", "{{.State.Running}}", name) == ["false"], "it is killed", 60)
    try:
        found = first(service)
        assert found["cause"] == "out_of_memory", found
        assert any("(limit 96 MiB)" in line for line in found["evidence"])
        assert "scale.yml -e service=web -e memory=" in found["next_step"]
    finally:
        subprocess.run(["docker", "start", name], check=True, capture_output=True)


def test_the_maintenance_page_is_no_riddle(service: Acting) -> None:
    service.done("maintenance", state="on")
    assert first(service)["cause"] == "maintenance"
    service.done("maintenance", state="off")
    told = runner.play("diagnose", {"format": "json"}, inventory=service.hello.inventory)
    assert json.dumps("evidence") in told.stdout.replace("\\", "")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is no room for is refused before anything is started, and the way that needs less room is offered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import pools
from ansible_collections.steady.runbooks.plugins.module_utils.compose.database import ask
from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed
from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker, wait_until

NAME = "uc-room"
COMPOSE = """\
services:
  web:
    image: 127.0.0.1:5000/hello:1
    command: [python3, /app.py, "8000"]
    environment: {VERSION: "${VERSION}", POOL: "8"}
    volumes: ["./app.py:/app.py:ro"]
    ports: ["127.0.0.1:${HELLO_PORT}:8000"]
    MORE
  db:
    image: 127.0.0.1:5000/postgres:17
    command: [postgres, -c, max_connections=20]
    environment: {POSTGRES_HOST_AUTH_METHOD: trust}
    volumes: [data:/var/lib/postgresql/data]
volumes:
  data: {}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """1.1.0 in green serves and holds 8 connections of 20, as 1.0.0 does in blue, which is warm."""
    shop.provide_hello()
    lab.up(["postgres:17"])
    shop.remove(NAME)
    root = tmp_path_factory.mktemp("room")
    hello = Hello(root, NAME, service_watch={"seconds": 0}, service_version_endpoint={}, service_drain_seconds=1)
    hello.set(service_ready={"web": {"path": "/", "port": 8000}, "db": {"port": 5432}})
    (root / "source/compose.exclusive.yaml").unlink()
    shutil.copy(Path(__file__).with_name("featured.py"), root / "source/app.py")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        hello.write(f"releases/{version}.yml", f'version: "{version}"\n')
    write(hello)
    try:
        acting = Acting(hello)
        acting.done("apply_update", "1.0.0")
        acting.done("apply_update", "1.1.0")
        yield acting
    finally:
        hello.remove()


def write(hello: Hello, line: str = "restart: unless-stopped") -> None:
    hello.write("source/compose.yaml", COMPOSE.replace("MORE", line))


def detail(acting: Acting, name: str, version: str = "1.2.0") -> str:
    planned = acting.plan("apply_update", version, stays=False)
    return str(next(check["detail"] for check in planned["checks"] if check["name"] == name))


def test_a_plan_tells_how_much_room_there_is(service: Acting) -> None:
    write(service.hello)
    connections = detail(service, "connections")
    assert "16 of 20 connections are taken, 3 kept for superusers; a second slot takes about 8" in connections
    assert "(web " in detail(service, "memory") and "processors" in detail(service, "cpu")
    assert detail(service, "images") == "all images are here"
    said = service.hello.done("preflight")
    assert "go: memory: a second slot takes about" in said and "go: connections: db: 16 of 20" in said
    said = service.hello.done("apply_update", "-e", "version=1.2.0", "--check", "--diff")
    assert "go: networks:" in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("mem_reservation: 900g", "memory: a second slot takes about 921600 MiB (web 921600)"),
        ("deploy: {resources: {reservations: {cpus: '600'}}}", "cpu: two slots reserve 1200 processors"),
        ("cpus: 900", "cpu: web may use 900 processors"),
    ],
)
def test_what_there_is_no_room_for_is_refused(service: Acting, line: str, says: str) -> None:
    write(service.hello, line)
    before = service.hello.snapshot()
    refused = service.refused("apply_update", "1.2.0")
    assert refused.code == "no_go" and says in refused.detail
    assert ("service_switch: hold" in refused.next_step) is ("may use" not in says)
    assert service.hello.snapshot() == before
    write(service.hello)


def test_connections_are_counted_and_the_exclusive_way_needs_none(service: Acting) -> None:
    hello = service.hello
    for _client in range(2):
        docker("exec", "--detach", f"{NAME}-db-1", "psql", "-U", "postgres", "-c", "select pg_sleep(120)")
    wait_until(lambda: "18 of 20" in str(service.refused("apply_update", "1.2.0").detail), "both have connected")
    refused = service.refused("apply_update", "1.2.0")
    assert "a second slot takes about 8, as the present one does now, and 7 are free" in refused.detail
    assert "service_switch: hold" in refused.next_step and "at most 60 s" in refused.next_step
    said = hello.play("preflight")
    assert said.returncode != 0 and "connections: db: 18 of 20" in said.stdout
    hello.set(service_switch="hold")
    assert detail(service, "memory") == "the new release does not run beside another"
    result = service.done("apply_update", "1.2.0")
    assert result["to"]["version"] == "1.2.0" and result["proof"]["failed"] == 0


def test_what_is_asked_of_a_database_changes_nothing(service: Acting) -> None:
    with pytest.raises(StepFailed, match="read-only transaction"):
        ask(service.platform.host, {"service": "db"}, "with one as (select 1) select lo_create(4711) from one")


def test_a_network_takes_one_from_the_pools(service: Acting) -> None:
    engine, name = service.platform.host.docker.engine, "uc-room-network"
    shop.gone("network", name)
    docker("network", "create", name)
    try:
        there, given = engine.json("GET", "/networks")[1], engine.json("GET", "/info")[1].get("DefaultAddressPools")
    finally:
        shop.gone("network", name)
    without = [one for one in there if one["Name"] != name]
    with mock.patch.object(pools, "ENOUGH", 10**6), mock.patch.object(pools, "_routes", list):
        assert pools.free_networks(given, without) - pools.free_networks(given, there) == 1

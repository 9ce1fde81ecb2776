# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""scale.yml: replicas, CPUs and memory change under traffic, nobody notices, and later releases have the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import is_running, service_of
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole, recorded
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.serving import serving, unnoticed

MIB = 1 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    with serving(tmp_path_factory.mktemp("scale"), "lv-scale") as one:
        yield one


def running(service: Acting, name: str = "web", slot: str = "") -> list[dict[str, Any]]:
    """The running containers of a service in the slot that serves."""
    platform = service.platform
    found = platform.host.slot_containers(slot or str(platform.describe()["live"]))
    return [one for one in found if service_of(one) == name and is_running(one)]


def limits(containers: list[dict[str, Any]]) -> set[tuple[int, int]]:
    return {(one["HostConfig"]["NanoCpus"], one["HostConfig"]["Memory"]) for one in containers}


def servers(service: Acting) -> int:
    """How many servers of the slot that serves get requests."""
    edge = service.platform.edge
    rows = [row for row in edge.runtime.servers(edge.runtime.current()) if row["be_name"].endswith(edge.serving().live)]
    return sum((row["srv_op_state"], row["srv_admin_state"]) == ("2", "0") for row in rows)


def test_replicas_come_and_go_and_nobody_notices(service: Acting) -> None:
    hello = service.hello
    first = running(service)[0]["Id"]
    told = hello.done("scale", "-e", "service=web", "-e", "replicas=3", "--check", "--diff")
    assert "1. Run 3 of web" in told and "[undo: run 1 of web]" in told and len(running(service)) == 1
    with unnoticed(service):
        said = hello.done("scale", "-e", "service=web", "-e", "replicas=3")
        assert "Run 3 of web" in said and "scale.yml" in said
        assert len(running(service)) == 3 and servers(service) == 3
        assert "scaled: 3 of web" in service.status()["text"]
        assert service.plan("scale", service="web", replicas="3")["plan"]["steps"] == []
    with unnoticed(service):
        service.done("scale", service="web", replicas="1")
    assert [one["Id"] for one in running(service)] == [first], "what served all the time goes on"


def test_more_than_the_edge_had_room_for(service: Acting) -> None:
    with unnoticed(service):
        service.done("scale", service="web", replicas="10")
        assert len(running(service)) == 10 and servers(service) == 10
        service.done("scale", service="web", replicas="3")
        assert len(running(service)) == servers(service) == 3
        service.done("scale", service="web", replicas="20")
        service.done("scale", service="web", unset=True)
    assert len(running(service)) == 1 and service.status()["observed"]["scale"] == {}


def test_limits_change_while_it_runs_and_are_taken_back(service: Acting) -> None:
    before = [one["Id"] for one in running(service)]
    with unnoticed(service):
        service.done("scale", service="web", cpus="0.5", memory="256m")
        assert limits(running(service)) == {(5 * 10**8, 256 * MIB)}
        service.done("scale", service="web", memory="512m")
        assert limits(running(service)) == {(5 * 10**8, 512 * MIB)}
        service.done("scale", service="web", unset=True)
    assert [one["Id"] for one in running(service)] == before, "no container was made anew"
    assert limits(running(service)) != {(5 * 10**8, 512 * MIB)}


def test_later_releases_a_rollback_and_the_warm_slot_have_the_same(service: Acting) -> None:
    service.done("scale", service="web", replicas="2", memory="256m")
    service.done("scale", service="worker", replicas="2")
    with unnoticed(service):
        service.done("apply_update", "1.1.0")
        assert len(running(service)) == 2 and len(running(service, "worker")) == 2
        assert {memory for _cpus, memory in limits(running(service))} == {256 * MIB}
        service.done("scale", service="web", replicas="3")
        assert {slot: len(running(service, slot=slot)) for slot in ("blue", "green")} == {"blue": 3, "green": 3}
        planned = service.plan("rollback")
        assert "stage" not in [step["do"] for step in planned["plan"]["steps"]], "it is warm"
        assert service.start(planned).wait()["outcome"] == "done"
        assert len(running(service)) == 3 and len(running(service, "worker")) == 2
        service.done("scale", service="web", unset=True)
        service.done("scale", service="worker", unset=True)
    assert not_whole(service) == []


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        ({}, "invalid_variable", "no service"),
        ({"service": "web"}, "invalid_variable", "neither"),
        ({"service": "wbe", "replicas": "2"}, "unknown_service", "did you mean 'web'?"),
        ({"service": "cache", "replicas": "2"}, "not_in_a_slot", "state service"),
        ({"service": "scheduler", "replicas": "2"}, "exclusive", "must never run twice"),
        ({"service": "web", "cpus": "400"}, "no_room", "the host has"),
        ({"service": "web", "replicas": "60", "memory": "900g"}, "no_room", "of memory are missing"),
        ({"service": "web", "memory": "1m"}, "too_small", "uses"),
    ],
)
def test_what_has_no_room_is_refused_and_what_is_missing_is_said(
    service: Acting, asked: dict[str, Any], code: str, named: str
) -> None:
    error = service.refused("scale", **asked)
    assert error.code == code and named in error.detail and error.next_step


@pytest.mark.parametrize("way", ["finish", "back"])
def test_a_scaling_that_died_is_ended_either_way(service: Acting, way: str) -> None:
    with unnoticed(service):
        act = service.start(service.plan("scale", service="web", replicas="3"))
        act.reach(lambda: len(running(service)) > 1)
        act.kill()
        if not recorded(service, act):
            assert end(service, act, way) == []
            assert len(running(service)) == servers(service) == (3 if way == "finish" else 1)
        service.done("scale", service="web", unset=True)

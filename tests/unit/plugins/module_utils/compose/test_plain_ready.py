# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether plain containers are ready: asked before an adoption, demanded by an unadoption, but not on a way back."""

from __future__ import annotations

import socket

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import adopting, plain
from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Member, Readiness, Understanding
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, StepFailed, TimedOut

from .conftest import ScriptedDocker
from .edge_fake import FastClock
from .plain_fake import ROLES, container, plain_host

CHECK = Readiness("healthcheck")


@pytest.fixture
def host(tmp_path):
    return plain_host(tmp_path)


@pytest.fixture
def deaf():
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def shop(readiness):
    """What is understood of a web service that is ready when it is said to be, and of a worker."""
    members = {"web": Member("web", "web", "", "web:1", readiness=readiness)}
    members["worker"] = Member("worker", "worker", "", "web:1", readiness=Readiness("running"))
    return Understanding("shop", members)


def local(service, status="running", health=None, **more):
    """A container that has the host's own address."""
    made = container(service, status, **more)
    made["HostConfig"]["NetworkMode"] = "host"
    made["State"]["Health"] = {"Status": health} if health else None
    return made


class Starter(ScriptedDocker):
    """Starts those of *found* that it is asked to; they then are in the state *after*."""

    def __init__(self, found, after):
        super().__init__((["start"], 0, "", ""), (["logs"], 0, "its last words", ""))
        self.found, self.after = found, after

    def run(self, *words, **options):
        for one in self.found:
            if words[0] == "start" and one["Id"] in words:
                one["State"].update(self.after)
        return super().run(*words, **options)


def start(host, readiness, *found, stage="begun", **after):
    """Start the plain containers *found*, as an adoption does that goes back."""
    host.plain.update(stage=stage, roles=ROLES, restart={})
    host.found, host.clock = list(found), FastClock()
    host.docker = Starter(host.found, {"Status": "running", **after})
    return plain.start(host, {"understanding": shop(readiness).as_dict()}, lambda _text: None)


def test_on_the_way_back_what_is_never_ready_keeps_nothing_from_being_started(host, deaf):
    said = start(host, Readiness("tcp", port=deaf), local("web", "exited"), local("worker", "exited"))
    assert [one["State"]["Status"] for one in host.found] == ["running", "running"]
    assert said["say"].startswith("started, and not ready after 5 s: shop-web-1: port")
    assert len(said["late"]) == 1


def test_on_the_way_back_it_is_enough_that_an_unhealthy_one_runs(host):
    web, worker = local("web", health="unhealthy"), local("worker", "exited")
    said = start(host, CHECK, web, worker)
    assert "shop-web-1 is unhealthy" in said["say"]
    assert worker["State"]["Status"] == "running"


def test_what_is_ready_is_not_talked_about(host):
    said = start(host, CHECK, local("web", "exited"), local("worker", "exited"), Health={"Status": "healthy"})
    assert (said["services"], said["say"]) == (["web", "worker"], "")


def test_a_way_back_to_what_crashes_is_none(host):
    with pytest.raises(StepFailed, match="shop-web-1 crashed with exit code 3"):
        start(host, CHECK, local("web", "exited"), Status="exited", ExitCode=3)


def test_a_way_back_to_what_was_not_started_is_none(host):
    with pytest.raises(TimedOut):
        start(host, CHECK, local("web", "exited"), Status="created")


def test_what_has_crashed_before_and_runs_is_well(host):
    assert start(host, CHECK, local("web", health="healthy", RestartCount=3))["say"] == ""


@pytest.mark.parametrize(("health", "told"), [("starting", "no check that could tell"), ("unhealthy", "is unhealthy")])
def test_an_unadoption_has_to_find_it_ready(host, health, told):
    with pytest.raises(StepFailed) as error:
        start(host, CHECK, local("web", "exited"), stage="leaving", Health={"Status": health})
    assert told in f"{error.value.detail} {error.value.last_seen}"


def adoption(host, readiness, web):
    """What is refused of adopting these: the whole sentence, or "" when it is not."""
    host.found, host.clock = [web, local("worker")], FastClock()
    web["Config"]["Healthcheck"] = {"Test": ["CMD", "check"]}
    try:
        adopting.Running(host).check_ready(shop(readiness))
    except Refused as error:
        assert (error.code, "service_ready" in error.next_step) == ("not_ready", True)
        return error.detail
    return ""


@pytest.mark.parametrize(
    ("health", "code", "told"),
    [
        ("unhealthy", 1, "web: shop-web-1 is unhealthy"),
        ("starting", 1, "web: shop-web-1: its healthcheck fails (exit 1): no"),
        ("starting", 0, "web: shop-web-1 is still starting, says its healthcheck"),
        ("healthy", 0, ""),
    ],
)
def test_what_is_not_healthy_is_not_adopted(host, executed, health, code, told):
    host.docker = ScriptedDocker(*executed(code, "no"), (["logs"], 0, "its last words", ""))
    # That it has crashed before is no reason.
    assert adoption(host, CHECK, local("web", health=health, RestartCount=3)) == told


def test_what_does_not_answer_as_declared_is_not_adopted(host, deaf):
    ready = Readiness("http", path="/", port=deaf)
    assert adoption(host, ready, local("web")).startswith(f"web: shop-web-1: port {deaf}: ")

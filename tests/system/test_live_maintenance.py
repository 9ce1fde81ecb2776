# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""maintenance.yml: users get the page, we reach the release, and nothing but the same runbook ends it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import wait_until
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole, recorded
from ansible_collections.steady.runbooks.tests.system.runner import read_ledger
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.serving import serving

PAGE = "<h1>planned work</h1>"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    with serving(tmp_path_factory.mktemp("maintenance"), "lv-page") as one:
        one.hello.write("source/page.html", PAGE)
        one.hello.set(service_edge_maintenance="page.html")
        one.done("apply_update", "1.1.0")
        yield one


def answer(service: Acting, **headers: str) -> tuple[int, str, str]:
    """Status, Retry-After and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", service.hello.port, timeout=10)
    connection.request("GET", "/", headers=headers)
    got = connection.getresponse()
    told = got.status, got.headers.get("Retry-After", ""), got.read().decode()
    connection.close()
    return told


def users(service: Acting) -> str:
    """What users get: a version, or ``page``."""
    status, retry, body = answer(service)
    if status == 503:
        assert (retry, body) == ("30", PAGE)
        return "page"
    return service.hello.version()


def test_the_page_comes_and_goes_and_the_release_is_reached_all_the_time(service: Acting) -> None:
    hello = service.hello
    told = hello.done("maintenance", "-e", "state=on", "--check", "--diff")
    assert "1. Answer users with the maintenance page" in told and users(service) == "1.1.0"
    said = hello.done("maintenance", "-e", "state=on", "-e", "reason='new disk'")
    assert "users get the maintenance page" in said and "maintenance.yml" in said and "state=off" in said
    assert users(service) == "page"
    ours = {"X-Steady-Probe": service.platform.probe_token()}
    assert answer(service, **ours)[0] == 200
    assert "expected 1.1.0" not in hello.done("verify")
    assert "maintenance: users get the page (503)" in service.status()["text"]
    assert "changed=0" in hello.done("maintenance", "-e", "state=on"), "it is on already"
    entry = read_ledger(hello.name)[-1]
    assert (entry["runbook"], entry["outcome"], entry["reason"]) == ("maintenance", "done", "new disk")
    hello.done("maintenance", "-e", "state=off")
    assert users(service) == "1.1.0"
    assert not_whole(service) == []


def test_updates_and_rollbacks_behind_the_page_do_not_end_it(service: Acting) -> None:
    service.done("maintenance", state="on")
    planned = service.plan("apply_update", "1.2.0")
    assert "go on getting it: maintenance.yml -e state=off" in planned["text"]
    result = service.start(planned).wait()
    assert result["outcome"] == "done" and result["proof"]["failed"] == 0, result
    assert users(service) == "page"
    service.done("rollback")
    assert users(service) == "page"
    service.done("blue_green_switch")
    assert users(service) == "page" and service.status()["observed"]["live"]
    service.done("maintenance", state="off")
    assert users(service) == "1.2.0"
    assert not_whole(service) == []


@pytest.mark.parametrize("way", ["finish", "back"])
@pytest.mark.parametrize("state", ["on", "off"])
def test_a_run_that_died_is_ended_either_way(service: Acting, state: str, way: str) -> None:
    service.done("maintenance", state="off" if state == "on" else "on")
    act = service.start(service.plan("maintenance", state=state))
    act.reach_step("maintain")
    act.kill()
    if not recorded(service, act):  # else it was too quick, and has ended well
        assert end(service, act, way) == []
        state = state if way == "finish" else {"on": "off", "off": "on"}[state]
    assert (users(service) == "page") is (state == "on")
    service.done("maintenance", state="off")
    assert not_whole(service) == []


def test_a_restart_of_the_edge_comes_back_with_the_page(service: Acting) -> None:
    service.done("maintenance", state="on")
    service.platform.host.docker("restart", f"{service.hello.name}-edge")
    wait_until(lambda: service.status()["observed"]["edge"] == "running", "the edge is back", 30)
    assert users(service) == "page"
    service.done("maintenance", state="off")
    assert not_whole(service) == []

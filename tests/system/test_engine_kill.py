# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 of the engine during an update, an adoption and the way back: on an engine of the test's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Act, Acting
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole
from ansible_collections.steady.runbooks.tests.system.own_engine import BRIDGE, OwnEngine, supported
from ansible_collections.steady.runbooks.tests.system.plain import Plain, differences
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

PROVE = os.environ.get("STEADY_PROVE") == "1"
AWAY = 1.0  # seconds without an engine
pytestmark = pytest.mark.skipif(not supported(), reason="no namespaces here, or no dockerd to start a second one")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    lab.up(["haproxy:3.0", "python:3.13-slim", "redis:8"])
    with OwnEngine(tmp_path_factory.mktemp("engine")) as own:
        yield own


@pytest.fixture(scope="module")
def plain(engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    """A web service with a store and a worker by plain compose, published on every address of that engine's host."""
    name = "ek-plain"
    shop.remove(name)
    service = Plain(tmp_path_factory.mktemp("plain"), "own_engine", name, 18595)
    service.up()
    try:
        yield service
    finally:
        shop.remove(name)


def killed(engine: OwnEngine, acting: Acting, act: Act, step: str) -> str:
    """Kill the engine in this step; let the run end or end it, and return in what it ended."""
    act.reach_step(step)
    engine.kill()
    time.sleep(AWAY)
    engine.start()
    outcome = str(act.wait().get("outcome", "dead"))
    if outcome in ("dead", "stuck"):
        assert end(acting, act) == []
    return outcome


UPDATE = ("stage", "shift", "handover", "watch", "settle") if PROVE else ("stage", "shift")
ADOPT = ("base", "stage", "take_ports", "shift", "handover", "settle", "dismiss") if PROVE else ("take_ports",)
UNADOPT = ("draft", "restore", "dissolve") if PROVE else ("restore",)


def test_during_an_adoption_an_update_and_the_way_back(
    engine: OwnEngine, plain: Plain, tell: Callable[[str], None]
) -> None:
    acting, ended = Acting(plain), []
    acting.environment = engine.environment
    before, state = plain.host(), plain.ids("cache")

    def whole() -> None:
        """In a slot or in plain compose, all of it."""
        live = acting.platform.describe()["live"]
        assert (not_whole(acting) if live else differences(before, plain.host())) == []
        assert plain.ids("cache") == state

    for step in ADOPT:
        ended.append(f"adopt, {step}: {killed(engine, acting, acting.start(acting.plan('adopt', '1.0.0')), step)}")
        whole()
        if acting.platform.describe()["live"] and step != ADOPT[-1]:
            acting.done("unadopt")
    if not acting.platform.describe()["live"]:
        acting.done("adopt", "1.0.0")
    with Traffic(f"http://{BRIDGE}:{plain.port}", rate=20, seconds=600, requests=["1 GET /"]) as users:
        for number, step in enumerate(UPDATE):
            act = acting.start(acting.plan("apply_update", "1.0.0" if number % 2 else "1.1.0"))
            ended.append(f"apply_update, {step}: {killed(engine, acting, act, step)}")
            whole()
        seen = users.seen()
    if acting.status()["live"]["version"] != "1.0.0":
        acting.done("apply_update", "1.0.0")
    for step in UNADOPT:
        if not acting.platform.describe()["live"]:
            acting.done("adopt", "1.0.0")
        ended.append(f"unadopt, {step}: {killed(engine, acting, acting.start(acting.plan('unadopt')), step)}")
        whole()
    tell(f"the engine was killed during {'; '.join(ended)}; users of the updates: {seen}")
    assert seen.failed == 0, seen

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 of the engine during an update, an adoption and the way back: on an engine of the test's own."""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole
from ansible_collections.steady.runbooks.tests.system.own_engine import BRIDGE, OwnEngine, supported
from ansible_collections.steady.runbooks.tests.system.plain import Plain, differences
from ansible_collections.steady.runbooks.tests.system.scenario import end

PROVE = os.environ.get("STEADY_PROVE") == "1"
pytestmark = pytest.mark.skipif(not supported(), reason="no namespaces here, or no dockerd to start a second one")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    lab.up(["haproxy:3.0", "python:3.13-slim", "redis:8"])
    with OwnEngine(tmp_path_factory.mktemp("engine")) as own:
        yield own


@pytest.fixture(scope="module")
def plain(engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    """A web service with a store and a worker by plain compose, published on every address of that engine's host."""
    name = "tc-engine"
    shop.remove(name)
    service = Plain(tmp_path_factory.mktemp("plain"), "own_engine", name, 18595)
    service.up()
    try:
        yield service
    finally:
        shop.remove(name)


class Users:
    """Ask from outside, as it were: what the loopback alone has is refused as long as the engine is away."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{BRIDGE}:{port}/"
        self.sent = 0
        self.failed: list[float] = []  # when
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.05):
            self.sent += 1
            try:
                urllib.request.urlopen(self.url, timeout=30).close()
            except OSError:
                self.failed.append(time.monotonic())


@dataclass
class Kills:
    """Kills of the engine during runs of *acting*, and in what they ended."""

    engine: OwnEngine
    acting: Acting
    ended: list[str] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)

    def during(self, runbook: str, version: str, step: str, brief: bool) -> None:
        """Kill it in this step. It is back after a second, or when the run has given up; then recover what is left."""
        act = self.acting.start(self.acting.plan(runbook, version))
        act.reach_step(step)
        self.engine.kill()
        time.sleep(1.0) if brief else act.wait()
        begun = time.monotonic()
        self.engine.start()
        self.starts.append((begun, time.monotonic()))
        outcome = str(act.wait().get("outcome", "dead"))
        self.ended.append(f"{runbook}, {step}: {outcome}")
        if outcome in ("dead", "stuck"):
            assert end(self.acting, act) == []


STEPS = {
    "adopt": ("base", "stage", "take_ports", "shift", "handover", "settle", "dismiss"),
    "apply_update": ("stage", "shift", "handover", "watch", "settle"),
    "unadopt": ("draft", "restore", "dissolve"),
}
DAILY = {"adopt": ("take_ports",), "apply_update": ("shift",), "unadopt": ("restore",)}


def test_the_engine_is_killed(engine: OwnEngine, plain: Plain, tell: Callable[[str], None]) -> None:
    """Whatever it meets ends whole, in a slot or in plain compose; of an update users notice no more than its start."""
    acting = Acting(plain)
    acting.environment = engine.environment
    before, state, kills = plain.host(), plain.ids("cache"), Kills(engine, acting)
    cases = [
        (runbook, step, brief)
        for runbook, steps in (STEPS if PROVE else DAILY).items()
        for step in steps
        for brief in ((True, False) if PROVE else (False,))
    ]
    served: list[Users] = []
    for runbook, step, brief in cases:
        live = acting.platform.describe()["live"]
        if bool(live) == (runbook == "adopt"):
            acting.done("unadopt" if live else "adopt", "" if live else "1.0.0")
        version = "" if runbook == "unadopt" else "1.0.0"
        if runbook == "apply_update":
            version = "1.1.0" if acting.status()["live"]["version"] == "1.0.0" else "1.0.0"
            with Users(plain.port) as users:
                kills.during(runbook, version, step, brief)
            served.append(users)
        else:
            if runbook == "unadopt" and acting.status()["live"]["version"] != "1.0.0":
                acting.done("apply_update", "1.0.0")
            kills.during(runbook, version, step, brief)
        live = acting.platform.describe()["live"]
        # An engine that reads a container again tells nothing as [] where it told null.
        changed = [one for one in differences(before, plain.host()) if not one.endswith("None -> []")]
        assert (not_whole(acting) if live else changed) == [], kills.ended
        assert plain.ids("cache") == state
    failed = [time for users in served for time in users.failed]
    sent = sum(users.sent for users in served)
    tell(f"the engine was killed during {'; '.join(kills.ended)}; {len(failed)} of {sent} requests of updates failed")
    # While it starts the engine makes its rules for the ports anew.
    assert all(any(begun <= time <= up + 1 for begun, up in kills.starts) for time in failed), (failed, kills.starts)
    assert sent > len(failed)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 of the act at each step of each runbook: recover.yml, once, ends in one whole release.

The list of steps comes from the plan. `make test` kills at each step once, at its beginning or in the middle of it;
`make prove` (STEADY_PROVE=1) at several moments of each, and ends each in every direction. Users are there all the
time, and none of them may notice. Most kills drive plan and act as the modules do (acting.py); a few play playbooks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import other
from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import services, shop
from ansible_collections.steady.runbooks.tests.system.acting import Act, Acting
from ansible_collections.steady.runbooks.tests.system.hello import docker, wait_until
from ansible_collections.steady.runbooks.tests.system.oracle import Watcher, not_whole, recorded, unreported
from ansible_collections.steady.runbooks.tests.system.scenario import Scenario, Tally, end
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

PROVE = os.environ.get("STEADY_PROVE") == "1"
MOMENTS = (0.0, 0.1, 0.3, 0.8)  # seconds after a step has begun
WAYS = ("auto", "finish", "back")
SETTINGS: dict[str, Any] = {"service_hold_seconds": 60, "service_drain_seconds": 5, "service_start_seconds": 60}


def kill_at(scenario: Scenario, number: int, moment: float, tally: Tally, way: str) -> None:
    """Kill *moment* seconds into step *number* (from 1), end it, and note what is wrong then."""
    act = scenario.start()
    step = act.planned["plan"]["steps"][number - 1]
    act.reach(lambda: len(act.titles()) >= number)
    time.sleep(moment)
    act.kill()
    tally.kills += 1
    if recorded(scenario.acting, act):
        tally.late += 1
        wrong = unreported(scenario.acting)
    else:
        wrong = end(scenario.acting, act, way) + not_whole(scenario.acting)
    tally.converged += not wrong
    name = f"{scenario.runbook} {scenario.state}, {step['do']} at {moment}, {way}"
    tally.wrong += [f"{name}: {one}" for one in wrong]


@pytest.fixture(scope="module", params=["overlapping", "exclusive"])
def acting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    lab.up(["redis:8"])
    shop.provide_hello()
    make: Callable[..., Any] = getattr(services, request.param)
    hello = make(tmp_path_factory.mktemp("kill"), f"k-{request.param}", **SETTINGS)
    hello.remove()
    try:
        yield Acting(hello)
    finally:
        hello.remove()


SCENARIOS = [
    ("apply_update", "nothing"),
    ("apply_update", "alone"),
    ("apply_update", "warm"),
    ("blue_green_switch", "warm"),
    ("rollback", "warm"),
    ("rollback", "cold"),
    ("retire", "warm"),
]
# A sample for every day: all runbooks where releases overlap, and the longest one where requests are held.
DAILY = [("overlapping", *SCENARIOS[number]) for number in (1, 3, 4, 5, 6)] + [("exclusive", *SCENARIOS[1])]


@pytest.mark.parametrize(("runbook", "state"), SCENARIOS, ids=[" ".join(pair) for pair in SCENARIOS])
def test_the_act_is_killed(acting: Acting, runbook: str, state: str, tell: Callable[[str], None]) -> None:
    """At each step; then all is well again after recover.yml, and users have noticed nothing."""
    kind = acting.hello.name.partition("-")[2]
    if not PROVE and (kind, runbook, state) not in DAILY:
        pytest.skip("in make prove")
    scenario, tally = Scenario(acting, runbook, state), Tally()
    scenario.prepare()
    steps = scenario.plan()["plan"]["steps"]
    url = f"http://127.0.0.1:{acting.hello.port}"
    begun = time.monotonic()
    alone = ["scheduler", "web"] if kind == "exclusive" else ["scheduler"]
    with (
        Traffic(url, rate=20, seconds=3600, requests=["1 GET /"], timeout=60) as users,
        Watcher(acting, *alone) as watcher,
    ):
        for number in range(1, len(steps) + 1):
            ways = WAYS if state != "nothing" else WAYS[:2]
            moments = MOMENTS if PROVE else [0.3 * (number % 2)]
            for moment, way in ((moment, way) for moment in moments for way in (ways if PROVE else ways[:1])):
                kill_at(scenario, number, moment, tally, way)
        seen = users.seen()
    took = time.monotonic() - begun
    tell(f"{acting.hello.name} {runbook} ({state}): {tally} in {took:.0f} s; users: {seen}")
    assert not tally.wrong, "\n".join(tally.wrong)
    assert not watcher.wrong and watcher.looks
    assert state == "nothing" or seen.failed == 0, seen


# -- what runs, and the machine itself --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A service for what is killed beside a run."""
    lab.up(["redis:8"])
    shop.provide_hello()
    hello = services.overlapping(tmp_path_factory.mktemp("serving"), "k-serving", **SETTINGS)
    hello.remove()
    try:
        yield Acting(hello)
    finally:
        hello.remove()


def settled(acting: Acting, act: Act) -> list[str]:
    """Wait for its end, recover where it died or got stuck, and return what is wrong then."""
    outcome = act.wait().get("outcome", "dead")
    return (end(acting, act) if outcome in ("dead", "stuck") else []) + not_whole(acting)


# Not settle, which writes one file: by the time that anything is killed the run is over, and nobody looks any more.
STEPS = ("stage", "shift", "handover", "watch")


@pytest.mark.parametrize("step", STEPS if PROVE else STEPS[1:4:2])
def test_the_edge_is_killed_during_a_run(serving: Acting, step: str) -> None:
    """Users notice that, of course; but the edge comes back with the same split, and one whole release serves."""
    act = Scenario(serving, "apply_update", "alone").start()
    act.reach_step(step)
    docker("kill", f"{serving.hello.name}-edge")
    assert settled(serving, act) == []


@pytest.mark.parametrize("runbook", ["rollback", "apply_update"])
def test_the_edge_is_killed_between_runs(serving: Acting, runbook: str) -> None:
    """Each runbook starts it again, and does what it was asked to."""
    scenario = Scenario(serving, runbook, "warm")
    scenario.prepare()
    wanted = scenario.another
    docker("kill", f"{serving.hello.name}-edge")
    planned = scenario.plan()
    assert serving.start(planned).wait()["outcome"] == "done"
    assert scenario.live == wanted
    assert not_whole(serving) == []


@pytest.mark.parametrize("which", ["new", "old"])
@pytest.mark.parametrize("step", STEPS if PROVE else ("shift", "watch"))
def test_a_slot_is_killed_during_a_run(serving: Acting, step: str, which: str) -> None:
    scenario = Scenario(serving, "apply_update", "alone")
    scenario.prepare()
    old = scenario.slot
    act = serving.start(scenario.plan())
    act.reach_step(step)
    slot = old if which == "old" else other(old)
    ids = [c["Id"] for c in serving.platform.host.slot_containers(slot) if c["State"]["Running"]]
    if ids:
        docker("kill", *ids)
    act.wait()
    if which == "old" and scenario.slot == old:
        serving.done("apply_update", scenario.another)  # it went back to what somebody had killed
    assert settled(serving, act) == []


@pytest.mark.parametrize("step", (*STEPS, "run_job") if PROVE else ("shift", "handover"))
def test_the_power_is_cut(serving: Acting, step: str) -> None:
    """All of it dies at once; what Docker starts again at boot comes up, and recover.yml ends the run."""
    act = Scenario(serving, "apply_update", "alone").start()
    act.reach_step(step)
    up = docker("ps", "--quiet", "--filter", f"name=^{serving.hello.name}-")
    act.kill()
    docker("kill", *up)
    docker("start", *up)
    wait_until(lambda: bool(serving.hello.version()), "users are served again", 30)
    assert end(serving, act) == []
    assert not_whole(serving) == []


# -- the controller ---------------------------------------------------------------------------------------------------


def begun(run: Path) -> int:
    """How many steps have."""
    log = run / "steps.jsonl"
    return log.read_text().count('"event": "step"') if log.exists() else 0


@pytest.mark.parametrize("runbook", ["apply_update", "blue_green_switch", "rollback", "retire"])
def test_the_controller_is_killed(serving: Acting, runbook: str) -> None:
    """kill -9 of ansible-playbook at each step (one in make test): the run ends by itself in its plan's result."""
    scenario = Scenario(serving, runbook, "alone" if runbook == "apply_update" else "warm")
    scenario.prepare()
    count = len(scenario.plan()["plan"]["steps"])
    for number in range(1, count + 1) if PROVE else [count // 2 + 1]:
        kill_the_controller(scenario, number)


def kill_the_controller(scenario: Scenario, number: int) -> None:
    """As soon as step *number* has begun."""
    scenario.prepare()
    runbook, hello = scenario.runbook, scenario.acting.hello
    wanted = scenario.live if runbook == "retire" else scenario.another
    words = {"apply_update": f"version={wanted}", "rollback": f"release={wanted}"}
    arguments = ["-e", words[runbook]] if runbook in words else []
    before = len(hello.runs())
    with hello.start(runbook, *arguments) as controller:
        wait_until(lambda: len(hello.runs()) > before, "the run has begun", 60)
        result = hello.runs()[-1] / "result.json"
        wait_until(lambda: begun(result.parent) >= number or result.exists(), f"step {number} has begun", 60)
        controller.kill()
    wait_until(result.exists, "it has ended by itself", 120)
    assert json.loads(result.read_text())["outcome"] == "done"
    assert scenario.live == wanted
    assert not_whole(scenario.acting) == []


def test_a_playbook_ends_a_dead_run_and_plans_what_we_plan(serving: Acting) -> None:
    """The same by the playbooks themselves: status, a refusal, --check --diff, recover, and a second recover."""
    scenario = Scenario(serving, "apply_update", "alone")
    scenario.prepare()
    hello, before = serving.hello, scenario.live
    told = hello.done("apply_update", "-e", f"version={scenario.another}", "--check", "--diff")
    planned = scenario.plan()
    assert f"(plan {planned['plan']['hash']})" in told
    act = serving.start(planned)
    act.reach_step("handover")
    act.kill()
    assert "DIED; run recover.yml" in hello.done("status")
    refused = hello.play("rollback")
    assert refused.returncode and f"run {act.run} died before it ended" in " ".join(refused.stdout.split())
    told = hello.done("recover", "--check", "--diff")
    assert hello.version() and hello.status()["run"]["state"] == "dead"
    done = hello.done("recover")
    titles = [json.loads(line)["title"] for line in (hello.runs()[-1] / "steps.jsonl").read_text().splitlines()
              if json.loads(line)["event"] == "step"]  # fmt: skip
    assert titles and all(title in told and title in done for title in titles)
    assert (scenario.live, not_whole(serving)) == (before, [])
    again = hello.play("recover")
    assert again.returncode and "there is nothing to recover" in again.stdout

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following a run: live, through broken connections, to its end, whatever that is."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from ansible import constants, context
from ansible.utils.context_objects import CLIArgs

from ansible_collections.steady.runbooks.plugins.action import act as action

PLAN = {"runbook": "rollback", "hash": "6f1d0c9be1a2f3d4", "steps": [{"do": "shift"}], "to": {"version": "1.0.0"}}
PLANNED = {"plan": PLAN, "options": {"release": None}, "actor": {"user": "alice"}}
RESULT = {
    "run": "r1",
    "runbook": "rollback",
    "outcome": "done",
    "changed": True,
    "from": {"version": "1.1.0", "slot": "green", "release": "1.1.0-2"},
    "to": {"version": "1.0.0", "slot": "blue", "release": "1.0.0-1"},
    "head": {"seq": 3, "hash": "00"},
    "steps": [],
}


def event(number: int, kind: str) -> str:
    more = {"step": {"title": f"Step {number}", "of": 3, "do": "x"}, "done": {"seconds": 0.5, "say": ""}}
    return json.dumps({"at": float(number), "event": kind, "number": number, **more[kind]}) + "\n"


class Run:
    """A run's directory on the target, and a process that is the act."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def step(self, number: int) -> None:
        with (self.directory / "steps.jsonl").open("a") as log:
            log.write(event(number, "step") + event(number, "done"))

    def end(self, **result) -> None:
        (self.directory / "result.json").write_text(json.dumps({**RESULT, **result}, indent=1))
        self.process.kill()
        self.process.wait()


@pytest.fixture
def acting(tmp_path, target):
    """A run that the module has just started; it does one step between two looks, and ends after the third."""
    run = Run(tmp_path)
    target.answers["run"] = {"run": "r1", "directory": str(tmp_path), "process": {"pid": run.process.pid}}
    target.between = lambda number: run.step(number) if number <= 3 else run.end() if number == 4 else None
    yield run
    run.process.kill()
    run.process.wait()


def steps_said(target) -> list[str]:
    return [line for line in target.said if "Step" in line]


@pytest.mark.parametrize("terminal", [False, True], ids=["", "by SSH"])
def test_each_step_is_told_once_as_it_happens(run, target, acting, terminal):
    target.terminal = terminal
    told = run(action, plan=PLANNED, settings={"name": "hello"}, reason="errors", environment_name="production")
    assert steps_said(target) == [f"  [hello1] {n}/3 Step {n} (0.5 s)" for n in (1, 2, 3)]
    assert (told["changed"], told["failed"], told["outcome"]) == (True, False, "done")
    assert told["head"] == RESULT["head"]
    ((name, args),) = target.modules
    assert name == "steady.runbooks.compose_run"
    assert (args["runbook"], args["plan"], args["reason"]) == ("rollback", PLAN["hash"], "errors")
    assert (args["environment_name"], args["actor"]) == ("production", {"user": "alice"})


@pytest.mark.parametrize(
    ("given", "artifacts", "handed"),
    [
        (constants.DEFAULT_HOST_LIST, "", []),
        (["/srv/inventory", "a,b,"], "", ["/srv/inventory", "a,b,"]),
        (["/runner/inventory/hosts"], "/runner/artifacts/7", []),
        (["/tmp/job_7/inventory", "/srv/inventory"], "/tmp/job_7/artifacts/7", ["/srv/inventory"]),
    ],
    ids=["default", "-i", "AWX", "ansible-runner"],
)
def test_the_inventory_is_handed_on_where_a_command_needs_it(
    run, target, acting, monkeypatch, given, artifacts, handed
):
    monkeypatch.setattr(context, "CLIARGS", CLIArgs({"inventory": given}))
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", artifacts)
    run(action, plan=PLANNED, settings={"name": "hello"})
    assert target.modules[0][1]["inventory"] == handed


@pytest.mark.parametrize("steps", [[{"do": "shift"}], []], ids=["", "nothing to do"])
def test_check_mode_starts_nothing(run, target, steps):
    told = run(action, check=True, plan={"plan": {**PLAN, "steps": steps}}, settings={"name": "hello"})
    assert (told["changed"], told["outcome"]) == (bool(steps), "planned")
    assert not target.modules
    assert not target.commands


def test_a_plan_with_nothing_to_do_starts_nothing(run, target):
    told = run(action, plan={"plan": {**PLAN, "steps": []}}, settings={"name": "hello"})
    assert (told["changed"], told["outcome"]) == (False, "planned")
    assert not target.modules


def test_a_connection_that_breaks_is_made_again(run, target, acting, monkeypatch):
    monkeypatch.setattr(action.time, "sleep", lambda seconds: None)
    act = target.between

    def between(number: int) -> None:
        target.lost = 3 if number == 2 else target.lost
        act(number)

    target.between = between
    told = run(action, plan=PLANNED, settings={"name": "hello"})
    assert told["outcome"] == "done"
    assert target.resets == 3
    assert len([line for line in target.said if "connection lost; the run goes on by itself" in line]) == 1
    assert len([line for line in target.said if "connected again" in line]) == 1
    assert len(steps_said(target)) == 3


def test_patience_ends(run, target, acting):
    target.lost = 10**6
    begun = time.monotonic()
    told = run(action, plan=PLANNED, settings={"name": "hello"}, patience=1)
    assert time.monotonic() - begun < 20
    assert (told["failed"], told["outcome"], told["failure"]["code"]) == (True, "lost", "run_lost")
    assert told["changed"] is True
    assert told["msg"].startswith("run r1 can no longer be followed: the connection is lost (Connection refused). ")
    assert "recover.yml" in told["failure"]["next_step"]


@pytest.mark.parametrize("buried", [True, False], ids=["gone", "a zombie"])
def test_an_act_that_died(run, target, acting, buried):
    acting.process.kill()
    if buried:
        acting.process.wait()
    target.between = lambda number: None
    told = run(action, plan=PLANNED, settings={"name": "hello"})
    assert told["msg"].startswith("run r1 can no longer be followed: its process is gone without a result. status.yml")


def test_a_directory_that_is_gone(run, target, acting, tmp_path):
    target.answers["run"]["directory"] = str(tmp_path / "gone")
    assert "is gone" in run(action, plan=PLANNED, settings={"name": "hello"})["failure"]["detail"]


def test_a_run_that_was_not_started(run, target):
    target.answers["run"] = {"failed": True, "msg": "busy. Wait.", "failure": {"code": "busy"}}
    told = run(action, plan=PLANNED, settings={"name": "hello"})
    assert (told["failed"], told["msg"]) == (True, "busy. Wait.")
    assert not target.commands


FAILURE = {"detail": "it crashed", "next_step": "See its log.", "code": "crashed"}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"outcome": "undone"}, "it crashed. It was undone: 1.1.0 serves as before. See its log."),
        ({"outcome": "undone", "from": None}, "it crashed. It was undone: nothing serves, as before. See its log."),
        ({"outcome": "kept"}, "it crashed. There was no way back: 1.0.0 serves. See its log."),
        (
            {"outcome": "stuck", "failure": {**FAILURE, "going_back": {"detail": "no disk"}}},
            "it crashed. Going back failed too: no disk. Run recover.yml. See its log.",
        ),
        ({"outcome": "refused"}, "it crashed. See its log."),
    ],
    ids=["undone", "undone to nothing", "kept", "stuck", "refused"],
)
def test_a_run_that_failed_says_what_serves(run, target, acting, result, message):
    target.between = lambda number: acting.end(**{"failure": FAILURE, **result})
    told = run(action, plan=PLANNED, settings={"name": "hello"})
    assert (told["failed"], told["msg"]) == (True, message)


@pytest.mark.parametrize(("outcome", "failed"), [("undone", False), ("done", True)])
def test_a_run_that_was_asked_to_go_back(run, target, acting, outcome, failed):
    target.between = lambda number: acting.end(outcome=outcome)
    told = run(action, plan={**PLANNED, "join": "r1"}, settings={"name": "hello"})
    assert told["failed"] is failed
    assert target.modules[0][1]["join"] == "r1"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller dies, the connection is cut, the act itself dies: the host ends in one whole release."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import HostLock
from ansible_collections.steady.runbooks.tests.system import shop, sshd
from ansible_collections.steady.runbooks.tests.system.hello import Hello, Started, wait_until
from ansible_collections.steady.runbooks.tests.system.runner import read_ledger

VERSIONS = (f"1.0.{number}" for number in count(1))
PATIENT = """\
- name: Apply an update, not waiting long for a connection
  hosts: "{{ lookup('steady.runbooks.environment', takes='version') }}"
  gather_facts: false
  module_defaults:
    steady.runbooks.act:
      patience: 3
  tasks:
    - name: Apply it
      ansible.builtin.import_role:
        name: steady.runbooks.service
        tasks_from: apply_update
      vars:
        service_version: "{{ version }}"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hello]:
    shop.provide_hello()
    hello = Hello(tmp_path_factory.mktemp("cut"), "t-cut")
    hello.remove()
    try:
        hello.done("apply_update", "-e", "version=1.0.0")
        yield hello
    finally:
        hello.remove()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    if reason := sshd.missing():
        pytest.skip(reason)
    with sshd.Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def begins(hello: Hello) -> bool:
    """Whether the run that was started last is still to take the lock."""
    run = hello.runs()[-1]
    started = (run / "process.json").exists() and not (run / "result.json").exists()
    return started and os.path.exists(f"/proc/{hello.process()}")


def ended(hello: Hello) -> list[dict]:
    """Wait until the host is done by itself, and return its ledger; one whole release serves then."""
    files = Files(str(hello.state))
    wait_until(
        lambda: not (HostLock(files, Clock()).holder() or unfinished(files, Clock()) or begins(hello)),
        "the run has ended",
        120,
    )
    state = hello.status()
    assert state["run"] == {}
    seen = state["observed"]
    live = seen["slots"][seen["live"]]
    assert (live["state"], live["ready"], seen["drift"]) == ("running", True, [])
    version = seen["releases"][live["release"]]["version"]
    assert hello.version() == version
    assert (seen["traffic"]["live"], seen["traffic"]["share"]) == (seen["live"], 0)
    ledger = read_ledger(hello.name)
    went_back = ledger[-1]["runbook"] == "recover" and ledger[-1]["rolled_back"]
    assert ledger[-1]["from" if went_back else "to"]["version"] == version
    return ledger


@pytest.mark.parametrize(
    "moment",
    [
        ". Settle on {version}\n",
        "TASK [steady.runbooks.service : Act, follow it",
        "Keep the source and the record of {version} (",
        "before anybody uses it (",
        "Watch {version} …",
    ],
    ids=["planned", "act starts", "stage", "shift", "watch"],
)
def test_the_controller_is_killed(service: Hello, moment: str) -> None:
    """Each time the run that the one before left behind is told, and has done what it set out to do."""
    before = len(read_ledger(service.name))
    old, new = service.version(), service.release(next(VERSIONS))
    seconds = 18 if moment.startswith("Watch") else 3
    service.set(service_watch={"seconds": seconds, "checkpoints": [seconds]})
    with service.start("apply_update", "-e", f"version={new}") as update:
        update.wait_for("last_run: ")
        last = read_ledger(service.name)[-1]
        ends = " -> ".join((last[end] or {"version": "nothing"})["version"] for end in ("from", "to"))
        assert f"last_run: apply_update {ends} ended: done" in update.text()
        update.wait_for(moment.format(version=new))
        update.kill()
    if moment.startswith("Watch"):
        run = service.status()["run"]
        assert (run["state"], run["runbook"], run["to"]["version"]) == ("live", "apply_update", new)
    ledger = ended(service)
    if len(ledger) == before:
        assert "Settle" in moment or "TASK" in moment, "the run was lost"
        assert service.version() == old
        return
    assert len(ledger) == before + 1
    assert (ledger[-1]["outcome"], ledger[-1]["from"]["version"], service.version()) == ("done", old, new)


def test_the_connection_is_cut_and_comes_back(service: Hello, server: sshd.Sshd) -> None:
    kept = dict(service.variables)
    service.set(**server.variables, service_watch={"seconds": 9, "checkpoints": [9]})
    try:
        new = service.release(next(VERSIONS))
        with service.start("apply_update", "-e", f"version={new}") as update:
            update.wait_for(f"Keep the source and the record of {new} (")
            process = service.process()
            server.cut()
            update.wait_for("connection lost; the run goes on by itself, trying to reach it again")
            time.sleep(5)  # as long as a connection is away; what is waited for comes after
            assert os.path.exists(f"/proc/{process}"), "the act died with the connection"
            server.start()
            assert update.wait() == 0, update.said
        assert (update.said.count("connection lost"), update.said.count("connected again")) == (1, 1), update.said
        assert "changed: [t-cut]" in update.said
        # Not a line of the step log is lost or told twice.
        ends = re.findall(r"\] ([0-9])/([0-9]) [^…\n]* \([0-9.]+ s\)", update.said)
        assert ends == [(str(number), str(len(ends))) for number in range(1, len(ends) + 1)]
        assert not re.search(r"WARNING|Traceback|UNREACHABLE", update.said), update.said
        assert ended(service)[-1]["outcome"] == "done"
    finally:
        service.variables = {}
        service.set(**kept)


def test_the_connection_stays_away(service: Hello, server: sshd.Sshd, tmp_path: Path) -> None:
    kept = dict(service.variables)
    service.set(**server.variables)
    playbook = tmp_path / "update.yml"
    playbook.write_text(PATIENT)
    new = service.release(next(VERSIONS))
    try:
        with service.start(str(playbook), "-e", f"version={new}") as update:
            update.wait_for(f"Keep the source and the record of {new} (")
            server.cut()
            assert update.wait(60) == 2, update.said
        run = service.runs()[-1].name
        assert re.search(rf"run {run} can no longer be followed: the connection is lost \(", update.said), update.said
        assert "status.yml tells whether it still runs and what serves; recover.yml ends a dead run." in update.said
        assert "code: run_lost" in update.said
    finally:
        service.variables = {}
        service.set(**kept)
        server.start()
    assert ended(service)[-1]["outcome"] == "done"
    assert service.version() == new
    assert f"-> {new} ended: done" in service.done("preflight")


@pytest.mark.parametrize(("step", "direction"), [("stage", "back"), ("watch", "finish")], ids=["go back", "finish"])
def test_the_act_is_killed(service: Hello, step: str, direction: str) -> None:
    old, new = service.version(), service.release(next(VERSIONS))
    service.set(service_watch={"seconds": 30, "checkpoints": [30]})
    before = len(service.runs())
    with service.start("apply_update", "-e", f"version={new}") as update:
        wait_until(lambda: len(service.runs()) > before and f'"do": "{step}"' in steps(service), step)
        kill_act(service, update)
    service.set(service_watch={"seconds": 1, "checkpoints": [1]})
    run = service.runs()[-1].name
    assert f"run {run} can no longer be followed: its process is gone without a result" in update.said

    state = service.status()
    assert (state["run"]["state"], state["run"]["run"]) == ("dead", run)
    assert f"run {run} (apply_update) DIED; run recover.yml: " in state["text"]
    dead = service.snapshot()
    said = service.play(*(["rollback"] if step == "watch" else ["apply_update", "-e", f"version={old}"]))
    assert said.returncode != 0
    refusal = f"run {run} died before it ended; nothing else is done until it is finished or undone. Run recover.yml"
    assert refusal in said.stdout
    words = [] if direction == "back" else ["-e", "direction=finish"]
    planned = plan_of(service.done("recover", *words, "--check", "--diff"))
    assert service.snapshot() == dead

    said = service.done("recover", *words)
    assert plan_of(said) == planned
    assert planned[0].startswith(f"recover t-cut: {'back to ' + old if direction == 'back' else 'on to ' + new} (plan ")
    assert f"! Run {run} (apply_update) died between {old} and {new}." in "\n".join(planned)
    result = json.loads((service.runs()[-1] / "result.json").read_text())
    titles = [re.sub(r"^\d+\. | +\[undo: .*", "", line.strip()) for line in planned if re.match(r" +\d+\. ", line)]
    assert [step["title"] for step in result["steps"]] == titles
    assert ended(service)[-1]["outcome"] == "done"
    assert service.version() == (old if direction == "back" else new)

    after = service.snapshot()
    again = service.play("recover")
    assert again.returncode != 0
    assert "no run has died here: there is nothing to recover. status.yml tells what runs." in again.stdout
    assert service.snapshot() == after


def kill_act(service: Hello, update: Started) -> None:
    process = service.process()
    controller = set(Path(f"/proc/{update.process.pid}/task/{update.process.pid}/children").read_text().split())
    assert str(process) not in controller, "the act is a child of the controller"
    assert os.getsid(process) == process, "the act is in the session of whoever started it"
    os.kill(process, signal.SIGKILL)
    assert update.wait(60) == 2, update.said


def steps(service: Hello) -> str:
    log = service.runs()[-1] / "steps.jsonl"
    return log.read_text() if log.exists() else ""


def plan_of(said: str) -> list[str]:
    """The plan as it is shown: from its head line to the end of the task."""
    shown = said.partition("Observe and plan]")[2].partition("TASK [")[0].splitlines()
    lines = [line[len("  [t-cut] ") :] for line in shown if line.startswith("  [t-cut] ")]
    return lines[next(number for number, line in enumerate(lines) if line.startswith("recover t-cut: ")) :]

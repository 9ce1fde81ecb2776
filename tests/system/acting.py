# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runbooks planned and started on this machine as the modules do it, without Ansible around them.

The plan is the function of module ``compose_run``, called here; the act is started by that which starts it, from a
copy of our code, detached, as a process of its own that can be killed. That saves the controller's seconds: it can be
done some hundred times. That both ways plan the same is tested: the plan's hash says so.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.compose import planning, status
from ansible_collections.steady.runbooks.plugins.module_utils.compose.platform import ComposePlatform
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import process_identity
from ansible_collections.steady.runbooks.plugins.plugin_utils.manifests import find_manifest
from ansible_collections.steady.runbooks.plugins.plugin_utils.source import pack
from ansible_collections.steady.runbooks.tests.system.hello import STATE, Hello, wait_until
from ansible_collections.steady.runbooks.tests.system.runner import PATH, ROOT

UTILS = "ansible_collections.steady.runbooks.plugins.module_utils"
ACT = f"{UTILS}.compose.act"
FAULTY = f"{UTILS}.faulty"  # the act that meets faults: tests/system/faulty.py, put into the copy beside the rest
_START = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from {UTILS}.compose.detach import start_run
from {UTILS}.errors import RunbookError
try:
    print(json.dumps(start_run(json.load(sys.stdin), sys.argv[2])))
except RunbookError as error:
    print(json.dumps({{"failure": error.as_dict()}}))
"""


def settings_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the role would tell the target of a host with these variables."""
    role = ROOT / "roles" / "service"
    names = yaml.safe_load((role / "vars/main.yml").read_text())["__service_settings"]
    values = {**yaml.safe_load((role / "defaults/main.yml").read_text()), **variables}
    values["service_project"] = values["service_project"] or values["service_name"]
    return {name: values[f"service_{name}"] for name in names}


class Acting:
    """The runbooks of one service. *environment* is added to that of the acts."""

    def __init__(self, hello: Hello, state_directory: str = str(STATE)) -> None:
        self.hello = hello
        self.state_directory = state_directory
        self.files = Files(os.path.join(state_directory, hello.name))
        self.environment: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, Any]:
        return settings_of(self.hello.variables)

    @property
    def params(self) -> dict[str, Any]:
        """What every module is given."""
        return {
            "settings": self.settings,
            "secrets": self.hello.variables.get("service_secrets") or {},
            "registries": [],
            "state_directory": self.state_directory,
        }

    @property
    def platform(self) -> ComposePlatform:
        return ComposePlatform.open({**self.params, "service": self.hello.name})

    def status(self) -> dict[str, Any]:
        return status.status(self.params)

    def plan(self, runbook: str, version: str = "", *, stays: bool = True, **options: Any) -> dict[str, Any]:
        """What compose_run answers; raises what it refuses. *stays* is false for ``--check``."""
        params = {**self.params, "runbook": runbook, "options": options, "release": None, "archive": None}
        with tempfile.TemporaryDirectory(prefix="steady-scratch-") as scratch:
            if version or runbook == "adopt":
                packed = pack(self.hello.variables["service_source"], into=scratch)
                manifests = self.hello.variables.get("service_manifests")
                manifest = dict(find_manifest(manifests, version)) if version else {}
                asked = {"version": version, "image": None, "images": manifest.get("images") or {}, "commit": ""}
                params["release"] = {**asked, "manifest": manifest, "source_digest": packed.digest}
                params["archive"] = packed.path
            return planning.plan_runbook(params, scratch, stays)

    def start(self, planned: Mapping[str, Any], act: str = ACT, faults: Mapping[str, Any] | None = None) -> Act:
        """Start the act of a plan, as compose_run does."""
        plan = planned["plan"]
        run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{plan['runbook']}-{secrets.token_hex(3)}"
        asked = {"runbook": plan["runbook"], "run": run, "plan": plan["hash"], "options": planned["options"]}
        params = {**self.params, **asked, "actor": {}, "reason": "", "environment_name": "local"}
        params.update(target_name=self.hello.name, inventory=[str(self.hello.inventory)])
        said = subprocess.run(
            [sys.executable, "-c", _START, code(), act],
            input=json.dumps(params),
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", "STEADY_FAULTS": json.dumps(faults or {}), **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        started = json.loads(said.stdout)
        if "failure" in started:
            failure = started["failure"]
            raise Refused(failure["detail"], code=failure["code"], next_step=failure["next_step"])
        return Act(run, Path(started["directory"]), started["process"], planned)

    def run(self, runbook: str, version: str = "", **options: Any) -> dict[str, Any]:
        """Plan and act to the end; {} when there was nothing to do."""
        planned = self.plan(runbook, version, **options)
        if not planned["plan"]["steps"]:
            return {}
        act = self.start(planned)
        result = act.wait()
        wait_until(lambda: not act.alive() or (act.directory / "report.html").exists(), "its report is written", 60)
        return result

    def done(self, runbook: str, version: str = "", **options: Any) -> dict[str, Any]:
        """A run that has to succeed."""
        result = self.run(runbook, version, **options)
        assert result.get("outcome", "done") == "done", result
        return result

    def refused(self, runbook: str, version: str = "", **options: Any) -> Refused:
        """Why it is not planned; that it is not is what is expected."""
        try:
            planned = self.plan(runbook, version, stays=False, **options)
        except Refused as error:
            return error
        raise AssertionError(f"{runbook} was planned: {planned['text']}")


@dataclass(frozen=True)
class Act:
    """One act that was started."""

    run: str
    directory: Path
    process: dict[str, Any]
    planned: Mapping[str, Any]

    def events(self) -> list[dict[str, Any]]:
        """The step log so far."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.directory / "steps.jsonl").read_bytes().splitlines(keepends=True)
            return [json.loads(line) for line in lines if line.endswith(b"\n")]
        return []

    def titles(self) -> list[str]:
        """The steps that have begun."""
        return [event["title"] for event in self.events() if event["event"] == "step"]

    def alive(self) -> bool:
        return process_identity(self.process["pid"])["process_start"] == self.process["process_start"]

    def ended(self) -> bool:
        return (self.directory / "result.json").exists()

    def reach(self, true: Callable[[], bool], seconds: float = 60) -> None:
        """Wait, closely, until something is true or the act has ended."""
        deadline = time.monotonic() + seconds
        while not true() and not self.ended() and self.alive():
            assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {self.events()[-3:]}"
            time.sleep(0.002)

    def reach_step(self, do: str) -> None:
        """Wait until this step has begun."""
        self.reach(lambda: any(event.get("do") == do for event in self.events()))

    def kill(self) -> None:
        """kill -9 of the act, and of nothing that it has started."""
        if self.alive():
            os.kill(self.process["pid"], 9)
            wait_until(lambda: not self.alive(), "it is dead", 10)

    def wait(self, seconds: float = 120) -> dict[str, Any]:
        """Its result; {} when it died without one."""
        deadline = time.monotonic() + seconds
        while not self.ended() and self.alive():
            assert time.monotonic() < deadline, f"no result after {seconds:.0f} s: {self.events()[-3:]}"
            time.sleep(0.02)
        if not self.ended():
            return {}
        return dict(json.loads((self.directory / "result.json").read_text()))


@functools.cache
def code() -> str:
    """A copy of our code as a host keeps it, with an act that meets faults beside the other."""
    copy = tempfile.mkdtemp(prefix="steady-code-")
    atexit.register(shutil.rmtree, copy)
    utils = Path(copy, *UTILS.split("."))
    shutil.copytree(ROOT / "plugins" / "module_utils", utils)
    shutil.copy(ROOT / "tests" / "system" / "faulty.py", utils)
    return copy


def now() -> float:
    return Clock().now()

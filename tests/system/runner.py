# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks run as AWX runs them: through ansible-runner, each in a private data directory of its own."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import ansible_runner

ROOT = Path(__file__).resolve().parents[2]
# Nobody's shell decides what is tested: only these, and the checkout's own ansible.cfg.
PATH = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "PATH": PATH,
    "HOME": str(Path.home()),
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "COLUMNS": "500",
}
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WARNING = re.compile(r"\[(?:DEPRECATION )?WARNING\]|\[DEPRECATED\]|Traceback \(most recent call last\)")
# What Ansible says with -vvv for each module that it sends to a target.
MODULE_SENT = re.compile(r"Using module file \S*/([a-z_]+)\.py")


@dataclass(frozen=True)
class Played:
    """A playbook run that has ended."""

    playbook: str
    rc: int
    seconds: float
    events: list[dict[str, Any]]
    stdout: str
    kept: str  # everything that the runner keeps of it, as AWX would store it

    def result(self, task: str) -> dict[str, Any]:
        """What the last task with this action (``act``, ``compose_info``, …) returned; {} when it did not run."""
        found = [
            event["event_data"]["res"]
            for event in self.events
            if event.get("event_data", {}).get("task_action", "").rpartition(".")[2] == task
            and event["event_data"].get("res")
        ]
        return dict(found[-1]) if found else {}

    @property
    def run(self) -> dict[str, Any]:
        """The result of the run on the target."""
        return self.result("act")

    @property
    def failure(self) -> dict[str, Any]:
        """Why it failed: ``{"code", "detail", "next_step", …}``; {} when it did not."""
        found = [self.result(task).get("failure") for task in ("act", "plan", "compose_info", "compose_history_info")]
        return next((dict(failure) for failure in found if failure), {})

    @property
    def module_calls(self) -> list[str]:
        """The modules that were sent to the target; only known of a run with ``verbosity=3``."""
        return MODULE_SENT.findall(self.stdout)

    @property
    def complaints(self) -> list[str]:
        """Warnings, deprecations and tracebacks, wherever they were said."""
        said = [line for line in self.stdout.splitlines() if WARNING.search(line)]
        for event in self.events:
            if event["event"] in ("warning", "deprecated", "system_warning"):
                said.append(event.get("stdout", ""))
            result = event.get("event_data", {}).get("res") or {}
            said += [str(each) for each in (*(result.get("warnings") or []), *(result.get("deprecations") or []))]
        return said


def play(
    playbook: str,
    extra: Mapping[str, Any] | None = None,
    *,
    env: str = "local",
    check: bool = False,
    inventory: Path | None = None,
    verbosity: int = 0,
    on_text: Callable[[str], None] | None = None,
) -> Played:
    """Run ``playbooks/<playbook>.yml`` to its end. *on_text* gets what it prints as soon as it does."""
    begun = time.monotonic()
    said: list[str] = []

    def handle(event: dict[str, Any]) -> bool:
        text = COLOUR.sub("", event.get("stdout") or "")
        if text:
            said.append(text)
            if on_text:
                on_text(text)
        return True

    with tempfile.TemporaryDirectory(prefix="steady-runner-") as folder:
        write_private_data(Path(folder), {"env": env, **(extra or {})}, check)
        runner = ansible_runner.run(
            private_data_dir=folder,
            project_dir=str(ROOT),
            playbook=f"playbooks/{playbook}.yml",
            inventory=str(inventory) if inventory else None,
            verbosity=verbosity or None,
            event_handler=handle,
            quiet=True,
        )
        events = list(runner.events)
        kept = "\n".join(path.read_text(errors="replace") for path in Path(folder, "artifacts").rglob("*.json"))
    return Played(playbook, int(runner.rc), time.monotonic() - begun, events, "\n".join(said) + "\n", kept)


def write_private_data(folder: Path, extra: Mapping[str, Any], check: bool) -> None:
    """``env/`` of a private data directory, as AWX writes it."""
    (folder / "env").mkdir()
    settings = {"suppress_ansible_output": True, "idle_timeout": 600, "job_timeout": 1200}
    for name, content in (("extravars", dict(extra)), ("envvars", ENVIRONMENT), ("settings", settings)):
        (folder / "env" / name).write_text(json.dumps(content))
    if check:
        (folder / "env" / "cmdline").write_text("--check --diff")


class Playing:
    """A playbook run in a thread of its own; as a context manager it is waited for."""

    def __init__(self, playbook: str, extra: Mapping[str, Any] | None = None, **options: Any) -> None:
        self._said: list[str] = []
        self._played: Played | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(playbook, extra, options), daemon=True)

    def __enter__(self) -> Playing:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.join()

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Wait until it has printed *text*."""
        deadline = time.monotonic() + seconds
        while not any(text in line for line in list(self._said)):
            assert self._thread.is_alive(), f"it ended without saying {text!r}: {''.join(self._said)}"
            assert time.monotonic() < deadline, f"it has not said {text!r} after {seconds:.0f} s: {self._said}"
            time.sleep(0.05)

    def wait(self) -> Played:
        self._thread.join()
        if self._error:
            raise self._error
        assert self._played
        return self._played

    def _run(self, playbook: str, extra: Mapping[str, Any] | None, options: dict[str, Any]) -> None:
        try:
            self._played = play(playbook, extra, on_text=self._said.append, **options)
        except BaseException as error:  # handed to whoever waits
            self._error = error


def read_ledger(service: str) -> list[dict[str, Any]]:
    """The entries of a service's ledger on this machine, oldest first; read as root."""
    path = f"/var/lib/steady/{service}/ledger.jsonl"
    return [json.loads(line) for line in Path(path).read_text().splitlines()] if os.path.exists(path) else []

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run ended, in a few lines, and its report brought to the controller."""

from __future__ import annotations

import base64
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.steady.runbooks.plugins.module_utils.report.facts import facts_of
from ansible_collections.steady.runbooks.plugins.module_utils.report.markup import clean
from ansible_collections.steady.runbooks.plugins.module_utils.report.story import story

# The report is written just after the result, and as the last of the files; a process that is gone writes no more.
_WAIT = """
cd {directory} || exit 9
tries=0
while [ ! -e report.html ] && [ $tries -lt 200 ]; do
  grep -q '^State:.[^ZX]' /proc/{pid}/status 2>/dev/null || break
  sleep 0.05; tries=$((tries+1))
done
ls
if [ -e report.html ]; then cat summary.json; fi
"""
FILES = ("report.html", "incident.md", "incident.json")


class Kept:
    """What a run's directory on the host has for people. *execute* runs a shell command there."""

    def __init__(self, execute: Callable[..., dict[str, Any]], directory: str) -> None:
        self.execute = execute
        self.directory = directory
        self.names: set[str] = set()
        self.summary: dict[str, Any] = {}

    @property
    def report(self) -> str:
        return f"{self.directory}/report.html" if "report.html" in self.names else ""

    def wait(self, pid: int) -> dict[str, Any]:
        """Wait up to ten seconds for the report that process *pid* writes, and return its summary; {} without one."""
        said = self._said(_WAIT.format(directory=shlex.quote(self.directory), pid=pid))
        names, brace, document = said.partition("{")
        self.names = set(names.split())
        self.summary = json.loads(brace + document) if brace else {}
        return self.summary

    def fetch(self, directory: str, name: str) -> str:
        """Bring what there is to *directory* here and return where the report is; by the shell, for become's sake."""
        target = Path(os.path.expanduser(directory))
        target.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if file in self.names:
                content = base64.b64decode(self._said(f"base64 < {shlex.quote(f'{self.directory}/{file}')}"))
                suffix = file.partition(".")[2] if file == "report.html" else file
                (target / f"{name}.{suffix}").write_bytes(content)
        return str(target / f"{name}.html") if self.report else ""

    @staticmethod
    def keep_head(directory: str, host: str, head: Mapping[str, Any]) -> None:
        """Copy the ledger's head here: a ledger whose end was cut off verifies by itself, but not against this."""
        target = Path(os.path.expanduser(directory), f"{host}.head")
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.{os.getpid()}")
        new.write_text(f"{head['seq']}:{head['hash']}\n", encoding="ascii")
        new.rename(target)

    def _said(self, command: str) -> str:
        said = self.execute(command, executable="/bin/sh")
        if said["rc"] != 0:
            raise ValueError(said.get("stderr") or f"exit status {said['rc']}")
        return str(said["stdout"])


def closing(ended: Mapping[str, Any], summary: Mapping[str, Any], report: str, here: str) -> list[str]:
    """At most seven lines: what changed, from and to, the time, what users got, how to undo, ledger head, report."""
    told = summary or story(facts_of({"result": ended}))
    start, goal = ended.get("from") or {}, ended.get("to") or {}
    lines = [told["headline"]]
    if goal:
        ends = " -> ".join(f"{end['version']} ({end['slot']})" if end else "nothing" for end in (start, goal))
        lines.append(f"{ends} in {ended.get('seconds', 0):.1f} s, run {ended['run']}")
    lines.append(f"users: {told['users']['say']}")
    undo = told["undo"]
    lines.append(f"undo: {undo['say']}")
    lines += [f"      {undo['command']}"] if undo["command"] else []
    head = ended.get("head") or {}
    lines += [f"ledger head: {head['seq']}:{head['hash']}"] if head else []
    places = [here, f"{report} on the host" if report else ""]
    lines += [f"report: {', '.join(place for place in places if place)}"] if any(places) else []
    return [clean(line).replace("\n", " ") for line in lines]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a planned run on its target and follow it live to its end, through broken connections too."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import time
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.steady.runbooks.plugins.plugin_utils.carrying import call
from ansible_collections.steady.runbooks.plugins.plugin_utils.closing import Kept, closing
from ansible_collections.steady.runbooks.plugins.plugin_utils.progress import Progress

display = Display()

# One command tells everything new: it answers as soon as the step log has grown past what is known, when the run has
# ended, or after two seconds; so following costs neither a module call nor a busy loop. What is known is counted in
# lines: a connection with a terminal (SSH) makes two bytes of each line's end.
_LOOK = """
cd {directory} || exit 9
alive() {{
  read -r state 2>/dev/null </proc/{pid}/stat || return 1
  case $state in *") Z "* | *") X "*) return 1 ;; esac
}}
tries=0
while [ $tries -lt 20 ]; do
  if [ -e result.json ]; then break; fi
  if [ -e steps.jsonl ] && [ "$(wc -l <steps.jsonl)" -gt {seen} ]; then break; fi
  if ! alive; then break; fi
  sleep 0.1; tries=$((tries+1))
done
if alive; then echo alive; else echo gone; fi
if [ -e result.json ]; then cat result.json | tr '\\n' ' '; fi; echo
tail -n +$(({seen}+1)) steps.jsonl 2>/dev/null
exit 0
"""


class ActionModule(ActionBase):
    """Follow a run: its progress line by line, its result as the task's result."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(
        ("plan", "settings", "secrets", "registries", "reason", "environment_name", "platform", "patience")
        + ("report_directory",)
    )

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _check, args = self.validate_argument_spec(
            argument_spec={
                "plan": {"type": "dict", "required": True},
                "settings": {"type": "dict", "required": True},
                "secrets": {"type": "dict", "default": {}},
                "registries": {"type": "list", "elements": "dict", "default": []},
                "reason": {"type": "str", "default": ""},
                "environment_name": {"type": "str", "default": ""},
                "platform": {"type": "str", "choices": ["compose"], "default": "compose"},
                "patience": {"type": "int", "default": 300},
                "report_directory": {"type": "path", "default": ""},
            }
        )
        planned = args["plan"]
        if self._task.check_mode or not planned["plan"]["steps"]:
            return {**result, "changed": bool(planned["plan"]["steps"]), "outcome": "planned", "head": None}
        started = self._start(planned, args, task_vars)
        if started.get("failed"):
            return {**result, **started}
        ended = self._follow(started, task_vars, patience=args["patience"])
        told = _told(ended, joined=bool(planned.get("join")))
        if ended["outcome"] != "lost":
            told.update(self._close(started, ended, args["report_directory"], task_vars))
        return {**result, **told}

    def _start(self, planned: dict[str, Any], args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        plan = planned["plan"]
        run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{plan['runbook']}-{secrets.token_hex(3)}"
        module_args = {
            "runbook": plan["runbook"],
            "run": run,
            "plan": plan["hash"],
            "options": planned.get("options") or {},
            "join": planned.get("join"),
            "settings": args["settings"],
            "secrets": args["secrets"],
            "registries": args["registries"],
            "environment_name": args["environment_name"],
            "target_name": task_vars.get("inventory_hostname", ""),
            "inventory": _inventory(),
            "actor": planned.get("actor") or {},
            "reason": args["reason"],
        }
        name = f"steady.runbooks.{args['platform']}_run"
        return call(self, name, module_args, task_vars)

    def _follow(self, started: dict[str, Any], task_vars: dict[str, Any], patience: int) -> dict[str, Any]:
        """Show the step log until the run has a result. *patience*: seconds without a connection before giving up."""
        progress = Progress(task_vars.get("inventory_hostname", ""), display)
        pid = int((started.get("process") or {}).get("pid") or 0)
        seen, lost_since = 0, 0.0
        while True:
            look = _LOOK.format(directory=shlex.quote(started["directory"]), seen=seen, pid=pid)
            try:
                said = self._low_level_execute_command(look, executable="/bin/sh")
                if said["rc"] == 9:
                    return _lost(started, f"its directory {started['directory']} is gone")
                if said["rc"] != 0:
                    raise AnsibleConnectionFailure(said.get("stderr", ""))
                if lost_since:
                    progress.say("connected again")
                lost_since = 0.0
            except AnsibleConnectionFailure as error:
                if not lost_since:
                    progress.say("connection lost; the run goes on by itself, trying to reach it again")
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > patience:
                    return _lost(started, f"the connection is lost ({error})")
                self._reset()
                time.sleep(min(2.0, patience / 10))
                continue
            alive, _newline, rest = said["stdout"].partition("\n")
            outcome, _newline, log = rest.partition("\n")
            whole = log[: log.rfind("\n") + 1].splitlines()
            seen += len(whole)
            for line in whole:
                progress.show(json.loads(line))
            if outcome.strip():
                return dict(json.loads(outcome))
            if alive.strip() == "gone":
                return _lost(started, "its process is gone without a result")

    def _close(
        self, started: dict[str, Any], ended: dict[str, Any], directory: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        """Say in a few lines how it ended, bring the report here if that is wanted, and name both places."""
        host = task_vars.get("inventory_hostname", "")
        where = Kept(self._low_level_execute_command, started["directory"])
        try:
            if directory and ended.get("head"):
                where.keep_head(directory, host, ended["head"])
            summary = where.wait(int((started.get("process") or {}).get("pid") or 0))
            here = where.fetch(directory, f"{host}-{ended['run']}") if directory else ""
        except (AnsibleConnectionFailure, OSError, ValueError) as error:
            summary, here = where.summary, ""
            display.warning(f"the report of run {ended['run']} could not be brought here: {error}")
        progress = Progress(host, display)
        for line in closing(ended, summary, where.report, here):
            progress.say(line, "green" if ended["outcome"] == "done" else "yellow")
        stats = {name: ended.get(name) for name in ("run", "runbook", "outcome", "head")}
        return {"report": where.report, "report_here": here, "stats": {host: {**stats, "report": here or where.report}}}

    def _reset(self) -> None:
        try:
            self._connection.reset()
        except (AnsibleConnectionFailure, AttributeError, NotImplementedError):
            return  # nothing to reset, or still out of reach: the next look tells


def _inventory() -> list[str]:
    """What ``-i`` named; not what ansible-runner and so AWX have in a directory that goes with the job."""
    given = list(context.CLIARGS.get("inventory") or [])
    if given == list(constants.DEFAULT_HOST_LIST):
        return []
    artifacts = os.environ.get("AWX_ISOLATED_DATA_DIR")  # in the job's directory: artifacts/NAME
    return [one for one in given if not artifacts or Path(artifacts).parent.parent not in Path(one).parents]


def _lost(started: dict[str, Any], why: str) -> dict[str, Any]:
    return {
        "run": started["run"],
        "outcome": "lost",
        "changed": True,  # as far as anybody can tell
        "failure": {
            "stage": "act",
            "code": "run_lost",
            "detail": f"run {started['run']} can no longer be followed: {why}",
            "last_seen": started.get("process"),
            "next_step": "status.yml tells whether it still runs and what serves; recover.yml ends a dead run.",
        },
    }


def _told(ended: dict[str, Any], joined: bool) -> dict[str, Any]:
    """The task's result for a run's result: failed unless what was asked for has been done."""
    failure = ended.get("failure") or {}
    good = ended["outcome"] == ("undone" if joined else "done")
    shown = ("run", "runbook", "outcome", "from", "to", "seconds", "proof", "proof_back", "watch", "failure", "head")
    told = {name: ended[name] for name in shown if ended.get(name) is not None}
    told.update(changed=bool(ended.get("changed")), failed=not good)
    if not good:
        told["msg"] = _sentences(*_why(ended, failure), failure.get("next_step"))
    return told


def _why(ended: dict[str, Any], failure: dict[str, Any]) -> list[str]:
    """What went wrong and what serves now."""
    why, outcome = failure.get("detail", ""), ended["outcome"]
    if outcome == "undone":
        return [why, f"It was undone: {_serves(ended)} as before"]
    if outcome == "kept":
        return [why, f"There was no way back: {ended['to']['version']} serves"]
    if outcome == "stuck":
        return [why, f"Going back failed too: {(failure.get('going_back') or {}).get('detail')}", "Run recover.yml"]
    if outcome == "done":
        return ["The run had ended well before it could be asked to go back", "Run this runbook again"]
    return [why]


def _sentences(*parts: str | None) -> str:
    return " ".join(f"{part.rstrip('. ')}." for part in parts if part)


def _serves(ended: dict[str, Any]) -> str:
    version = (ended.get("from") or {}).get("version")
    return f"{version} serves" if version else "nothing serves,"

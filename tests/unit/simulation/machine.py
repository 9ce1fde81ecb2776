# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated target and what a person does with it: plans and acts as the real ones, on a platform in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from unittest import mock

from ansible_collections.steady.runbooks.plugins.module_utils.compose import act
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, RunbookError
from ansible_collections.steady.runbooks.plugins.module_utils.run import checks
from ansible_collections.steady.runbooks.plugins.module_utils.run.engine import Context
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import NEW
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import HostLock
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import beside, make_plan

from .faults import Killed, Script, SimulatedFiles, VirtualClock
from .platform import MemoryPlatform, SimulatedProber
from .world import World

SETTINGS = {
    "name": "shop",
    "drain_seconds": 30,
    "hold_seconds": 60,
    "warm_seconds": 3600,
    "job_seconds": 3600,
    "watch": {"seconds": 2, "checkpoints": [1, 2]},
}
Snapshot = tuple[bytes, dict[str, bytes], int]


class Machine:
    """One target. What is on its disk and what runs survives a kill; each run is an act of its own."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.clock = VirtualClock()
        self.script = Script(self.clock)
        self.files = SimulatedFiles(root, self.script)
        self.world = World(self.clock)
        self.world.intent = self.written_intent
        self.platform = MemoryPlatform(self.world, self.script, self.files)
        self.ledger = Ledger(self.files)
        self.runs = 0
        self.kept: dict[str, dict[str, bytes]] = {}  # ended runs that are on the disk as a snapshot has them

    def written_intent(self) -> dict[str, Any] | None:
        """The intent of the run at work, if it is on the disk and says what it has to."""
        run = (self.files.read("run.current") or b"").decode().strip()
        intent = self.files.read_json(f"runs/{run}/intent.json") if run else None
        if intent and "write intent.json" in self.script.unwritten:
            intent["direction"] = None  # it turned, and could not write that down
        return intent if intent and intent["run"] == run == self.run_id and "from" in intent and intent["to"] else None

    @property
    def run_id(self) -> str:
        return f"20300101T000000-{self.runbook}-{self.runs:06x}"

    runbook = ""

    # -- what a person does ---------------------------------------------------------------------------------------

    def plan(self, runbook: str, new: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        """Observe and plan, as ``--check`` does; raise the refusal."""
        with self.script.paused():
            dead = unfinished(self.files, self.clock)
            if runbook != "recover":
                act.refuse_dead_run(dead)
            observed = self.platform.describe()
            checks.gate(checks.go_no_go(observed, SETTINGS))
            request = {"runbook": runbook, "service": "shop", "release": new, "options": options}
            request["dead"] = dead.intent() if dead else None
            request.update(beside(self.platform, runbook, observed))
            return make_plan(observed, request)[0]

    def act(self, plan: dict[str, Any], new: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        """Do a plan as the detached act does; the outcome of a run that is killed is ``killed``."""
        self.runs += 1
        self.runbook = plan["runbook"]
        self.world.one_way = bool(options.get("accept_one_way")) or self.world.one_way and self.runbook == "recover"
        with self.script.paused():
            if new:
                self.files.write_json("incoming/release.json", new)
        request = {
            "runbook": plan["runbook"],
            "run": self.run_id,
            "plan": plan["hash"],
            "service": "shop",
            "settings": SETTINGS,
            "secrets": {},
            "options": options,
        }
        lock = HostLock(self.files, self.clock)
        locks = mock.patch.object(act, "HostLock", new=lambda *_args: lock)
        prober = mock.patch.object(act, "prober", new=lambda *_args: SimulatedProber(self.world))
        try:
            with locks, prober:
                return act.act(self.platform, request, self.clock, self._begun)
        except Killed:
            return {"outcome": "killed"}
        except (OSError, KeyError) as error:
            return {"outcome": "killed", "why": repr(error)}  # with a traceback and no result: as if killed
        finally:
            lock.release()  # the kernel does, however a process ends

    def _begun(self, context: Context) -> None:
        self.script.interrupt = context.interrupt

    def run(
        self, runbook: str, new: dict[str, Any] | None = None, options: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Plan and act; a refusal is a result too. *new* is the release of an update."""
        try:
            plan = self.plan(runbook, new, options or {})
        except Refused as error:
            return {"outcome": "refused", "failure": error.as_dict(), "planned": True}
        if not plan["steps"]:
            return {"outcome": "nothing to do", "plan": plan}
        result = self.act(plan, new, options or {})
        result["titles"] = [step["title"] for step in plan["steps"]]
        return result

    # -- what is checked afterwards -------------------------------------------------------------------------------

    def not_whole(self) -> list[str]:
        """Everything that is not as it has to be when all runs have ended: empty when one whole release serves."""
        found = self.world.at_rest()
        try:
            if self.ledger.verify()["torn"]:
                found.append("the ledger's last line is torn")
        except RunbookError as error:
            found.append(error.detail)
        if unfinished(self.files, self.clock):
            found.append("a run is left unfinished")
        again = self.run("recover")
        if again["outcome"] != "refused" or again["failure"]["code"] != "nothing_to_recover":
            found.append(f"a second recover is not refused: {again}")
        return found

    def remnants(self) -> list[str]:
        """Files that were not yet in their place when something died."""
        return [f"{name} is left" for _folder, _folders, names in os.walk(self.root) for name in names if NEW in name]

    # -- snapshots ------------------------------------------------------------------------------------------------

    def save(self) -> Snapshot:
        return self.world.save(), self._content(), self.runs

    def survivors(self) -> Any:
        """What a recovery can see of what was before it, to be compared."""
        files = {path: data for path, data in self._content(self.kept).items() if not path.endswith("steps.jsonl")}
        return repr(self.world.state), tuple(self.world.wrong), frozenset(files.items()), self.runs

    def load(self, snapshot: Snapshot) -> None:
        state, content, self.runs = snapshot
        # Runs that have ended are never written to again: what an earlier load left of them is let be.
        ended = {
            path.split("/")[1] for path in content if path.endswith("/result.json") and b"stuck" not in content[path]
        }
        wanted = {run: {path: data for path, data in content.items() if f"/{run}/" in path} for run in ended}
        kept = {run: files for run, files in wanted.items() if self.kept.get(run) == files}
        for path in self._content(kept):
            os.unlink(os.path.join(self.root, path))
        for path, data in content.items():
            if path.startswith("runs/") and path.split("/")[1] in kept:
                continue
            where = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(where), exist_ok=True)
            with open(where, "wb") as stream:
                stream.write(data)
        self.kept = wanted
        self.world.load(state)
        self.script.lift()

    def _content(self, without: Iterable[str] = ()) -> dict[str, bytes]:
        """All files below the root, but for the runs that are named."""
        content = {}
        for folder, folders, names in os.walk(self.root):
            if os.path.basename(folder) == "runs":
                folders[:] = [name for name in folders if name not in without]
            for name in names:
                where = os.path.join(folder, name)
                with open(where, "rb") as stream:
                    content[os.path.relpath(where, self.root)] = stream.read()
        return content

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long histories from a seed: any runbook after any other, of releases of all kinds, with several faults on the way."""

from __future__ import annotations

import random
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.compose import act
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished

from .faults import AT_CALL
from .machine import Machine
from .scenarios import Release, release

KINDS = sorted({kind for kinds in AT_CALL.values() for kind in kinds})
REFUSALS = (
    "already_live",
    "in_maintenance",
    "internal_error",
    "not_adopted",
    "nothing_live",
    "nothing_to_recover",
    "nothing_to_roll_back_to",
    "nothing_to_switch_to",
    "no_way_back",
    "on_purpose",
    "schema_incompatible",
    "state_not_written",
)
OTHERS = ("blue_green_switch", "retire", "maintenance", "prune", "scale", "unadopt")
MOST_POINTS = 90


class History:
    """One target over months, as somebody could have used it."""

    def __init__(self, machine: Machine, dice: random.Random) -> None:
        self.machine = machine
        self.dice = dice
        self.releases = 0
        self.runs = 0
        self.faults = 0
        machine.world.state.schema = "r1"

    def step(self) -> list[str]:
        """One thing that a person does, with faults and what has to be done after them; what is wrong then."""
        machine, dice = self.machine, self.dice
        if dice.random() < 0.2:
            self._time_passes()
        runbook = dice.choice(("apply_update",) * 4 + ("rollback",) * 3 + OTHERS)
        new, options = None, {}
        plain = machine.world.state.plain
        if plain.web == "running" and dice.random() < 0.8:
            runbook, new = "adopt", {**(plain.release or {}), "jobs_done": (plain.release or {})["jobs"]}
        if runbook == "apply_update":
            new = self._release()
            options = {"accept_one_way": True}
        elif runbook == "rollback" and dice.random() < 0.4 and machine.world.state.releases:
            options = {"release": dice.choice(sorted(machine.world.state.releases))}
        elif runbook == "maintenance":
            options = {"state": dice.choice(("on", "off"))}
        elif runbook == "scale":
            options = {"service": "web", "replicas": str(dice.choice((1, 2, 3)))}
        told = [f"{runbook} {new['version'] if new else options}"]
        result = self._run(runbook, new, options, told)
        for _again in range(4):
            if unfinished(machine.files, machine.clock):
                direction = dice.choice(("auto", "auto", "finish", "back"))
                self._run("recover", None, {"direction": direction}, told)
        if unfinished(machine.files, machine.clock):
            machine.run("recover")
        machine.world.one_way = False
        wrong = machine.not_whole()
        if result["outcome"] == "refused" and result["failure"]["code"] not in (
            *REFUSALS,
            "nothing_to_recover",
            "on_purpose",
            "internal_error",
        ):
            wrong.append(f"refused: {result['failure']}")
        return [f"{told}: {one}" for one in wrong]

    def _run(self, runbook: str, new: Release | None, options: dict[str, Any], told: list[str]) -> dict[str, Any]:
        script, dice = self.machine.script, self.dice
        script.lift()
        if dice.random() < 0.7:
            wanted = {dice.randrange(MOST_POINTS): dice.choice(KINDS) for _fault in range(dice.choice((1, 1, 2, 3)))}
            script.faults = dict(wanted)
        result = self.machine.run(runbook, new, options)
        hit = {f"{kind} at {script.seen[n]}" for n, kind in script.faults.items() if n < len(script.seen)}
        told.append(f"{runbook} with {sorted(hit)}: {result['outcome']}")
        self.runs += 1
        self.faults += len(hit)
        script.lift()
        return result

    def _release(self) -> Release:
        dice, now = self.dice, self.machine.world.schema()
        # One that is applied again has no job to undo, and does not fail for ever.
        releases = self.machine.world.state.releases
        known = sorted(name for name, one in releases.items() if not one["jobs"] and one["acts"]["start_seconds"])
        if known and dice.random() < 0.1:
            again = releases[dice.choice(known)]
            return {**again, "jobs_done": [], "previous": None}
        self.releases += 1
        hands = tuple(hand for hand in ("worker", "scheduler") if dice.random() < 0.6)
        acts: dict[str, Any] = {"start_seconds": dice.choice((0.5, 2.0, 5.0))}
        more: dict[str, Any] = {"schema": {"revision": now, "compatible": [now]}}
        additive = dice.random() < 0.7
        if dice.random() < 0.3:
            to = f"r{self.releases + 1}"
            more["schema"] = {"revision": to, "compatible": [to], "additive_to": [now] if additive else []}
            more["jobs"] = ["migrate"]
            acts["migrates_to"] = to
        if dice.random() < 0.15:
            acts["errors"] = 0.5
        elif dice.random() < 0.15 and (additive or not more.get("jobs")):
            acts.update(dice.choice(({"start_seconds": None}, {"job_fails": True})))
        strategy = "hold" if dice.random() < 0.2 else "overlap"
        return release(f"1.{self.releases}.0", hands=hands, strategy=strategy, acts=acts, **more)

    def _time_passes(self) -> None:
        """The warm window ends, as the act that opened it sees to."""
        machine = self.machine
        with machine.script.paused():
            written, machine.world.intent = machine.world.intent, lambda: {"direction": "", "from": None, "to": {}}
            act.keep_warm(machine.platform, {"run": "warm"}, machine.clock)
            machine.world.intent = written

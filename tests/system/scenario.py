# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states that a service is in when something happens to a run of it, and how a dead run is ended."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import other
from ansible_collections.steady.runbooks.tests.system.acting import Act, Acting


@dataclass
class Tally:
    """What was killed and what became of it."""

    kills: int = 0
    late: int = 0  # the run had ended before it could be killed
    converged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kills} kills, {self.converged} converged" + (f", {self.late} came too late" * bool(self.late))


class Scenario:
    """A service, and the state that each kill of *runbook* begins with."""

    def __init__(self, acting: Acting, runbook: str, state: str) -> None:
        self.acting, self.runbook, self.state = acting, runbook, state

    def prepare(self) -> None:
        """``alone``: one release serves, without another. ``warm``: another runs beside it; ``cold``: it is stopped."""
        acting = self.acting
        if self.state == "nothing":
            acting.hello.remove()
            return
        if not self.live:
            acting.done("apply_update", "1.0.0")
        if self.state == "alone":
            acting.done("retire")
            for name in set(acting.files.names("releases")) - {self.observed["slots"][self.slot]["release"]}:
                shutil.rmtree(acting.files.path("releases", name))
            return
        beside = self.observed["slots"][other(self.slot)]
        if not beside["release"]:
            acting.done("apply_update", self.another)
        elif self.state == "warm" and not beside["ready"]:
            acting.done("blue_green_switch")
        if self.state == "cold":
            acting.platform.halt(other(self.slot))

    def plan(self) -> dict[str, Any]:
        if self.runbook == "apply_update":
            return self.acting.plan("apply_update", self.another)
        options = {"release": self.another} if self.runbook == "rollback" else {}
        return self.acting.plan(self.runbook, **options)

    def start(self) -> Act:
        self.prepare()
        return self.acting.start(self.plan())

    @property
    def observed(self) -> dict[str, Any]:
        return dict(self.acting.platform.describe())

    @property
    def slot(self) -> str:
        return str(self.observed["live"])

    @property
    def live(self) -> str:
        """The version that serves, as the host has it recorded."""
        return str(self.acting.status()["live"].get("version", ""))

    @property
    def another(self) -> str:
        """The version that does not serve."""
        return "1.1.0" if self.live == "1.0.0" else "1.0.0"


def end(acting: Acting, act: Act, way: str = "auto") -> list[str]:
    """End the dead *act* by recover.yml, and return what is wrong with what is said and done."""
    wrong = []
    seen = acting.status()
    if seen["run"].get("state") != "dead" or seen["run"].get("run") != act.run:
        wrong.append(f"status says {seen['run']}")
    if "DIED; run recover.yml" not in seen["text"]:
        wrong.append(f"status tells people {seen['text']}")
    for runbook in ("apply_update", "rollback", "blue_green_switch", "retire"):
        refusal = acting.refused(runbook, "1.2.0" if runbook == "apply_update" else "")
        if refusal.code != "dead_run" or "recover.yml" not in refusal.next_step:
            wrong.append(f"{runbook} is refused for {refusal.detail} {refusal.next_step}")
    try:
        told = acting.plan("recover", stays=False, direction=way)
        ending = acting.start(acting.plan("recover", direction=way))
        result = ending.wait()
    except Refused as error:
        if (way, error.code) == ("back", "no_way_back"):  # it says so, and changes nothing: the other way is left
            return [*wrong, *end(acting, act, "finish")]
        return [*wrong, f"recover refuses: {error.code}: {error.detail}"]
    if result.get("outcome") != "done":
        wrong.append(f"recover ends {result.get('outcome')}: {result.get('failure')}")
    titles = [step["title"] for step in told["plan"]["steps"]]
    if ending.titles() != titles or told["plan"]["hash"] != result.get("plan"):
        wrong.append(f"recover said it would do {titles}, and did {ending.titles()}")
    if any(title not in told["text"] for title in titles):
        wrong.append(f"--check --diff does not tell all of it: {told['text']}")
    return wrong

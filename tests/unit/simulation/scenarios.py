# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is played: releases of all kinds, and each runbook from each state in which it does something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .machine import Machine
from .world import Plain

Release = dict[str, Any]


def release(version: str, *, hands: tuple[str, ...] = ("worker", "scheduler"), **more: Any) -> Release:
    """The record of a release. *hands*: the workers and schedulers that it has."""
    return {
        "id": f"{version}-00000000",
        "version": version,
        "images": {"backend": f"registry/shop@sha256:{version}"},
        "commit": "",
        "type": "",
        "changes": [],
        "source_digest": version,
        "schema": {"revision": "r1", "compatible": ["r1"]},
        "jobs": [],
        "jobs_done": [],
        "strategy": "overlap",
        "workers": bool(hands),
        "hands": sorted(hands),
        "roles": {"web": "web", **{hand: hand for hand in hands}},
        "previous": None,
        "notes": [],
        **more,
    }


def migrating(version: str, to: str, *, additive: bool = True, **more: Any) -> Release:
    """A release whose job takes the schema to another revision."""
    schema = {"revision": to, "compatible": [to], "additive_to": ["r1"] if additive else []}
    return release(version, schema=schema, jobs=["migrate"], acts={"migrates_to": to, **more.pop("acts", {})}, **more)


@dataclass(frozen=True)
class Scenario:
    """*before* has been done, each with success; then *runbook* is played, and without faults ends as *outcome*.

    Each of *before* is a runbook with its release, its options, or nothing.
    """

    name: str
    runbook: str
    before: tuple[tuple[str, Any], ...] = ()
    release: Release | None = None
    options: dict[str, Any] = field(default_factory=dict)
    outcome: str = "done"
    schema: str = "r1"

    def prepare(self, machine: Machine) -> None:
        """Bring the target to where the scenario begins."""
        machine.world.state.schema = self.schema
        for runbook, about in self.before:
            if runbook == "plain":
                plainly(machine, about)
                continue
            if runbook == "halt":
                machine.platform.world.intent = lambda: {"direction": "", "to": {}}
                machine.platform.halt(about)
                machine.world.intent = machine.written_intent
                continue
            options = {"accept_one_way": True} if runbook == "apply_update" else {}
            if isinstance(about, dict) and "id" not in about:
                about, options = None, about
            result = machine.run(runbook, about, options)
            assert result["outcome"] == "done", result
        assert not self.before or not machine.not_whole(), machine.not_whole()
        machine.world.one_way = False

    def play(self, machine: Machine) -> dict[str, Any]:
        return machine.run(self.runbook, self.release, self.options)


def plainly(machine: Machine, about: Release) -> None:
    """Have a release run by plain compose, as somebody did who had never heard of us."""
    state = machine.world.state
    state.base = ["cache", "db"]
    state.plain = Plain(about, "running", 0.0, set(about["hands"]))


ONE, TWO, THREE = release("1.0.0"), release("1.1.0"), release("1.2.0")
FOUR = release("1.3.0")
ALONE, ALONE_TOO, ALONE_THREE = (release(v, strategy="hold") for v in ("1.0.0", "1.1.0", "1.2.0"))
NEVER, ILL = release("1.0.0", acts={"start_seconds": None}), release("1.0.0", acts={"errors": 0.5})
ILL_ALONE = release("1.0.0", strategy="hold", acts={"errors": 0.5})
IDLE, IDLE_TOO = release("1.0.0", hands=()), release("1.1.0", hands=())


ON = {"state": "on"}
THRICE = {"service": "web", "replicas": "3", "cpus": "0.5"}


def update(*releases: Release) -> tuple[tuple[str, Any], ...]:
    return tuple(("apply_update", one) for one in releases)


SCENARIOS = [
    Scenario("first", "apply_update", (), ONE),
    Scenario(
        "first that never starts", "apply_update", (), release("1.0.0", acts={"start_seconds": None}), {}, "undone"
    ),
    Scenario("second", "apply_update", update(ONE), TWO),
    Scenario("second beside a stopped one", "apply_update", (*update(ONE, TWO), ("halt", "blue")), THREE),
    Scenario("third", "apply_update", update(ONE, TWO), THREE),
    Scenario("gets workers", "apply_update", update(IDLE), TWO),
    Scenario("loses its workers", "apply_update", update(ONE), IDLE_TOO),
    Scenario("loses its scheduler", "apply_update", update(ONE), release("1.1.0", hands=("worker",))),
    Scenario("exclusive", "apply_update", update(ALONE), ALONE_TOO),
    Scenario("exclusive third", "apply_update", update(ALONE, ALONE_TOO), ALONE_THREE),
    Scenario("becomes exclusive", "apply_update", update(ONE, TWO), ALONE_THREE),
    Scenario("is exclusive no more", "apply_update", update(ALONE, ALONE_TOO), THREE),
    Scenario("migration", "apply_update", update(ONE), migrating("1.1.0", "r2")),
    Scenario(
        "one way", "apply_update", update(ONE), migrating("2.0.0", "r2", additive=False), {"accept_one_way": True}
    ),
    Scenario(
        "one way that fails its watch",
        "apply_update",
        update(ONE),
        migrating("2.0.0", "r2", additive=False, acts={"errors": 0.5}),
        {"accept_one_way": True},
        "kept",
    ),
    Scenario("exclusive migration", "apply_update", update(ALONE), migrating("1.1.0", "r2", strategy="hold")),
    Scenario(
        "exclusive one way",
        "apply_update",
        update(ALONE),
        migrating("2.0.0", "r2", additive=False, strategy="hold"),
        {"accept_one_way": True},
    ),
    Scenario(
        "job fails", "apply_update", update(ONE), migrating("1.1.0", "r2", acts={"job_fails": True}), {}, "undone"
    ),
    Scenario("never starts", "apply_update", update(ONE), release("1.1.0", acts={"start_seconds": None}), {}, "undone"),
    Scenario(
        "exclusive never starts",
        "apply_update",
        update(ALONE),
        release("1.1.0", strategy="hold", acts={"start_seconds": None}),
        {},
        "undone",
    ),
    Scenario("fails its watch", "apply_update", update(ONE, TWO), release("1.2.0", acts={"errors": 0.5}), {}, "undone"),
    Scenario(
        "exclusive fails its watch",
        "apply_update",
        update(ALONE),
        release("1.1.0", strategy="hold", acts={"errors": 0.5}),
        {},
        "undone",
    ),
    Scenario("switch", "blue_green_switch", update(ONE, TWO)),
    Scenario("switch cold", "blue_green_switch", (*update(ONE, TWO), ("halt", "blue"))),
    Scenario("rollback warm", "rollback", update(ONE, TWO)),
    Scenario("rollback cold", "rollback", (*update(ONE, TWO), ("halt", "blue"))),
    Scenario("rollback retired", "rollback", (*update(ONE, TWO), ("retire", None))),
    Scenario("rollback named", "rollback", update(ONE, TWO, THREE), None, {"release": "1.0.0"}),
    Scenario("rollback exclusive", "rollback", update(ALONE, ALONE_TOO)),
    Scenario("rollback over a migration", "rollback", update(ONE, migrating("1.1.0", "r2"))),
    Scenario("maintenance", "maintenance", update(ONE, TWO), None, ON),
    Scenario("maintenance ends", "maintenance", (*update(ONE), ("maintenance", ON)), None, {"state": "off"}),
    Scenario("update behind the page", "apply_update", (*update(ONE), ("maintenance", ON)), TWO),
    Scenario(
        "fails its watch behind the page",
        "apply_update",
        (*update(ONE), ("maintenance", ON)),
        release("1.1.0", acts={"errors": 0.5}),
        {},
        "undone",
    ),
    Scenario("rollback behind the page", "rollback", (*update(ONE, TWO), ("maintenance", ON))),
    Scenario("prune", "prune", update(ONE, TWO, THREE, FOUR)),
    Scenario("prune beside a retired slot", "prune", (*update(ONE, TWO, THREE, FOUR), ("retire", None))),
    Scenario("scale", "scale", update(ONE, TWO), None, THRICE),
    Scenario("scale back", "scale", (*update(ONE), ("scale", THRICE)), None, {"service": "web", "unset": True}),
    Scenario("one variable", "set_env", update(ONE, TWO), {**TWO, "id": "1.1.0-11111111", "source_of": TWO["id"]}),
    Scenario("retire", "retire", update(ONE, TWO)),
    Scenario("retire stopped", "retire", update(ALONE, ALONE_TOO)),
    Scenario("adopt", "adopt", (("plain", ONE),), ONE),
    Scenario("adopt without workers", "adopt", (("plain", IDLE),), IDLE),
    Scenario("adopt exclusive", "adopt", (("plain", ALONE),), ALONE),
    Scenario("adopt what never starts", "adopt", (("plain", NEVER),), NEVER, {}, "undone"),
    Scenario("adopt what fails its watch", "adopt", (("plain", ILL),), ILL, {}, "undone"),
    Scenario("adopt exclusive that fails its watch", "adopt", (("plain", ILL_ALONE),), ILL_ALONE, {}, "undone"),
    Scenario("unadopt", "unadopt", (("plain", ONE), ("adopt", ONE))),
    Scenario("unadopt after updates", "unadopt", (("plain", ONE), ("adopt", ONE), *update(TWO, THREE))),
    Scenario("unadopt exclusive", "unadopt", (("plain", ALONE), ("adopt", ALONE), *update(ALONE_TOO))),
    Scenario("unadopt what was never adopted", "unadopt", update(ONE, TWO)),
    Scenario("adopt again", "adopt", (("plain", ONE), ("adopt", ONE), ("unadopt", None)), ONE),
]

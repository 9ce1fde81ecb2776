# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing a plan: forwards step by step, and back as soon as a step cannot make its part true.

The engine knows platforms only by the contract, and gets clock, files and everything random handed in, so that a
simulation can play every crash of every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ..errors import Refused, RunbookError, StepFailed
from . import plan as plans
from .clock import Clock
from .contract import Observation, Platform, Release
from .journal import Journal
from .ledger import Ledger
from .schema import lives_with

Handler = Callable[["Context", dict[str, Any]], dict[str, Any]]


@dataclass
class Context:
    """What the steps of one run share."""

    platform: Platform
    journal: Journal
    ledger: Ledger
    clock: Clock
    settings: dict[str, Any]
    secrets: dict[str, str]
    releases: dict[str, Release]
    goal: str
    handlers: Mapping[str, Handler]
    probing: Callable[..., Any] | None = None  # makes the prober of the proof; None where there is nothing to probe
    intent: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    forward: bool = True
    prober: Any = None  # the one that probes now
    counted: dict[str, Any] = field(default_factory=dict)  # the edge's counters when it began
    held: bool = False
    ends: Journal | None = None  # the dead run that this one ends

    @property
    def release(self) -> Release:
        """The record of the release that the run is about."""
        return self.releases[self.goal]

    def progress(self, text: str) -> None:
        """One line about something that takes long."""
        self.journal.log("progress", text=text)


def perform(context: Context, plan: plans.Plan, origin: Release | None, who: dict[str, Any]) -> dict[str, Any]:
    """Do *plan* and return the result of the run; never leaves the target between two releases if it can be helped.

    *origin* is the record of the release that serves now, None before the first one. The outcome is ``done``,
    ``undone`` (it failed and the release from before serves as if nothing had been), ``kept`` (it failed after the
    point of no return, so the new release serves) or ``stuck`` (neither way worked: recover.yml).
    """
    started = context.clock.now()
    context.intent = {
        "format": 1,
        "run": context.journal.run,
        "runbook": plan["runbook"],
        "direction": "forward",
        "from": plan["from"],
        "to": plan["to"],
        "plan": plan,
        "release": context.release,
        "started": started,
        **who,
    }
    context.journal.intend(context.intent)
    if context.ends is not None:
        # From here on this run answers for what the dead one had begun.
        context.ends.finish({"outcome": "recovered", "by": context.journal.run, "run": context.ends.run})
    steps: list[dict[str, Any]] = []
    failure: dict[str, Any] | None = None
    outcome = "done"
    try:
        _walk(context, plan["steps"], steps)
    except RunbookError as error:
        failure = {**error.as_dict(), "stage": error.stage or (steps[-1]["do"] if steps else "")}
        context.journal.log("failure", **failure)
        failure["logs"] = _last_words(context, plan["to"]["slot"], started)
        outcome = _turn(context, plan, origin, steps, failure)
    return finish(context, outcome, steps, failure)


def finish(
    context: Context, outcome: str, steps: list[dict[str, Any]], failure: dict[str, Any] | None
) -> dict[str, Any]:
    """Write the ledger's line and the result."""
    intent = context.intent
    now = context.clock.now()
    release = context.release
    result = {
        "run": context.journal.run,
        "runbook": intent["runbook"],
        "service": intent["plan"]["service"],
        "environment": intent.get("environment", ""),
        "outcome": outcome,
        "changed": any(step.get("changed") for step in steps),
        "from": intent["from"],
        "to": intent["to"],
        "plan": intent["plan"]["hash"],
        "started": intent["started"],
        "ended": now,
        "seconds": round(now - intent["started"], 3),
        "actor": intent.get("actor", {}),
        "reason": intent.get("reason", ""),
        "rolled_back": outcome == "undone" or intent["runbook"] == "rollback" or intent["plan"].get("way") == "back",
        "release": {name: release.get(name) for name in ("commit", "source_digest", "schema", "type", "changes")},
        "failure": failure,
        **context.evidence,
    }
    result = context.journal.mask.data(result)
    if not any(entry.get("run") == context.journal.run for entry in context.ledger.entries()):
        context.ledger.append({"kind": "run", "time": now, **result})
    result = {**result, "steps": context.journal.mask.data(steps), "head": context.ledger.head()}
    context.journal.finish(result)
    context.journal.log("end", outcome=outcome)
    return result


def _walk(context: Context, steps: list[plans.Step], done: list[dict[str, Any]]) -> None:
    for number, step in enumerate(steps, 1):
        clock = context.clock
        record = {"do": step["do"], "title": step["title"], "direction": context.intent["direction"], "at": clock.now()}
        done.append(record)
        context.journal.log("step", number=number, of=len(steps), title=step["title"], do=step["do"])
        begun = clock.monotonic()
        try:
            said = context.handlers[step["do"]](context, step["args"])
        except RunbookError:
            raise
        except Exception as error:  # a defect of ours must not leave the target between two releases either
            raise StepFailed(
                f"{step['title']}: {type(error).__name__}: {error}",
                code="internal_error",
                next_step="Please report this with the run's directory; the run goes back by itself.",
            ) from error
        record.update(seconds=round(clock.monotonic() - begun, 3), changed=bool(said.get("changed")), evidence=said)
        context.journal.log("done", number=number, seconds=record["seconds"], say=said.get("say", ""))


def _turn(
    context: Context,
    plan: plans.Plan,
    origin: Release | None,
    steps: list[dict[str, Any]],
    failure: dict[str, Any],
) -> str:
    """Go back after a failure, or on where there is no way back; name the outcome."""
    try:
        observed = context.platform.describe()
        if origin and not lives_with(origin, observed["schema"], [*observed["releases"].values(), context.release]):
            return _go_on(context, plan, observed, steps, failure)
        context.forward = False
        context.intent = {**context.intent, "direction": "back"}
        context.journal.intend(context.intent)
        context.journal.log("turn", text=f"going back to {origin['version'] if origin else 'nothing'}")
        _walk(context, plans.back(observed, plan["from"], plan["to"], origin), steps)
        return "undone"
    except RunbookError as error:
        failure["going_back"] = error.as_dict()
        context.journal.log("failure", **error.as_dict())
        return "stuck"


def _go_on(
    context: Context, plan: plans.Plan, observed: Observation, steps: list[dict[str, Any]], failure: dict[str, Any]
) -> str:
    context.journal.log("turn", text="past the point of no return: going on")
    failure["next_step"] = "The database is past the point of no return: mend forward with a new release."
    _walk(context, plans.towards(observed, plan["to"]["slot"], context.release, verify=False), steps)
    return "kept"


def _last_words(context: Context, slot: str, since: float) -> list[str]:
    try:
        return context.platform.logs(slot, since, 50)
    except RunbookError as error:
        return [f"(no logs: {error.detail})"]


def same_plan(expected: str, fresh: plans.Plan) -> None:
    """Refuse to act on something else than what was planned (and perhaps approved)."""
    if expected and fresh["hash"] != expected:
        raise Refused(
            f"what is observed no longer matches plan {expected}: it would now be plan {fresh['hash']}",
            code="plan_drifted",
            last_seen=plans.describe_steps(fresh),
            next_step="Look at the new plan (--check --diff) and approve that one, or run without approved_plan.",
        )

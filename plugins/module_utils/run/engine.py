# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing a plan: forwards step by step, and back as soon as a step cannot make its part true.

The engine knows platforms only by the contract, and gets clock, files and everything random handed in, so that a
simulation can play every crash of every run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ..errors import Refused, RunbookError, StepFailed
from . import plain
from . import plan as plans
from .clock import Clock
from .contract import Observation, Platform, Release
from .journal import Journal, bury, not_written
from .ledger import Ledger, LedgerBroken
from .recover import FORMAT, root
from .schema import survives

Handler = Callable[["Context", dict[str, Any]], dict[str, Any]]
ATTEMPTS, PAUSE = 2, 1.0  # at going back, and seconds between them: once, Docker may just have been busy


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
    begun: float = 0.0  # by the clock that nobody sets
    turned: bool = False  # it ends what it can end now, whatever anybody thinks of that
    interruptible: bool = False
    interrupted: bool = False
    prober: Any = None  # the one that probes now
    counted: dict[str, Any] | None = None  # the edge's counters when it began
    held: bool = False
    switched: float | None = None  # when the last switch began
    ends: Journal | None = None  # the dead run that this one ends

    @property
    def release(self) -> Release:
        """The record of the release that the run is about."""
        return self.releases[self.goal]

    @property
    def forward(self) -> bool:
        """Whether it is on its way to the new release, and not back to the old one."""
        return bool(self.intent["direction"] == "forward")

    def interrupt(self) -> None:
        """Somebody asks the act to end (SIGTERM): a step forward is left at once, going back never is."""
        self.interrupted = True
        if self.interruptible:
            raise interruption()

    def progress(self, text: str) -> None:
        """One line about something that takes long."""
        self.journal.progress(text)


def perform(context: Context, plan: plans.Plan, origin: Release | None, who: dict[str, Any]) -> dict[str, Any]:
    """Do *plan* and return the result of the run; never leaves the target between two releases if it can be helped.

    *origin* is the record of the release that serves now, None before the first one. The outcome is ``done``,
    ``undone`` (it failed and the release from before serves as if nothing had been), ``kept`` (it failed after the
    point of no return, so the new release serves) or ``stuck`` (neither way worked: recover.yml).
    """
    started, context.begun = context.clock.now(), context.clock.monotonic()
    dead = context.ends.intent() if context.ends else None
    context.intent = {
        "format": FORMAT,
        "run": context.journal.run,
        "runbook": plan["runbook"],
        "direction": "back" if plan.get("way") == "back" else "forward",
        "from": plan["from"],
        "to": plan["to"],
        "plan": plan,
        "release": context.release,
        "ends": root(dead) if dead else None,
        "started": started,
        **who,
    }
    context.ledger.check()
    try:
        context.journal.intend(context.intent)
    except OSError as error:
        # What this cannot withdraw stays: then it is as dead as the one that it was to end.
        context.journal.withdraw(context.ends)
        raise not_written(error) from error
    if context.ends:
        bury(context.journal.files, context.clock, context.journal.run, context.ends)
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
    if context.prober is not None:  # the step that would have ended the proof was not reached
        context.evidence.setdefault("proof", context.prober.stop().as_dict())
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
        "seconds": round(context.clock.monotonic() - context.begun, 3),
        "actor": intent.get("actor", {}),
        "reason": intent.get("reason", ""),
        "rolled_back": outcome == "undone" or intent["runbook"] == "rollback" or intent["plan"].get("way") == "back",
        "release": {name: release.get(name) for name in ("commit", "source_digest", "schema", "type", "changes")},
        "failure": failure,
        **context.evidence,
    }
    result = context.journal.mask.data(result)
    with contextlib.suppress(OSError):  # what died before left it; whoever sees the result finds nothing of it
        context.journal.files.sweep()
    try:
        context.ledger.append({"kind": "run", "time": now, **result})
    except LedgerBroken as error:  # somebody changed it during the run: what was done is told all the same
        result["failure"] = result["failure"] or error.as_dict()
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
            context.interruptible = not context.turned
            said = context.handlers[step["do"]](context, step["args"])
        except RunbookError:
            raise
        except Exception as error:  # a defect of ours must not leave the target between two releases either
            raise defect(step["title"], error) from error
        finally:
            context.interruptible = False
        if context.interrupted and not context.turned:
            raise interruption()
        record.update(seconds=round(clock.monotonic() - begun, 3), changed=bool(said.get("changed")), evidence=said)
        context.journal.log("done", number=number, seconds=record["seconds"], say=said.get("say", ""))


def _turn(
    context: Context,
    plan: plans.Plan,
    origin: Release | None,
    steps: list[dict[str, Any]],
    failure: dict[str, Any],
) -> str:
    """Go back after a failure, or on where there is no way back; name the outcome. A way that fails is tried again."""
    context.turned, context.interruptible = True, False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            outcome = _way_out(context, plan, origin, steps, failure)
        except Exception as error:  # whatever it is: this is what users depend on now
            told = error if isinstance(error, RunbookError) else defect("going back", error)
            failure["going_back"] = told.as_dict()
            context.journal.log("failure", **told.as_dict())
            if attempt < ATTEMPTS:
                context.clock.sleep(PAUSE)
        else:
            failure.pop("going_back", None)
            return outcome
    return "stuck"


def _way_out(
    context: Context,
    plan: plans.Plan,
    origin: Release | None,
    steps: list[dict[str, Any]],
    failure: dict[str, Any],
) -> str:
    observed = context.platform.describe()
    if plain.concerns(plan):
        return _plain_way_out(context, plan, observed, steps, failure)
    in_place = "back" in plan  # who serves was never in question
    if not in_place and context.forward and not (origin is None or survives(origin, observed, context.release)):
        context.journal.log("turn", text="past the point of no return: going on")
        failure["next_step"] = "The database is past the point of no return: mend forward with a new release."
        jobs = tuple(step["args"]["service"] for step in plan["steps"] if step["do"] == "run_job")
        way = plans.towards(observed, plan["to"]["slot"], context.release, jobs=jobs, verify=False)
        _walk(context, way, steps)
        return "kept"
    context.intent = {**context.intent, "direction": "back"}
    with contextlib.suppress(OSError):  # with the former intent a recovery would go back too, where that is safe
        context.journal.intend(context.intent)
    context.journal.log("turn", text=f"going back to {origin['version'] if origin else 'nothing'}")
    _walk(context, plan["back"] if in_place else plans.back(observed, plan["from"], plan["to"], origin), steps)
    return "undone"


def _plain_way_out(
    context: Context, plan: plans.Plan, observed: Observation, steps: list[dict[str, Any]], failure: dict[str, Any]
) -> str:
    """Plain compose and a slot run the same release: each can take over from the other until one is being removed."""
    why = plain.past(observed, plan)
    if why:
        context.journal.log("turn", text=f"{why}: going on")
        failure["next_step"] = "Nothing: it was finished."
        _walk(context, plain.onward(observed, plan, context.release), steps)
        return "kept"
    context.intent = {**context.intent, "direction": "back"}
    with contextlib.suppress(OSError):
        context.journal.intend(context.intent)
    context.journal.log("turn", text="going back to where it came from")
    _walk(context, plain.back(observed, plan, context.release), steps)
    return "undone"


def defect(what: str, error: Exception) -> StepFailed:
    """What a run fails with that met a mistake of ours."""
    return StepFailed(
        f"{what}: {type(error).__name__}: {error}",
        code="internal_error",
        next_step="Please report this with the run's directory; the run goes back by itself.",
    )


def interruption() -> StepFailed:
    """What a run that was asked to end fails with."""
    return StepFailed(
        "the act was asked to end (SIGTERM)",
        code="terminated",
        next_step="The run goes back by itself; look at status.yml.",
    )


def _last_words(context: Context, slot: str, since: float) -> list[str]:
    try:
        return context.platform.logs(slot, since, 50)
    except Exception as error:
        return [f"(no logs: {error})"]


def same_plan(expected: str, fresh: plans.Plan) -> None:
    """Refuse to act on something else than what was planned (and perhaps approved)."""
    if expected and fresh["hash"] != expected:
        raise Refused(
            f"what is observed no longer matches plan {expected}: it would now be plan {fresh['hash']}",
            code="plan_drifted",
            last_seen=plans.describe_steps(fresh),
            next_step="Look at the new plan (--check --diff) and approve that one, or run without approved_plan.",
        )

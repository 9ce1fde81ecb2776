# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The act: it runs on the host, detached from the connection that started it, and ends by itself.

Started by module ``compose_run`` from a copy of the module's own archive, with everything it needs handed in on
standard input; what it does can be followed in the run's step log.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import traceback
from typing import Any, Callable

from ..errors import Refused, RunbookError
from ..run import checks, engine
from ..run.clock import Clock
from ..run.contract import other
from ..run.journal import Journal, unfinished
from ..run.ledger import Ledger
from ..run.lock import HostLock, process_identity
from ..run.runbooks import NEW, beside, make_plan
from ..run.steps import HANDLERS
from ..verify.http import unverified
from ..verify.proof import Prober, Target
from .archive import planned_release
from .leftover import end_leftovers
from .platform import ComposePlatform


def main() -> None:
    """Read the request, do it, and stay to end the warm window."""
    request = json.load(sys.stdin)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminated)
    platform = ComposePlatform.open(request)
    clock = platform.host.clock
    result = act(platform, request, clock, _interruptible)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    write_reports(platform, request, clock)
    if result["outcome"] in ("done", "kept") and any(step["do"] == "settle" for step in result["steps"]):
        keep_warm(platform, request, clock)


def act(
    platform: ComposePlatform,
    request: dict[str, Any],
    clock: Clock,
    on_begin: Callable[[engine.Context], None] = lambda context: None,
) -> dict[str, Any]:
    """One run from the lock to the ledger; whatever happens, a result is written. *on_begin* gets to know the run."""
    files = platform.host.files
    platform.host.hide_kept()
    journal = Journal(files, request["run"], clock, platform.host.mask)
    lock = HostLock(files, clock)
    try:
        if request["runbook"] in NEW:
            request["release"] = planned_release(files)
            platform.fetch(request["release"], journal.progress)
        lock.acquire({"run": request["run"], "runbook": request["runbook"], "since": clock.now()})
        dead = unfinished(files, clock)
        if request["runbook"] == "recover":
            request["dead"] = dead.intent() if dead else None
            end_leftovers(request["dead"] or {}, clock)
        else:
            refuse_dead_run(dead)
        observed = platform.describe()
        gates = checks.go_no_go(observed, request["settings"])
        checks.gate(gates)
        request.update(beside(platform, request["runbook"], observed))
        plan, release = make_plan(observed, {**request, "settings_digest": platform.host.settings_digest})
        engine.same_plan(request["plan"], plan)
        if request["runbook"] in NEW:
            gates += checks.mandated(platform.headroom(observed, release, plan["steps"]), request["settings"])
            checks.gate(gates)
        elif request["runbook"] != "recover" and any(step["do"] == "stage" for step in plan["steps"]):
            # before anything is held or stopped for a release whose images cannot be had any more
            platform.fetch(release, journal.progress)
        start = plan["from"]["release"] if plan["from"] else None
        context = engine.Context(
            platform=platform,
            journal=journal,
            ledger=Ledger(files),
            clock=clock,
            settings=request["settings"],
            secrets=request["secrets"],
            releases={**observed["releases"], release["id"]: release},
            goal=release["id"],
            ends=dead,
            handlers=HANDLERS,
            probing=lambda entrances, token, slow: prober(entrances, token, slow, clock),
        )
        on_begin(context)
        who = {name: request.get(name) for name in ("actor", "reason", "environment", "target", "inventory")}
        who.update(checks=gates, process=process_identity())
        return engine.perform(context, plan, observed["releases"].get(start or ""), who)
    except RunbookError as error:
        return _not_begun(journal, request, error)
    except Exception as error:
        if journal.intent() is not None:
            raise  # it has begun, and is for recover.yml to end: to say that nothing was changed would be untrue
        return _not_begun(journal, request, engine.defect("before the first change", error))
    finally:
        # Without the lock it could be what somebody else has planned since.
        mine = request.get("release") or {}
        if lock.handle is not None or mine and mine == files.read_json("incoming/release.json"):
            with contextlib.suppress(OSError):  # the run has ended as it has, whatever is left of what it came with
                files.remove("incoming")
        lock.release()


def write_reports(platform: ComposePlatform, request: dict[str, Any], clock: Clock) -> None:
    """What people read about this run, and about any that died before it was reported; the lock is free again."""
    from ..report.record import write_missing  # not before: users do not wait for this import

    files = platform.host.files
    try:
        write_missing(files, platform, platform.host.release, clock, platform.host.mask)
    except Exception:  # the run is over and recorded; into act.log
        traceback.print_exc()


def prober(entrances: list[dict[str, Any]], token: str, slow_ms: float, clock: Clock) -> Prober:
    """Our own requests through the edge; one that is held waits for its answer as a user would."""
    targets = [
        Target(one["host"], one["port"], one["path"], tls=unverified() if one["tls"] else None) for one in entrances
    ]
    return Prober(targets, token, clock, timeout=max(10.0, 1.5 * slow_ms / 1000), slow_ms=slow_ms)


def _not_begun(journal: Journal, request: dict[str, Any], error: RunbookError) -> dict[str, Any]:
    result = {
        "run": request["run"],
        "runbook": request["runbook"],
        "outcome": "refused",
        "changed": False,
        "failure": error.as_dict(),
        "steps": [],
    }
    journal.finish(result)
    journal.log("end", outcome="refused")
    return result


def refuse_dead_run(dead: Journal | None) -> None:
    """Called with the lock held: a run without a result is then a dead one."""
    if dead is None:
        return
    intent = dead.intent() or {}
    raise Refused(
        f"run {dead.run} died before it ended; nothing else is done until it is finished or undone",
        code="dead_run",
        last_seen={name: intent.get(name) for name in ("runbook", "from", "to", "direction", "started")},
        next_step="Run recover.yml for this environment: it shows what happened and finishes or undoes it.",
    )


def keep_warm(platform: ComposePlatform, request: dict[str, Any], clock: Clock) -> None:
    """Wait for the end of the warm window, then stop the idle slot, unless somebody else has been here."""
    files = platform.host.files
    live = platform.edge.serving().live
    slot = other(live) if live in ("blue", "green") else None
    until = platform.host.slot(slot).get("warm_until") if slot else None
    while slot and until and clock.now() < until:
        clock.sleep(min(5.0, max(0.1, until - clock.now())))
        if platform.host.slot(slot).get("warm_until") != until:
            return
    if not slot or not until:
        return
    lock = HostLock(files, clock)
    try:
        lock.acquire({"run": request["run"], "runbook": "warm window", "since": clock.now()})
        untouched = platform.edge.serving().live == live and platform.host.slot(slot).get("warm_until") == until
        if untouched and unfinished(files, clock) is None:
            platform.halt(slot)
    except RunbookError:
        return  # somebody is at work: that run decides about the slot
    finally:
        lock.release()


def _interruptible(context: engine.Context) -> None:
    signal.signal(signal.SIGTERM, lambda _signal, _frame: context.interrupt())


def _terminated(_signal: int, _frame: Any) -> None:
    raise engine.interruption()


if __name__ == "__main__":
    main()

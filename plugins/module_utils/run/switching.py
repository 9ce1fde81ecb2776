# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps in which users could notice something: the switch, which is proved, and the watch after it."""

from __future__ import annotations

from typing import Any

from ..errors import RunbookError, StepFailed
from ..verify.judge import baseline_of, fixed_limits
from ..verify.proof import confirmed
from ..verify.settings import Watch, parse_proof
from ..verify.watch import overdue_bound, watch
from .contract import PLAIN, Progress, other
from .engine import Context, interruption
from .waiter import wait_for

BASELINE_SECONDS = 120.0
BEFORE_SECONDS = 0.1  # of probing before the switch, which waits for it, and
AFTER_SECONDS = 0.4  # after the first answer of the new slot
LEAST_REQUESTS = 20  # before a share of them says anything


def start_proof(context: Context) -> None:
    """Begin to probe every entrance as a user would; goes on until :func:`end_proof`."""
    if context.prober is not None or context.probing is None:
        return
    entrances = [entrance for entrance in context.platform.entrances() if entrance["mode"] == "http"]
    if not entrances:
        return
    context.counted = counters(context)
    slow_ms = parse_proof(context.settings.get("proof")).max_gap_ms + held_ms(context)
    context.prober = context.probing(entrances, context.platform.probe_token(), slow_ms)
    context.prober.start()
    context.clock.sleep(BEFORE_SECONDS)


def held_ms(context: Context) -> int:
    """How long a request may wait on purpose: as long as a hold is declared to last."""
    return 1000 * int(context.settings["hold_seconds"]) if context.held else 0


def mark(context: Context, slot: str) -> None:
    """The switch to *slot* comes next."""
    context.switched = context.clock.now()
    if context.prober is not None:
        context.prober.mark(slot)


def end_proof(context: Context, slot: str) -> dict[str, Any]:
    """Wait until the new slot answers our probes, stop probing and say how it went; {} when nothing could be probed."""
    prober, context.prober = context.prober, None
    if prober is None:
        return {}
    try:
        wait_for(
            lambda: (prober.seen(slot), None),
            what="the new slot answers",
            timeout=5,
            clock=context.clock,
            interval=0.01,
        )
        context.clock.sleep(AFTER_SECONDS)
    except RunbookError:
        pass  # the proof says it: there was no first response of the new slot
    proof = prober.stop()
    declared = context.settings.get("proof")
    verdict = confirmed(proof, context.counted, counters(context), declared, held_ms(context))
    if PLAIN in verdict["slots"]:  # what it costs has been said before, and is not the release's fault
        verdict.update(breach=False, why="the hand-over of the ports was announced")
    context.evidence["proof" if context.forward else "proof_back"] = verdict
    return verdict


def outage(context: Context, proof: dict[str, Any]) -> str:
    """Record how long the hand-over of the ports has cost, as our probes saw it, and say it."""
    if not proof:
        return "the outage was not measured: no HTTP port is published"
    context.evidence["outage_ms"] = round(proof["longest_gap_ms"])
    return f"outage {context.evidence['outage_ms']} ms"


def counters(context: Context) -> dict[str, Any] | None:
    """What the edge has counted, or None when it cannot be asked: no reason to keep anybody from switching."""
    try:
        return context.platform.counters()
    except RunbookError:
        return None


def unprobed(context: Context, slot: str, before: dict[str, Any] | None) -> str:
    """What to say of a switch that no probe of ours has seen: how users' own connections went, where that is known."""
    if context.probing is None:
        return "not probed"
    if not context.intent["from"]:
        return "not probed: nothing served before"
    now, why = counters(context), "not probed: no HTTP port is published"
    if before is None or now is None:
        return why
    made, failed = (now[slot][name] - before[slot][name] for name in ("requests", "errors"))
    return f"{why}; {failed:.0f} of {made:.0f} new connections failed"


def usable(context: Context, slot: str) -> Progress:
    """Progress of a step between the switch and the watch that stops it when most requests to *slot* fail by now."""
    if not context.forward or context.turned:
        return context.progress
    begin = counters(context)

    def progress(text: str) -> None:
        context.progress(text)
        now = counters(context)
        if begin is None or now is None:
            return
        requests, errors = (now[slot][name] - begin[slot][name] for name in ("requests", "errors"))
        if requests >= LEAST_REQUESTS and errors > requests / 2:
            raise StepFailed(
                f"{errors:.0f} of {requests:.0f} requests failed since the switch",
                code="unusable",
                last_seen={"requests": requests, "errors": errors},
                next_step="The incident record has its logs; mend it in a new release.",
            )

    return progress


def watch_slot(context: Context, slot: str, declared: Watch) -> dict[str, Any]:
    """Watch *slot* under real traffic. Raise :class:`StepFailed` when it fails, or when somebody asks to go back."""
    platform, clock = context.platform, context.clock
    until = context.switched or clock.now()
    old = platform.history(other(slot), until - BASELINE_SECONDS, until)
    latencies = [value for sample in old for value in sample.latencies_ms or ()]
    asked: dict[str, Any] = {}

    def preempted() -> bool:
        asked.update(context.journal.return_requested() or {})
        return bool(asked) or context.interrupted

    verdict = watch(
        platform.source(slot, overdue_bound(latencies)),
        fixed_limits(declared.limits, baseline_of(old, BASELINE_SECONDS)),
        slot=slot,
        seconds=declared.seconds,
        checkpoints=declared.checkpoints,
        clock=clock,
        on_progress=lambda line: context.progress(_said(line)),
        preempted=preempted,
        healthy=lambda: platform.health(slot),
    )
    context.evidence["watch"] = verdict.as_dict()
    nobody = verdict.outcome == "inconclusive" and not verdict.figures.get("requests")
    why = "no requests were seen" if nobody else "; ".join(verdict.reasons) or "within all limits"
    say = f"{verdict.outcome}: {why}"
    if context.interrupted:
        raise interruption()
    if verdict.outcome == "preempted":
        raise StepFailed(
            f"{(asked.get('actor') or {}).get('user', 'somebody')} asked this run to go back (run {asked.get('run')})",
            code="preempted",
            last_seen=asked,
            next_step="",
        )
    if verdict.outcome == "fail":
        raise StepFailed(
            f"the release failed its watch: {'; '.join(verdict.reasons)}",
            code="watch_failed",
            last_seen=verdict.as_dict(),
            next_step="The incident record has its logs; mend it in a new release.",
        )
    return {"changed": False, "watch": verdict.as_dict(), "say": say}


def _said(line: dict[str, Any]) -> str:
    p95 = f", p95 {line['recent_p95_ms']:.0f} ms" if line["recent_p95_ms"] is not None else ""
    bad = line["errors"] + line["overdue"]
    return f"{line['elapsed_s']} of {line['of_s']} s: {line['requests']} requests, {bad} bad{p95}"

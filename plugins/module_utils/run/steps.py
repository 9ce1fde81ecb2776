# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each step of a plan does: each looks at what is true and makes its part true, whether it ran before or not."""

from __future__ import annotations

from typing import Any

from ..errors import StepFailed
from ..verify.settings import parse_watch
from .contract import PLAIN, other
from .engine import Context
from .switching import counters, end_proof, mark, outage, start_proof, unprobed, usable, watch_slot
from .verification import check_release

JOB_PATIENCE = 60.0  # when a run goes back: users are served again, and whoever waits wants to know
Evidence = dict[str, Any]
Args = dict[str, Any]


def prepare(context: Context, args: Args) -> Evidence:
    return context.platform.prepare(context.releases[args["release"]])


def base(context: Context, args: Args) -> Evidence:
    return context.platform.base(context.releases[args["release"]], context.progress)


def run_job(context: Context, args: Args) -> Evidence:
    return context.platform.run_job(context.releases[args["release"]], args["service"], context.progress)


def end_jobs(context: Context, args: Args) -> Evidence:
    seconds = JOB_PATIENCE if context.turned else context.settings["job_seconds"]
    return context.platform.end_jobs(seconds, context.progress)


def stage(context: Context, args: Args) -> Evidence:
    return context.platform.stage(args["slot"], context.releases[args["release"]], context.progress)


def verify(context: Context, args: Args) -> Evidence:
    """The declared smoke tests and the version endpoint, against the slot itself."""
    release = context.releases[args["release"]]
    results = check_release(context.platform, context.settings, context.secrets, context.clock, args["slot"], release)
    bad = [result for result in results if not result["ok"]]
    if bad:
        raise StepFailed(
            f"{len(bad)} of {len(results)} checks failed, first {bad[0]['name']}: {bad[0]['seen']}",
            code="checks_failed",
            last_seen=results,
            next_step="See the service's own logs for these requests.",
        )
    return {
        "changed": False,
        "checks": results,
        "say": f"{len(results)} check{'s' * (len(results) != 1)} passed" if results else "no checks declared",
    }


def remember(context: Context, args: Args) -> Evidence:
    return context.platform.remember(context.releases[args["release"]])


def take_ports(context: Context, args: Args) -> Evidence:
    """From plain compose to the edge: the one moment in which nobody has the ports, so it is probed."""
    context.held = True
    start_proof(context)
    return context.platform.take_ports(context.releases[args["release"]], args["slot"], context.progress)


def dismiss(context: Context, args: Args) -> Evidence:
    return context.platform.dismiss()


def draft(context: Context, args: Args) -> Evidence:
    return context.platform.draft(context.releases[args["release"]], args["home"])


def restore(context: Context, args: Args) -> Evidence:
    """From the edge to plain compose."""
    start_proof(context)
    mark(context, PLAIN)
    said = context.platform.restore(context.releases[args["release"]], context.progress)
    proof = end_proof(context, PLAIN)
    say = "; ".join(part for part in (outage(context, proof), said.get("say", "")) if part)
    return {**said, "proof": proof, "say": say}


def dissolve(context: Context, args: Args) -> Evidence:
    return context.platform.dissolve()


def hold(context: Context, args: Args) -> Evidence:
    """Hold new requests, and let the slot that is stopped next finish those that it has."""
    context.held = True
    start_proof(context)
    said = context.platform.hold()
    drained = context.platform.drain(args["slot"], context.settings["drain_seconds"], context.progress)
    return {**said, "drained": drained, "say": f"drained in {drained['drained_s']:.1f} s, {drained['cut']} cut"}


def maintain(context: Context, args: Args) -> Evidence:
    return {**context.platform.maintain(args["on"]), "on": args["on"]}


def halt(context: Context, args: Args) -> Evidence:
    return context.platform.halt(args["slot"])


def retire(context: Context, args: Args) -> Evidence:
    return context.platform.retire(args["slot"])


def discard(context: Context, args: Args) -> Evidence:
    return context.platform.discard(args["kind"], args["names"])


def scale(context: Context, args: Args) -> Evidence:
    return context.platform.scale(args["service"], args["wanted"], context.progress)


def close(context: Context, args: Args) -> Evidence:
    return context.platform.close()


def handover(context: Context, args: Args) -> Evidence:
    return context.platform.handover(args["slot"], usable(context, args["slot"]))


def shift(context: Context, args: Args) -> Evidence:
    """Send all requests to a slot, with our own probes as the proof, and let the old one finish its requests."""
    slot = args["slot"]
    start_proof(context)
    mark(context, slot)
    before = counters(context)
    said = context.platform.shift(slot)
    proof = end_proof(context, slot)
    drained = context.platform.drain(other(slot), context.settings["drain_seconds"], context.progress)
    if proof.get("breach") and context.forward and not context.turned:
        raise StepFailed(
            f"users noticed the switch: {proof['why']}",
            code="switch_breached",
            last_seen=proof,
            next_step="Look at the failed probes; declare what is acceptable in service_proof if it is.",
        )
    lost = outage(context, proof) if PLAIN in (proof.get("slots") or {}) else ""
    say = f"{proof['say'] if proof else unprobed(context, slot, before)}; "
    say += f"drained in {drained['drained_s']:.1f} s, {drained['cut']} cut"
    say = f"{lost}; {say}" if lost else say
    return {**said, "proof": proof, "drained": drained, "say": say}


def watch(context: Context, args: Args) -> Evidence:
    """Watch the slot under real traffic; a failed watch fails the step, and the run goes back."""
    return watch_slot(context, args["slot"], parse_watch(context.settings.get("watch") or {}))


def settle(context: Context, args: Args) -> Evidence:
    """Record who serves, and until when the other slot is kept warm."""
    warm_until = context.clock.now() + context.settings["warm_seconds"]
    return context.platform.settle(args["slot"], context.releases[args["release"]], warm_until, args["previous"])


HANDLERS = {
    handler.__name__: handler
    for handler in (
        prepare,
        remember,
        base,
        run_job,
        end_jobs,
        stage,
        verify,
        take_ports,
        hold,
        maintain,
        halt,
        retire,
        close,
        discard,
        scale,
        handover,
        shift,
        watch,
        settle,
        dismiss,
        draft,
        restore,
        dissolve,
    )
}

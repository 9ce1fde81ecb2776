# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run in three sentences: what happened, whether users noticed, how to undo it. Pure.

The same sentences are in the report, in the incident record and in what the controller prints at the end.
"""

from __future__ import annotations

import shlex
from typing import Any

from ..verify.stats import chance
from .facts import Facts
from .markup import clock, count, date, duration, ms, share
from .stages import reached, touched_at, users

NOUNS = {
    "apply_update": "the update to {}",
    "rollback": "the rollback to {}",
    "blue_green_switch": "the switch to {}",
    "recover": "the recovery of {}",
    "retire": "the clearing up beside {}",
}
WORDS = {"no": "No", "little": "Hardly", "yes": "Yes", "unknown": "Not known"}
NOT_MORE = 0.01  # errors that would be this unlikely by what is usual are more than usual
# A gap that somebody may notice who waits just then.
NOTICED_MS = 1000.0


def story(facts: Facts) -> dict[str, Any]:
    """``{"headline", "happened", "users": {"noticed": no | little | yes | unknown, "say"}, "undo": {"say", "command"}}``."""
    return {"headline": headline(facts), "happened": happened(facts), "users": noticed(facts), "undo": undo(facts)}


def version(end: dict[str, Any] | None) -> str:
    return (end["version"] or end["release"] or "?") if end else "nothing"


def noun(facts: Facts) -> str:
    """What was to be done: ``the update to 1.1.0``."""
    return NOUNS.get(facts["runbook"], f"{facts['runbook'] or 'the run'} ({{}})").replace("{}", version(facts["to"]))


def headline(facts: Facts) -> str:
    """One line without its time."""
    old, new, outcome = version(facts["from"]), version(facts["to"]), facts["outcome"]
    said = {
        "undone": f"{noun(facts)} failed and was undone; {old} serves as before",
        "kept": f"{noun(facts)} failed past the point of no return; {new} serves",
        "stuck": f"{noun(facts)} failed, and going back failed too",
        "refused": f"{facts['runbook']} was refused; nothing was changed",
        "recovered": f"{noun(facts)} died on its way; run {facts['by']} ended it",
    }
    return f"{facts['service']}: {said.get(outcome) or _done(facts, old, new)}"


def _done(facts: Facts, old: str, new: str) -> str:
    if facts["outcome"] != "done":
        return f"{noun(facts)} ended with {facts['outcome'] or 'no result'}"
    if facts["runbook"] == "retire":
        return f"what was left beside {new} was removed"
    if facts["runbook"] == "recover":
        ended = f"undone; {old} serves" if facts["way"] == "back" else f"finished; {new} serves"
        return f"a run that had died was {ended}"
    if not facts["from"]:
        return f"{new} serves; it is the first release here"
    return f"went back from {old} to {new}" if facts["runbook"] == "rollback" else f"{new} replaced {old}"


def happened(facts: Facts) -> str:
    """A few sentences: when, by whom, what went wrong."""
    by = f" by {facts['user']}" + (f" from {facts['controller']}" if facts["controller"] else "")
    took = duration(max(0.0, facts["ended"] - facts["started"]))
    told = f"Run {by.strip()} in {took}." if facts["started"] else f"Asked for{by}."
    if facts["started"]:
        told = f"Begun on {date(facts['started'])}{by}; it took {took}."
    if facts["reason"]:
        told += f" Reason: {facts['reason'].rstrip('.')}."
    failure = facts["failure"]
    if failure:
        step = next((step["title"] for step in facts["steps"] if step["failed"] and not step["back"]), "")
        told += f" It failed at “{step}”: {_sentence(failure['detail'])}" if step else f" {_sentence(failure['detail'])}"
        if failure["going_back"]:
            told += f" Going back failed too: {_sentence(failure['going_back'])}"
    return told


def _sentence(said: str) -> str:
    first = said.strip().split("\n", 1)[0].rstrip(".")
    return f"{first[:300]}…" if len(first) > 300 else f"{first}."


# -- did users notice ---------------------------------------------------------------------------------------------------


def noticed(facts: Facts) -> dict[str, str]:
    """Whether users noticed something: what is known from our probes, the watch, and the edge's log of users."""
    touched = touched_at(facts)
    if facts["outcome"] == "refused" or not facts["steps"]:
        return {"noticed": "no", "say": "Nothing was changed, so there was nothing to notice."}
    if touched is None:
        return _untouched(facts)
    if not facts["from"] and facts["outcome"] == "done":
        return {"noticed": "no", "say": "Nothing served before, so there was nothing to interrupt."}
    breach = next((proof for proof in facts["proofs"] if proof["breach"]), None)
    level, told = _users(facts, touched)
    if breach:
        return {"noticed": "yes", "say": f"During the switch {_sentence(breach['why'])} {told}".strip()}
    if level != "yes" and facts["watch"] and facts["watch"]["outcome"] == "fail":
        return {"noticed": "yes", "say": f"After the switch: {_sentence('; '.join(facts['watch']['reasons']))} {told}".strip()}
    if not facts["proofs"]:
        level = level if level == "yes" else "unknown"
        return {"noticed": level, "say": f"The switch was not probed. {told}".strip()}
    sent, failed = (sum(proof[name] for proof in facts["proofs"]) for name in ("sent", "failed"))
    gap = max(proof["longest_gap_ms"] for proof in facts["proofs"])
    probes = f"{failed:,.0f} of our {count(sent, 'probe')} through the edge failed; the longest gap between two answers was {ms(gap)}."
    if level == "no" and (failed or gap > NOTICED_MS or facts["outcome"] == "stuck"):
        level = "little" if facts["outcome"] != "stuck" else "unknown"
    return {"noticed": level, "say": f"{probes} {told}".strip()}


def _untouched(facts: Facts) -> dict[str, str]:
    if facts["failure"] and facts["outcome"] in ("undone", "recovered"):
        return {"noticed": "no", "say": f"It ended before any request was sent to {version(facts['to'])}."}
    if facts["outcome"] in ("stuck", "kept"):
        return {"noticed": "unknown", "say": "Requests were not switched, but it is not certain what was left."}
    return {"noticed": "no", "say": "Requests went the same way all the time."}


def _users(facts: Facts, touched: float) -> tuple[str, str]:
    """How the requests of users fared from the first change on, against before."""
    timeline = facts["timeline"]
    if not timeline:
        return "no", ""
    after = users(timeline, touched, timeline["until"])
    before = users(timeline, timeline["since"], touched - timeline["bucket_s"])
    requests, errors = (sum(one[name] for one in after.values()) for name in ("requests", "errors"))
    if not requests:
        return "no", "No user sent a request meanwhile."
    sent_before, bad_before = (sum(one[name] for one in before.values()) for name in ("requests", "errors"))
    said = f"{errors:,.0f} of {count(requests, 'request')} of users failed from the first change on"
    if not errors:
        return "no", f"None of {count(requests, 'request')} of users failed from the first change on."
    usual = bad_before / sent_before if sent_before else 0.0
    said = f"{said} ({share(errors, requests)}); before, {bad_before:,.0f} of {sent_before:,.0f}."
    return ("yes" if chance(errors, requests, usual) < NOT_MORE else "little"), said


# -- how to undo --------------------------------------------------------------------------------------------------------


def command(facts: Facts, runbook: str, **extra: str) -> str:
    """The command line of another runbook for the same target."""
    words = ["ansible-playbook", f"playbooks/{runbook}.yml", "-e", f"env={facts['environment'] or 'ENVIRONMENT'}"]
    if facts["target"]:
        words += ["--limit", facts["target"]]
    for name, value in extra.items():
        words += ["-e", f"{name}={value}"]
    return " ".join(map(shlex.quote, words))


def undo(facts: Facts) -> dict[str, str]:
    """How to get back to what was before; the command is empty where there is nothing to undo, or no way."""
    outcome, old, new = facts["outcome"], version(facts["from"]), version(facts["to"])
    if outcome == "stuck" or not outcome:
        return {"say": "Neither way worked. This ends it one way or the other:", "command": command(facts, "recover")}
    if outcome == "kept":
        say = f"There is no way back: {old} cannot serve with the database as it is now. Mend it with a new release."
        return {"say": say, "command": command(facts, "apply_update", version="VERSION")}
    if outcome in ("undone", "refused", "recovered") or facts["way"] == "back":
        serves = {"undone": f"{old} serves as before", "refused": "nothing was changed"}.get(outcome, "see status.yml")
        return {"say": f"Nothing to undo: {serves if facts['way'] != 'back' else f'{old} serves'}.", "command": ""}
    if facts["runbook"] == "retire":
        say = "Nothing to undo: the same release serves. A rollback still works; it starts the other one again first:"
        return {"say": say, "command": command(facts, "rollback")}
    if not facts["from"]:
        return {"say": f"{new} is the first release here: there is nothing to go back to.", "command": ""}
    if any(note.startswith("Point of no return") for note in facts["notes"]):
        return {"say": f"There is no way back to {old}: the database was changed for {new}.", "command": ""}
    return _flip(facts, old)


def _flip(facts: Facts, old: str) -> dict[str, str]:
    until = next((s["evidence"].get("warm_until") for s in reversed(facts["steps"]) if s["do"] == "settle"), None)
    warm = isinstance(until, (int, float)) and not isinstance(until, bool) and 0 < until < 1e11
    say = f"Back to {old}"
    if warm:
        say += f", which still runs until {clock(until)} UTC: well under a second until then, a start more afterwards:"
    else:
        say += ", which is started again first:"
    if facts["runbook"] != "rollback":
        return {"say": say, "command": command(facts, "rollback")}
    if warm:
        return {"say": say, "command": command(facts, "blue_green_switch")}
    return {"say": say, "command": command(facts, "rollback", release=old)}


def exposed(facts: Facts) -> bool:
    """Whether users' requests may have gone to the release that the run was about."""
    return reached(facts) or facts["outcome"] in ("stuck", "kept")

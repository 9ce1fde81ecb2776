# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run in three sentences: what happened, whether users noticed, how to undo it. Pure.

The same sentences are in the report, in the incident record and in what the controller prints at the end.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from ..verify.stats import chance
from .facts import Facts, num
from .markup import clock, count, date, duration, ms, share
from .stages import reached, touched_at, users

NOUNS = {
    "apply_update": "the update to {}",
    "rollback": "the rollback to {}",
    "blue_green_switch": "the switch to {}",
    "recover": "the recovery of {}",
    "retire": "the clearing up beside {}",
    "maintenance": "maintenance of {}",
    "set_env": "the change of the environment of {}",
    "scale": "the scaling of {}",
    "prune": "clearing up beside {}",
    "adopt": "the adoption of {}",
    "unadopt": "the way back to plain compose with {}",
}
WORDS = {"no": "No", "little": "Perhaps", "yes": "Yes", "unknown": "Not known"}
PHRASES = {"no": "users noticed nothing", "little": "users may have noticed", "yes": "users noticed it"}
ADOPTING = {"adopt": "was adopted: it serves from a slot", "unadopt": "runs by plain docker compose again"}
NOTHING = "Nothing to undo"
NOT_MORE = 0.01  # errors that would be this unlikely by what is usual are more than usual
# A gap that somebody may notice who waits just then.
NOTICED_MS = 1000.0


def story(facts: Facts) -> dict[str, Any]:
    """``{"headline", "happened", "users": {"noticed", "say"}, "undo": {"word", "say", "command"}}``.

    *noticed* is no, little, yes or unknown.
    """
    users_saw = noticed(facts)
    line = headline(facts)
    if users_saw["noticed"] in PHRASES and facts["outcome"] != "refused" and facts["from"]:
        line += f". {PHRASES[users_saw['noticed']].capitalize()}"
    return {"headline": line, "happened": happened(facts), "users": users_saw, "undo": undo(facts)}


def version(end: dict[str, Any] | None) -> str:
    return (end["version"] or end["release"] or "?") if end else "nothing"


def noun(facts: Facts) -> str:
    """What was to be done: ``the update to 1.1.0``."""
    return NOUNS.get(facts["runbook"], f"{facts['runbook'] or 'the run'} ({{}})").replace("{}", version(facts["to"]))


def headline(facts: Facts) -> str:
    """One line without its time."""
    old, new, outcome = version(facts["from"]), version(facts["to"]), facts["outcome"]
    said = {
        "undone": f"{noun(facts)} failed and was undone; {_as_before(old)}",
        "kept": f"{noun(facts)} failed past the point of no return; {new} serves",
        "stuck": f"{noun(facts)} failed, and going back failed too",
        "refused": f"{facts['runbook']} was refused; nothing was changed",
        "recovered": f"{noun(facts)} died on its way; run {facts['by']} ended it",
    }
    if facts["runbook"] == "prune" and outcome == "undone":
        said[outcome] = f"{noun(facts)} broke off; what had not been removed yet is there"
    return f"{facts['service']}: {said.get(outcome) or _done(facts, old, new)}"


def _as_before(old: str) -> str:
    return f"{old} serves{',' if old == 'nothing' else ''} as before"


def _done(facts: Facts, old: str, new: str) -> str:
    if facts["outcome"] != "done":
        return f"{noun(facts)} ended with {facts['outcome'] or 'no result'}"
    if facts["runbook"] in ("retire", "prune"):
        return f"what was left beside {new} was removed"
    if facts["runbook"] == "maintenance":
        if maintained(facts) is None:
            return "the edge uses the certificates that are on the host"
        return "users get the maintenance page" if maintained(facts) else f"users get {new} again"
    if facts["runbook"] in ADOPTING:
        gap = max((proof["longest_gap_ms"] for proof in facts["proofs"]), default=None)
        return f"{new} {ADOPTING[facts['runbook']]}" + (f"; outage {ms(gap)}" if gap is not None else "")
    if facts["runbook"] == "recover":
        ended = f"undone; {old} serves" if facts["way"] == "back" else f"finished; {new} serves"
        return f"a run that had died was {ended}"
    if facts["runbook"] == "scale":
        return (
            "; ".join(f"{step['title'][:1].lower()}{step['title'][1:]}" for step in facts["steps"]) or "nothing to do"
        )
    if facts["runbook"] == "set_env":
        return f"the environment of {new} was changed ({'; '.join(facts['changes'])})"
    if not facts["from"]:
        return f"{new} serves; it is the first release here"
    return f"went back from {old} to {new}" if facts["runbook"] == "rollback" else f"{new} replaced {old}"


def happened(facts: Facts) -> str:
    """A few sentences: when, by whom, what went wrong."""
    by = f" by {facts['user']}" + (f" from {facts['controller']}" if facts["controller"] else "")
    told = f"Asked for{by}."
    if facts["started"]:
        told = f"Begun on {date(facts['started'])}{by}"
        ended = facts["outcome"] != "recovered"
        told += f"; it took {duration(max(0.0, facts['ended'] - facts['started']))}." if ended else "."
    if facts["reason"]:
        told += f" Reason: {facts['reason'].rstrip('.')}."
    failure = facts["failure"]
    if failure:
        step = next((step["title"] for step in facts["steps"] if step["failed"] and not step["back"]), "")
        told += (
            f" It failed at '{step}': {_sentence(failure['detail'])}" if step else f" {_sentence(failure['detail'])}"
        )
        if failure["going_back"]:
            told += f" Going back failed too: {_sentence(failure['going_back'])}"
    return told


def _sentence(said: str) -> str:
    first = said.strip().split("\n", 1)[0].rstrip(".")
    return f"{first[:300]}…" if len(first) > 300 else f"{first}."


# -- did users notice --------------------------------------------------------------------------------


def noticed(facts: Facts) -> dict[str, str]:
    """Whether users noticed something: what is known from our probes, the watch, and the edge's log of users."""
    touched, page = touched_at(facts), maintained(facts)
    if facts["outcome"] == "refused" or not facts["steps"]:
        return {"noticed": "no", "say": "Nothing was changed, so there was nothing to notice."}
    if page is not None:
        said = "get the maintenance page (503), as was asked for" if page else "get the service and no page"
        return {"noticed": "yes" if page else "no", "say": f"From then on users {said}."}
    if touched is None:
        return _untouched(facts)
    if not facts["from"] and facts["outcome"] in ("done", "undone"):
        return {"noticed": "no", "say": "Nothing served before, so there was nothing to interrupt."}
    level, theirs = _users(facts, touched)
    parts = [theirs, _ours(facts)]
    breach = next((proof for proof in facts["proofs"] if proof["breach"]), None)
    if breach:
        level, parts = "yes", [f"At the switch, {_sentence(breach['why'])}", theirs]
    elif facts["watch"] and facts["watch"]["outcome"] == "fail":
        level, parts = "yes", [theirs, f"The watch says: {_sentence('; '.join(facts['watch']['reasons']))}"]
    elif level != "yes":
        gap = max((proof["longest_gap_ms"] for proof in facts["proofs"]), default=0.0)
        if facts["outcome"] == "stuck" or not facts["proofs"]:
            level = "unknown"
        elif gap > NOTICED_MS or any(proof["failed"] for proof in facts["proofs"]):
            level = "little"
    if any(step["do"] == "hold" for step in facts["steps"]) and level != "yes":
        parts.insert(0, "Requests were held, not refused, while one release stopped and the other started.")
    return {"noticed": level, "say": " ".join(part for part in parts if part)}


def maintained(facts: Facts) -> bool | None:
    """Whether users get the maintenance page since this run; None when it did not touch that."""
    steps = [step["evidence"].get("on") for step in facts["steps"] if step["do"] == "maintain" and not step["failed"]]
    return steps[-1] if steps else None


def _ours(facts: Facts) -> str:
    """The sentence about our own probes."""
    if not facts["proofs"]:
        # of a service that speaks no HTTP: why, and what became of its connections
        said = next((step["say"] for step in facts["steps"] if step["say"].startswith("not probed: ")), "")
        why = said.partition("; drained in ")[0]
        return f"{why[:1].upper()}{why[1:]}." if why else "No proof of the switch was made."
    sent, failed = (sum(proof[name] for proof in facts["proofs"]) for name in ("sent", "failed"))
    gap = max(proof["longest_gap_ms"] for proof in facts["proofs"])
    probes = _of(failed, sent, "probes of our own through the edge")
    return f"{probes} failed; the longest gap between two answers was {ms(gap)}."


def _of(part: float, whole: float, what: str) -> str:
    return f"{part:,.0f} of {whole:,.0f} {what}" if part else f"None of {whole:,.0f} {what}"


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
    before = _sum(users(timeline, timeline["since"], touched - timeline["bucket_s"]).values())
    slot = (facts["to"] or {}).get("slot", "")
    new = _sum([after.pop(slot)] if slot in after else [])
    rest = _sum(after.values())
    if not new[0] + rest[0]:
        return "no", "No user sent a request meanwhile."
    if not new[1] + rest[1]:
        return "no", f"None of {count(new[0] + rest[0], 'request')} of users failed from the first change on."
    parts = []
    if new[0]:
        parts.append(
            f"{_of(new[1], new[0], 'requests of users')} to {version(facts['to'])} failed ({share(new[1], new[0])})"
        )
    if rest[0] and (rest[1] or not parts):
        parts.append(
            f"{_of(rest[1], rest[0], 'others' if parts else 'requests of users')} meanwhile ({share(rest[1], rest[0])})"
        )
    if before[0]:
        parts.append(f"before it, {before[1]:,.0f} of {before[0]:,.0f} did")
    usual = before[1] / before[0] if before[0] else 0.0
    more = any(chance(errors, requests, usual) < NOT_MORE for requests, errors in (new, rest) if requests)
    return "yes" if more else "little", f"{'; '.join(parts)}." + ("" if more else " That is no more than usual.")


def _sum(totals: Iterable[dict[str, float]]) -> tuple[float, float]:
    """Requests and errors of several slots together."""
    found = list(totals)
    return sum(one["requests"] for one in found), sum(one["errors"] for one in found)


# -- how to undo -------------------------------------------------------------------------------------


def command(facts: Facts, runbook: str, **extra: str) -> str:
    """The command line of another runbook for the same target."""
    words = ["ansible-playbook", f"playbooks/{runbook}.yml"]
    for inventory in facts["inventory"]:
        words += ["-i", inventory]
    words += ["-e", f"env={facts['environment'] or 'ENVIRONMENT'}"]
    if facts["target"]:
        words += ["--limit", facts["target"]]
    for name, value in extra.items():
        words += ["-e", f"{name}={value}"]
    return " ".join(map(shlex.quote, words))


def undo(facts: Facts) -> dict[str, str]:
    """How to get back to what was before; the command is empty where there is nothing to undo, or no way."""
    outcome, old, new = facts["outcome"], version(facts["from"]), version(facts["to"])
    purpose = facts["purpose"]
    if outcome == "stuck" or not outcome:
        said = "Neither way worked. This shows both and ends it one way or the other:"
        return _undo("Recover it", said, command(facts, "recover"))
    if outcome == "kept" and purpose not in ADOPTING:
        said = f"{old} cannot serve with the database as it is now. Mend it with a new release:"
        return _undo("No way back", said, command(facts, "apply_update", version="VERSION"))
    if outcome == "refused":
        return _undo(NOTHING, "Nothing was changed.")
    if outcome == "undone" or facts["way"] == "back":
        return _undo(NOTHING, f"{_as_before(old)[:1].upper()}{_as_before(old)[1:]}.")
    if outcome == "recovered":
        return _undo(NOTHING, f"Run {facts['by']} ended this one; its report says what serves.")
    if purpose == "retire":
        said = "The same release serves. A rollback still works; it starts the other one again first:"
        return _undo(NOTHING, said, command(facts, "rollback"))
    if purpose == "scale":
        before = next((step["undo"] for step in facts["planned"]), "")
        return _undo(
            "Run this",
            f"To {before}, with the values of before, or for what the compose file says:",
            command(facts, "scale", service="SERVICE", unset="true"),
        )
    if purpose == "prune":
        return _undo("Not possible", "What is gone is gone; a release can be applied again as an update.")
    if purpose == "maintenance" and maintained(facts) is None:
        return _undo(NOTHING, "The edge uses the certificates that are on the host.")
    if purpose == "maintenance":
        state = "off" if maintained(facts) else "on"
        return _undo("Run this", f"Turn it {state} again:", command(facts, "maintenance", state=state))
    if purpose in ADOPTING:
        other = "unadopt" if purpose == "adopt" else "adopt"
        return _undo("Run this", "The other way, for as short an outage again:", command(facts, other))
    if not facts["from"]:
        return _undo("Not possible", f"{new} is the first release here: there is nothing to go back to.")
    if any(note.startswith("Point of no return") for note in facts["notes"]):
        return _undo("No way back", f"The database was changed for {new}; {old} cannot serve with it.")
    return _flip(facts, old)


def _undo(word: str, say: str, line: str = "") -> dict[str, str]:
    return {"word": word, "say": say, "command": line}


def _flip(facts: Facts, old: str) -> dict[str, str]:
    until = next((s["evidence"].get("warm_until") for s in reversed(facts["steps"]) if s["do"] == "settle"), None)
    warm = num(until)
    say = f"Back to {old}, which is started again first:"
    if warm:
        say = f"Back to {old}: it still runs until {clock(warm)} UTC, so this is immediate; later it is started first:"
    if facts["purpose"] != "rollback":
        return _undo("Run this", say, command(facts, "rollback"))
    if warm:
        return _undo("Run this", say, command(facts, "blue_green_switch"))
    return _undo("Run this", say, command(facts, "rollback", release=old))


def exposed(facts: Facts) -> bool:
    """Whether users' requests may have gone to the release that the run was about."""
    return reached(facts) or facts["outcome"] in ("stuck", "kept")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident record: what is written down after a release that was undone, kept broken, or rolled back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .facts import Facts, facts_of
from .markup import clean, clock, date, duration, ms, share
from .stages import touched_at, users
from .story import command, exposed, story, version

ALL_FAIL = 0.5  # of the requests: an outage, whatever else
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&])")


def is_incident(facts: Facts) -> bool:
    """Whether this run is one that an incident record is written of."""
    went_back = facts["rolled_back"] or facts["purpose"] == "rollback"
    return facts["outcome"] in ("undone", "kept", "stuck") or (facts["outcome"] == "done" and went_back)


def incident(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """The incident record as a document for programs; None when the run is no incident. See :func:`markdown`."""
    facts = facts_of(raw)
    if not is_incident(facts):
        return None
    told, failed, kept = story(facts), _failed(facts), _good(facts)
    metrics = _metrics(facts, failed)
    level, why = _severity(facts, told["users"], metrics)
    failure = facts["failure"] or {}
    return {
        "format": 1,
        "run": facts["run"],
        "service": facts["service"],
        "environment": facts["environment"],
        "target": facts["target"],
        "title": told["headline"],
        "severity": {"suggested": level, "why": why},
        "began": facts["started"],
        "ended": facts["ended"],
        "users": told["users"],
        "who": {"user": facts["user"], "controller": facts["controller"], "reason": facts["reason"]},
        "told": facts["told"],
        "seen": {name: failure.get(name, "") for name in ("stage", "code", "detail", "going_back")},
        "watch": facts["watch"],
        "proofs": facts["proofs"],
        "thresholds": _thresholds(facts),
        "metrics": metrics,
        "logs": facts["logs"],
        "timeline": _timeline(facts),
        "done_automatically": [step["title"] for step in facts["steps"] if step["back"] and not step["failed"]],
        "failed_release": failed,
        "serves": kept if facts["outcome"] != "stuck" else None,
        "next_steps": _next_steps(facts, failed),
        "head": facts["head"],
        "where": facts["where"],
    }


def _failed(facts: Facts) -> dict[str, Any] | None:
    """The end of the run that was left: where it wanted to go, or for a rollback where it came from."""
    left = facts["to"]
    if facts["outcome"] == "done" and (facts["runbook"] != "recover" or facts["way"] != "back"):
        left = facts["from"]
    return dict(left) if left else None


def _good(facts: Facts) -> dict[str, Any] | None:
    new = facts["outcome"] == "kept" or (facts["outcome"] == "done" and facts["way"] != "back")
    end = facts["to"] if new else facts["from"]
    return dict(end) if end else None


def _metrics(facts: Facts, failed: dict[str, Any] | None) -> dict[str, Any]:
    """What users got from the failed release, and from the other one, as far as the edge's log says."""
    timeline = facts["timeline"]
    if not timeline or not failed:
        return {}
    got = users(timeline, timeline["since"], timeline["until"])
    touched = touched_at(facts)
    after = users(timeline, touched, timeline["until"]) if touched else {}
    before = users(timeline, timeline["since"], (touched or timeline["until"]) - timeline["bucket_s"])
    return {
        "since": timeline["since"],
        "until": timeline["until"],
        "failed_release": got.get(failed["slot"], {"requests": 0, "errors": 0, "p95_ms": 0.0}),
        "others_after": {slot: total for slot, total in after.items() if slot != failed["slot"]},
        "others_before": {slot: total for slot, total in before.items() if slot != failed["slot"]},
    }


def _thresholds(facts: Facts) -> dict[str, Any]:
    limits: dict[str, Any] = dict(facts["watch"]["limits"]) if facts["watch"] else {}
    if facts["proofs"]:
        limits.update({name: facts["proofs"][0][name] for name in ("max_failed", "max_gap_ms")})
    return limits


def _severity(facts: Facts, noticed: Mapping[str, str], metrics: Mapping[str, Any]) -> tuple[str, str]:
    """A suggestion: people decide."""
    got = metrics.get("failed_release") or {}
    part = got["errors"] / got["requests"] if got.get("requests") else 0.0
    if facts["outcome"] == "stuck":
        return "SEV1", "neither way worked: it is not certain what users get"
    if part >= ALL_FAIL and got["requests"] >= 20:
        return "SEV1", f"{share(got['errors'], got['requests'])} of the requests to {version(_failed(facts))} failed"
    if noticed["noticed"] == "yes":
        return "SEV2", "users noticed it"
    if facts["outcome"] == "kept":
        return "SEV2", "a release that failed serves, and there is no way back"
    if exposed(facts):
        return "SEV3", "users had the release, and noticed little or nothing as far as is known"
    return "SEV4", "no request of a user reached the release"


def _timeline(facts: Facts) -> list[dict[str, Any]]:
    found = []
    for step in facts["steps"]:
        what = ("Failed: " if step["failed"] else "Going back: " if step["back"] else "") + step["title"]
        found.append({"at": step["at"], "seconds": step["seconds"], "what": what, "say": step["say"]})
    return found


def _next_steps(facts: Facts, failed: dict[str, Any] | None) -> list[dict[str, str]]:
    """What is left for people, each a sentence and perhaps a command."""
    name, slot = version(failed), (failed or {}).get("slot", "")
    steps: list[tuple[str, str]] = []
    if facts["outcome"] == "stuck":
        steps.append(("First end it; this shows what both ways would do.", command(facts, "recover")))
    if facts["failure"] and facts["failure"]["next_step"]:
        steps.append((facts["failure"]["next_step"], ""))
    if facts["outcome"] == "kept":
        steps.append(("Mend it with a new release: the one before cannot serve with the database as it is now.", ""))
    halted = any(step["back"] and step["do"] == "halt" and not step["failed"] for step in facts["steps"])
    if failed and (halted or facts["purpose"] == "rollback"):
        kept = f"{name} is kept in {slot} to be looked at. The next update removes it, or this:"
        steps.append((kept, command(facts, "retire")))
    if failed and facts["outcome"] != "kept":
        steps.append((f"Mend the cause and release it under a new version; do not apply {name} again.", ""))
    steps.append(("Tell whoever has to know: no notices are configured, so nobody was told.", ""))
    return [{"say": say, "command": line} for say, line in steps]


# -- for people --------------------------------------------------------------------------------


def md(value: Any) -> str:
    """One line of text that Markdown and HTML do nothing with."""
    return _SPECIAL.sub(r"\\\1", " ".join(clean(value).split()))


def fenced(lines: list[str]) -> str:
    """Lines as they are, in a fence that none of them can end."""
    content = "\n".join(clean(line) for line in lines)
    ticks = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{content}\n{fence}\n"


def markdown(record: Mapping[str, Any]) -> str:
    """The incident record for people."""
    who, seen, severity = record["who"], record["seen"], record["severity"]
    parts = [
        f"# Incident: {md(record['title'])}",
        _list(
            ("Severity (a suggestion)", f"{severity['suggested']}: {md(severity['why'])}"),
            ("Environment", md(record["environment"])),
            ("Host", md(record["target"])),
            ("Began", date(record["began"])),
            ("Ended", f"{date(record['ended'])}, after {duration(record['ended'] - record['began'])}"),
            ("Did users notice", md(record["users"]["say"])),
            ("Who ran it", md(who["user"]) + (f" from {md(who['controller'])}" if who["controller"] else "")),
            ("Why", md(who["reason"]) or "no reason was given"),
            ("Who was told", md(record["told"])),
            ("Run", md(record["run"])),
        ),
        "## What was seen",
        _seen(record),
        "## Thresholds",
        _list(*((md(name), f"{value:,g}") for name, value in record["thresholds"].items())) or "None applied.",
        "## What users got from the failed release",
        _got(record),
        "## When (UTC)",
        _table(
            ("Time", "What", "Took", "Said"),
            [
                (clock(one["at"]), md(one["what"]), duration(one["seconds"]), md(one["say"]))
                for one in record["timeline"]
            ],
        ),
        "## What was done automatically",
        "\n".join(f"- {md(title)}" for title in record["done_automatically"]) or "Nothing.",
        "## Releases",
        _releases(record),
        "## Last log lines of the failed release",
        fenced(record["logs"]) if record["logs"] else "It logged nothing.",
        "## Next steps",
        _steps(record["next_steps"]),
        "## Cause and follow-ups",
        "To be filled in by people.",
        f"Ledger head: {record['head']['seq']}:{md(record['head']['hash'])}. "
        f"Raw data on the host: {md(record['where'])}.",
    ]
    if not seen["detail"]:
        parts[3] = f"- Nothing failed by itself: somebody decided to go back.\n{parts[3]}"
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _steps(steps: Sequence[Mapping[str, str]]) -> str:
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number}. {md(step['say'])}")
        if step["command"]:
            lines.append(f"\n       {clean(step['command'])}\n")
    return "\n".join(lines)


def _list(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"- **{name}:** {value}" for name, value in pairs if value)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _head in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _seen(record: Mapping[str, Any]) -> str:
    seen, watch = record["seen"], record["watch"]
    told = [f"- Stage {md(seen['stage'])}: {md(seen['detail'])} (`{md(seen['code'])}`)"] if seen["detail"] else []
    told += [f"- Going back failed too: {md(seen['going_back'])}"] if seen["going_back"] else []
    told += [f"- Proof of the switch: {md(proof['say'])}; {md(proof['why'])}" for proof in record["proofs"]]
    if watch:
        figures = ", ".join(f"{md(name)} {value:,g}" for name, value in watch["figures"].items())
        told.append(f"- Watch: {md(watch['outcome'])}: {md('; '.join(watch['reasons']))}. {figures}")
    return "\n".join(told)


def _got(record: Mapping[str, Any]) -> str:
    metrics = record["metrics"]
    if not metrics:
        return "The edge's log could not be read."
    rows = [("the failed release", metrics["failed_release"])]
    rows += [
        (md(f"{slot or 'the edge itself'}, after the change"), total) for slot, total in metrics["others_after"].items()
    ]
    rows += [
        (md(f"{slot or 'the edge itself'}, before the change"), total)
        for slot, total in metrics["others_before"].items()
    ]
    cells = [
        (
            name,
            f"{one['requests']:,.0f}",
            f"{one['errors']:,.0f} ({share(one['errors'], one['requests'])})",
            ms(one["p95_ms"]),
        )
        for name, one in rows
    ]
    window = f"From {date(metrics['since'])} to {clock(metrics['until'])}:"
    return f"{window}\n\n{_table(('Answered by', 'Requests', 'Failed', 'Highest p95'), cells)}"


def _releases(record: Mapping[str, Any]) -> str:
    rows = []
    for name, end in (("Failed", record["failed_release"]), ("Serves now", record["serves"])):
        if not end:
            rows.append((name, "nothing", "", "", ""))
            continue
        images = "<br>".join(f"{md(service)}: {md(image)}" for service, image in sorted(end["images"].items()))
        rows.append((name, md(end["version"]), md(end["slot"]), md(end["commit"]), images))
    return _table(("", "Version", "Slot", "Commit", "Images"), rows)

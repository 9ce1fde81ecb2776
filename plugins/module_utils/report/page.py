# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a run: one HTML file that needs nothing else. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .charts import stage_bar
from .facts import Facts, facts_of
from .figures import what_users_got
from .markup import Html, clock, count, date, duration, h, ms
from .parts import code, command_line, facts_list, section, table, word
from .story import NOUNS, WORDS, command, story, version
from .style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # nothing is fetched, whatever gets in
MOST_BYTES = 290_000
SHOWN = 12  # lines of a log; the others unfold
# From generous to strict: what a report may hold of one text, and of one list, until it is small enough.
BOUNDS = ((2000, 200), (400, 60), (80, 20))
COLOURS = {"no": "good", "little": "some", "yes": "bad", "unknown": "some"}
OUTCOMES = {
    "done": ("good", "Done"),
    "undone": ("some", "Failed and undone"),
    "kept": ("bad", "Failed past the point of no return"),
    "stuck": ("bad", "Stuck between two releases"),
    "refused": ("some", "Refused"),
    "recovered": ("some", "Died, and was ended by another run"),
}
FINE = "within what is declared"  # what a proof without a breach says of itself
GO = {"go": ("good", "go"), "no_go": ("bad", "no go"), "not_configured": ("soft", "not configured")}
VERDICTS = {
    "pass": ("good", "Passed"),
    "fail": ("bad", "Failed"),
    "preempted": ("some", "Ended, because somebody asked the run to go back"),
}


def report(raw: Mapping[str, Any]) -> str:
    """The page for the raw facts of a run (see ``facts``); always below 300 kB."""
    for chars, items in BOUNDS[:-1]:
        page = page_of(facts_of(raw, chars, items))
        if len(page.encode()) <= MOST_BYTES:
            return page
    return page_of(facts_of({**raw, "timeline": None}, *BOUNDS[-1]))


def page_of(facts: Facts) -> str:
    told = story(facts)
    sections = (_failure, _stages, what_users_got, _proof, _watch, _checks, _plan, _versions, _record)
    return h(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n'
        '<p class="over">Report of a run · {} · environment {}{}</p>\n<h1>{}</h1>\n{}{}{}\n</main>\n</body>\n</html>\n',
        *(POLICY, told["headline"], STYLE, facts["service"], facts["environment"] or "not named"),
        f" · {facts['target']}" if facts["target"] not in ("", facts["service"]) else "",
        told["headline"],
        _answers(facts, told),
        [section(facts) for section in sections],
        _footer(facts),
    )


def _answers(facts: Facts, told: dict[str, Any]) -> Html:
    colour, outcome = OUTCOMES.get(facts["outcome"], ("some", facts["outcome"] or "no result"))
    users, undo = told["users"], told["undo"]
    line = command_line(undo["command"]) if undo["command"] else ""
    card = '<section class="{}"><h2>{}</h2><strong>{}</strong><p>{}</p>{}</section>\n'
    return h(
        '<div class="answers">\n{}{}{}</div>\n',
        h(card, colour, "What happened", outcome, told["happened"], ""),
        h(card, COLOURS[users["noticed"]], "Did users notice?", WORDS[users["noticed"]], users["say"], ""),
        h(card, "", "How to undo it", undo["word"], undo["say"], line),
    )


def _failure(facts: Facts) -> Html:
    failure = facts["failure"]
    if not failure:
        return Html("")
    return section(
        "What failed",
        facts_list(
            ("Stage", failure["stage"]),
            (
                "What was seen",
                h("<pre>{}</pre>", failure["detail"]) if "\n" in failure["detail"] else failure["detail"],
            ),
            ("Going back", failure["going_back"]),
            ("Next step", failure["next_step"]),
            ("Code", code(failure["code"])),
        ),
        _logs(facts),
        h("<details><summary>Everything that was seen then</summary><pre>{}</pre></details>\n", failure["last_seen"])
        if failure["last_seen"] not in ("", failure["detail"])
        else "",
    )


def _logs(facts: Facts) -> Html:
    logs, slot = facts["logs"], (facts["to"] or {}).get("slot") or "the slot"
    if not logs:
        return h('<p class="soft">The containers in {} logged nothing.</p>\n', slot) if facts["steps"] else Html("")
    pre, all_of_it = h("<pre>{}</pre>\n", "\n".join(logs[-SHOWN:])), Html("")
    if len(logs) > SHOWN:
        said = f"The {len(logs) - SHOWN} lines before"
        all_of_it = h("<details><summary>{}</summary><pre>{}</pre></details>\n", said, "\n".join(logs[:-SHOWN]))
    return h("<h3>The last lines of the failed release's own log ({})</h3>\n{}{}", slot, all_of_it, pre)


def _stages(facts: Facts) -> Html:
    if not facts["steps"]:
        return Html("")
    start = min([facts["started"] or facts["steps"][0]["at"], *(step["at"] for step in facts["steps"])])
    total = max(max(facts["ended"], *(step["at"] + step["seconds"] for step in facts["steps"])) - start, 0.001)
    rows, back = [], False
    for step in facts["steps"]:
        if step["back"] and not back:
            back = True
            rows.append(h('<li><span class="word some">From here on it went back</span></li>\n'))
        state = "failed" if step["failed"] else "back" if step["back"] else "on"
        begun, took = step["at"] - start, step["seconds"]
        title = f"{step['title']}: from {duration(begun)} on, {duration(took)} of {duration(total)}"
        rows.append(
            h(
                '<li><span>{}{}</span>{}<span class="took">{}</span>{}</li>\n',
                *(
                    word("bad", "Failed: ") if step["failed"] else "",
                    step["title"],
                    stage_bar(begun, begun + took, total, state, title),
                ),
                *(duration(took), h('<span class="say">{}</span>', step["say"]) if step["say"] else ""),
            )
        )
    note = f"{clock(start)} to {clock(start + total)} UTC, {duration(total)}. The bars show when each stage ran."
    return section("Step by step", h('<p class="soft">{}</p>\n<ol class="stages">\n{}</ol>\n', note, rows))


def _proof(facts: Facts) -> Html:
    if not facts["proofs"]:
        switched = any(step["do"] == "shift" for step in facts["steps"])
        said = "The switch was not probed: nothing answered HTTP before it, or no port speaks it." if switched else ""
        return section("Proof of the switch", h("<p>{}</p>", said)) if switched else Html("")
    parts = []
    for proof in facts["proofs"]:
        colour, verdict = ("bad", "More than declared") if proof["breach"] else ("good", "Within what is declared")
        first = "never" if proof["first_new_ms"] is None else f"after {ms(proof['first_new_ms'])}"
        answered = ", ".join(
            f"{count(number, 'answer')} from {slot}" for slot, number in sorted(proof["slots"].items())
        )
        rows: list[tuple[Any, ...]] = [
            (
                "Probes that failed",
                f"{proof['failed']:,.0f} of {proof['sent']:,.0f}",
                f"at most {proof['max_failed']:,.0f}",
            ),
            ("Longest gap between two answers", ms(proof["longest_gap_ms"]), f"at most {ms(proof['max_gap_ms'])}"),
            ("First answer of the new slot", first, ""),
            ("Answers", answered, ""),
        ]
        failed = [(f"{one['at_ms']:,.0f} ms", one["address"], one["reason"]) for one in proof["failures"]]
        parts += [
            h("<h3>On the way back</h3>\n") if proof["back"] else Html(""),
            h("<p>{}{}</p>\n", word(colour, verdict), f": {proof['why']}" if proof["why"] not in ("", FINE) else "."),
            table("", ("What", "Seen", "Declared"), rows),
            table("The first probes that failed, by time from the switch", ("When", "Where", "Why"), failed, (0,))
            if failed
            else "",
        ]
    every = facts["proofs"][0]["interval_ms"]
    how = "While requests were switched, the run sent requests of its own through the edge, as a user would" + (
        f", one every {ms(every)} at each address." if every else "."
    )
    return section("Proof of the switch", h('<p class="soft">{}</p>\n', how), parts)


def _watch(facts: Facts) -> Html:
    watch = facts["watch"]
    if not watch:
        return Html("")
    figures, limits, excluded = watch["figures"], watch["limits"], watch["excluded"]
    names = (
        ("errors_percent", "Requests that failed or waited too long", "{:g}%"),
        ("overdue", "Of them, still open after too long a wait", "{:,.0f}"),
        ("p50_ms", "Half of the requests took at most (p50)", "{:,.0f} ms"),
        ("p95_ms", "95 of 100 requests took at most (p95)", "{:,.0f} ms"),
        ("p99_ms", "99 of 100 requests took at most (p99)", "{:,.0f} ms"),
        ("log_errors", "Error lines in the log", "{:,.0f}"),
    )
    rows = []
    for name, said, form in names:
        seen = form.format(figures[name]) if name in figures else "not seen"
        limit = form.format(limits[name]) if name in limits else "" if name == "overdue" else "no limit"
        if name in figures or name in limits:
            rows.append((said, seen, limit))
    for name, bound in excluded.items():
        what = "Requests that fail" if name == "errors" else f"Requests over the limit of {name}"
        rows.append((f"{what}: with 95% confidence at most", f"{bound:g}%", ""))
    colour, verdict = VERDICTS.get(watch["outcome"], ("some", watch["outcome"].capitalize()))
    seen = f"{count(figures.get('requests', 0), 'request')} of users in {duration(figures.get('seconds', 0))}"
    reasons = h("<ul>{}</ul>\n", [h("<li>{}</li>", reason) for reason in watch["reasons"]]) if watch["reasons"] else ""
    return section(
        "The watch after the switch",
        h("<p>{}: {} seen.</p>\n", word(colour, verdict), seen),
        reasons,
        table("", ("What", "Seen", "Limit"), rows, (1, 2)) if rows else "",
    )


def _checks(facts: Facts) -> Html:
    gates = [
        (
            check.get("name", ""),
            word(*GO.get(check.get("status", ""), ("some", check.get("status", "")))),
            check.get("detail", ""),
        )
        for check in facts["gates"]
    ]
    tests = [
        (
            test["name"],
            word("good", "passed") if test["ok"] else word("bad", "failed"),
            test["seen"],
            "" if test["ms"] is None else ms(test["ms"]),
        )
        for test in facts["tests"]
    ]
    if not gates and not tests:
        return Html("")
    return section(
        "Checks and gates",
        table("Before anything was changed: go or no go", ("Gate", "Result", "Evidence"), gates) if gates else "",
        table("The release by itself, before users reached it", ("Check", "Result", "Evidence", "Took"), tests, (3,))
        if tests
        else "",
    )


def _plan(facts: Facts) -> Html:
    if not facts["planned"]:
        return Html("")
    forward = [step for step in facts["steps"] if not step["back"]]
    rows = []
    for number, step in enumerate(facts["planned"]):
        done = forward[number] if number < len(forward) and forward[number]["do"] == step["do"] else None
        if done is None:
            state = word("soft", "not reached")
        elif done["failed"]:
            state = word("bad", "failed")
        else:
            state = word("good", "done")
        rows.append((f"{number + 1}", step["title"], state, step["undo"]))
    notes = h("<ul>{}</ul>", [h("<li>{}</li>", note) for note in facts["notes"]]) if facts["notes"] else ""
    back = [step["title"] for step in facts["steps"] if step["back"]]
    return section(
        "What was planned, and what was done",
        table("", ("", "Step", "Result", "Its undo"), rows),
        h("<p>Then, to go back: {}.</p>\n", "; ".join(back)) if back else "",
        notes,
    )


def _versions(facts: Facts) -> Html:
    start, goal = facts["from"], facts["to"]
    if not goal:
        return Html("")
    names = sorted({*goal["images"], *(start["images"] if start else {})})
    old = start or {"version": "nothing", "slot": "", "release": "", "commit": "", "images": {}}
    rows: list[tuple[Any, ...]] = [
        ("Version", old["version"], goal["version"]),
        ("Slot", old["slot"], goal["slot"]),
        ("Release", code(old["release"]), code(goal["release"])),
        ("Commit", code(old["commit"]), code(goal["commit"])),
        *(
            (f"Image of {name}", code(old["images"].get(name, "")), code(goal["images"].get(name, "")))
            for name in names
        ),
    ]
    changes = h(
        "<h3>Changes in {}</h3>\n<ul>{}</ul>\n", version(goal), [h("<li>{}</li>", one) for one in facts["changes"]]
    )
    return section("Versions", table("", ("", "From", "To"), rows), changes if facts["changes"] else "")


def _record(facts: Facts) -> Html:
    head = f"{facts['head']['seq']}:{facts['head']['hash']}" if facts["head"]["hash"] else ""
    who = facts["user"] + (f" on {facts['controller']}" if facts["controller"] else "")
    check = h(
        "<p>This checks that nobody has changed the record since:</p>\n{}",
        command_line(command(facts, "history", verify="true", head=head)),
    )
    return section(
        "Record",
        facts_list(
            ("Runbook", NOUNS.get(facts["runbook"]) and facts["runbook"]),
            ("Who", who),
            ("Reason", facts["reason"] or "none given"),
            ("Begun", date(facts["started"]) if facts["started"] else ""),
            ("Ended", date(facts["ended"]) if facts["ended"] else ""),
            ("Run", code(facts["run"])),
            ("Plan", code(facts["plan"])),
            ("Schema", facts["schema"]),
            ("Source", code(facts["release"]["source_digest"])),
            ("Ledger head", code(head)),
        ),
        check if head else "",
    )


def _footer(facts: Facts) -> Html:
    kept = h(" The raw data is on the host in <code>{}</code>.", facts["where"]) if facts["where"] else Html("")
    return h(
        "<footer><p>Made by steady.runbooks on the host that the run changed. All times are UTC.{}</p></footer>", kept
    )

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what people read about a run into its directory, on the host, after it has ended.

``report.html``; ``incident.json`` and ``incident.md`` when something was undone or went wrong; ``summary.json`` with
the sentences that the controller prints. All are made from files that are there anyway, so a kill in between costs
nothing: the next run writes what is missing.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

from ..errors import RunbookError
from ..run.clock import Clock
from ..run.files import Files
from ..run.journal import RUN_ID, Journal
from ..verify.mask import Mask
from .facts import facts_of, num
from .incident import incident, markdown
from .page import report
from .story import story

REPORT, SUMMARY = "report.html", "summary.json"
NEWEST = 10  # runs that are looked at
BEFORE, BEFORE_ROLLBACK, AFTER = 60.0, 300.0, 10.0  # seconds of users' requests around a run
LINES = 50


class Witness(Protocol):
    """What a platform says of a run: what users got, and what the release logged."""

    def timeline(self, since: float, until: float) -> dict[str, Any]: ...

    def logs(self, slot: str, since: float, lines: int) -> list[str]: ...


Releases = Callable[[str], "dict[str, Any] | None"]


def write_missing(files: Files, platform: Witness, releases: Releases, clock: Clock, mask: Mask) -> None:
    """Write the report of each of the newest runs that has ended and has none."""
    runs = [name for name in files.names("runs") if RUN_ID.match(name)]
    for run in runs[-NEWEST:]:
        where = f"runs/{run}"
        if files.exists(f"{where}/result.json") and not files.exists(f"{where}/{REPORT}"):
            write(files, platform, releases, Journal(files, run, clock), mask)


def write(files: Files, platform: Witness, releases: Releases, journal: Journal, mask: Mask) -> None:
    """Write all that is to be read about one run. The report comes last: where it is, the others are too."""
    raw = mask.data(gather(platform, releases, journal))
    record = incident(raw)
    if record:
        files.write_json(f"{journal.where}/incident.json", record)
        files.write(f"{journal.where}/incident.md", markdown(record))
    files.write_json(f"{journal.where}/{SUMMARY}", {**story(facts_of(raw)), "incident": bool(record)})
    files.write(f"{journal.where}/{REPORT}", report(raw))


def gather(platform: Witness, releases: Releases, journal: Journal) -> dict[str, Any]:
    """The raw facts of a run (see ``facts``). What cannot be had is left out: better a report without it than none."""
    intent, result = journal.intent() or {}, journal.result() or {}
    raw: dict[str, Any] = {
        "intent": intent,
        "result": result,
        "events": _events(journal),
        "where": journal.files.path(journal.where),
    }
    facts = facts_of(raw)
    if not facts["steps"]:
        return raw
    rollback = facts["purpose"] == "rollback"
    since = facts["started"] - (BEFORE_ROLLBACK if rollback else BEFORE)
    until = min(journal.clock.now(), facts["ended"] + AFTER)
    since, until = _alone(journal, since, until)
    start = facts["from"]
    raw["timeline"] = _tried(lambda: platform.timeline(since, until))
    raw["origin"] = releases(start["release"]) if start else None
    if rollback and start and not facts["failure"]:
        raw["logs"] = _tried(lambda: platform.logs(start["slot"], since, LINES))
    return raw


def _alone(journal: Journal, since: float, until: float) -> tuple[float, float]:
    """The stretch without what belongs to the runs before and after: a slot had other releases then."""
    runs = [name for name in journal.files.names("runs") if RUN_ID.match(name)]
    here = runs.index(journal.run)
    for name in runs[max(0, here - 3) : here]:
        result = Journal(journal.files, name, journal.clock).result() or {}
        since = max(since, num(result.get("ended")) if result.get("steps") else 0.0)
    for name in runs[here + 1 : here + 2]:
        begun = num((Journal(journal.files, name, journal.clock).intent() or {}).get("started"))
        until = min(until, begun or until)
    return since, max(until, since + 1)


def _events(journal: Journal) -> list[dict[str, Any]]:
    try:
        return journal.events()
    except ValueError:  # edited by hand, or of a disk that was full
        return []


def _tried(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (RunbookError, OSError):
        return None

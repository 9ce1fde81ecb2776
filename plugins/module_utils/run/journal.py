# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has set out to do, what it did, and how it ended: one directory a run.

``intent.json`` is written before anything changes and says from, to and direction. ``steps.jsonl`` is the step log,
for people and progress; nothing is ever decided from it. ``result.json`` is written last. ``run.current`` names the
run that has an intent and no result yet. Secrets are masked in whatever is written for people.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from ..errors import Refused, TimedOut, denied
from ..verify.mask import Mask
from .clock import Clock
from .files import Files
from .ledger import Ledger
from .lock import HostLock
from .waiter import wait_for

CURRENT = "run.current"
LETTING_GO = 15.0  # seconds: longer than Docker takes to stop a container
RUN_ID = re.compile(r"^[0-9]{8}T[0-9]{6}-[a-z_]+-[0-9a-f]{6}$")


class Journal:
    """The journal of one run."""

    def __init__(self, files: Files, run: str, clock: Clock, mask: Mask | None = None) -> None:
        self.files = files
        self.run = run
        self.clock = clock
        self.mask = mask or Mask()
        self.where = f"runs/{run}"
        self.told: str | None = None  # the progress that was told last, if nothing else was since

    def intend(self, intent: dict[str, Any]) -> None:
        """Write down durably what is about to be done; called again when the direction turns."""
        self.files.write_json(f"{self.where}/intent.json", intent)
        self.files.write(CURRENT, self.run + "\n")

    def withdraw(self, dead: Journal | None) -> None:
        """It did not begin: what was unfinished before it is so again."""
        if dead and (self.files.read(CURRENT) or b"").decode().strip() == self.run:
            self.files.write(CURRENT, dead.run + "\n")

    def intent(self) -> dict[str, Any] | None:
        return self.files.read_json(f"{self.where}/intent.json")

    def log(self, event: str, **details: Any) -> None:
        """Add a line to the step log. Not made durable: nothing depends on it."""
        self.told = details.get("text") if event == "progress" else None
        told = self.mask.data({"at": round(self.clock.now(), 3), "event": event, **details})
        line = json.dumps(told, default=str)
        with contextlib.suppress(OSError):  # a full disk must not end a run, least of all one that goes back
            self.files.append(f"{self.where}/steps.jsonl", line.encode() + b"\n", durable=False)

    def progress(self, text: str) -> None:
        """Say something about what takes long, unless it has just been said: who follows is woken by each line."""
        if text != self.told:
            self.log("progress", text=text)

    def events(self) -> list[dict[str, Any]]:
        """The step log; a torn last line is left out."""
        content = self.files.read(f"{self.where}/steps.jsonl") or b""
        return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result; from now on the run is over, unless it is stuck: then it waits to be recovered."""
        self.files.write_json(f"{self.where}/result.json", self.mask.data(result))
        if result["outcome"] != "stuck" and (self.files.read(CURRENT) or b"").decode().strip() == self.run:
            self.files.remove(CURRENT)

    def result(self) -> dict[str, Any] | None:
        return self.files.read_json(f"{self.where}/result.json")

    def request_return(self, by: dict[str, Any]) -> None:
        """Ask a run that watches to go back; it looks for this every second."""
        self.files.write_json(f"{self.where}/return.json", by)

    def return_requested(self) -> dict[str, Any] | None:
        return self.files.read_json(f"{self.where}/return.json")


def unfinished(files: Files, clock: Clock) -> Journal | None:
    """The run that did not end: at work now, dead, or stuck between two releases."""
    name = (files.read(CURRENT) or b"").decode(errors="replace").strip()
    if not RUN_ID.match(name):
        return None
    journal = Journal(files, name, clock)
    # A kill between the ledger's line and the result leaves a run that has ended and lacks only the result.
    ended = journal.result() or Ledger(files).last() or {}
    over = ended.get("run") == name and ended.get("outcome") != "stuck"
    return None if over or journal.intent() is None else journal


def at_work(files: Files, clock: Clock) -> dict[str, Any] | None:
    """Who holds the lock, or None. A run that has its result or ends its warm window is waited for: it lets go soon."""
    lock = HostLock(files, clock)

    def settled() -> tuple[bool, Any]:
        held = lock.holder()
        name = str((held or {}).get("run"))
        over = bool(RUN_ID.match(name)) and Journal(files, name, clock).result() is not None
        return not over, held

    try:
        held: dict[str, Any] | None = wait_for(settled, what="the run lets go", timeout=LETTING_GO, clock=clock)
    except TimedOut as error:
        return dict(error.last_seen)
    return held


def present(files: Files, clock: Clock) -> tuple[dict[str, Any] | None, Journal | None]:
    """Who is at work now, and the run that did not end: dead when nobody is at work.

    A run has the lock before its intent: one whose intent was there before the lock was seen free is not at work, and
    one that appears only afterwards may be.
    """
    found = unfinished(files, clock)
    while True:
        held, before, found = at_work(files, clock), found, unfinished(files, clock)
        if held or found is None or (before and before.run == found.run):
            return held, found


def not_written(error: OSError) -> Refused:
    """The refusal when the state directory takes nothing."""
    if isinstance(error, PermissionError):
        return denied(error, "written")
    return Refused(
        f"what is to be done cannot be written down: {error}",
        code="state_not_written",
        next_step="Look at the disk of the host's state directory: full, or mounted read-only.",
    )


def bury(files: Files, clock: Clock, by: str, dead: Journal) -> None:
    """Run *by* answers for what *dead* had begun, and for every run that an earlier recovery died of."""
    for name in files.names("runs"):
        journal = Journal(files, name, clock)
        if name != by and (name == dead.run or (journal.intent() and journal.result() is None)):
            journal.finish({**(journal.result() or {"run": name}), "outcome": "recovered", "by": by})

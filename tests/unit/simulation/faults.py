# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong, and when: an act passes numbered points, and a script does something at one of them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import NEW, Files

SLOW_SECONDS = 900.0
# What can happen at a point: before a call begins, between two of its effects, after the last but before the answer.
AT_CALL = {
    "enter": ("kill", "fail", "fail once", "slow", "defect", "end"),
    "within": ("kill", "fail once", "end"),
    "after": ("kill", "lost answer", "end"),
}
# The same for a durable write; "torn" is in the middle of it. A full disk is full once, or stays full.
AT_WRITE = {"before": ("kill", "fail", "fail once", "end"), "torn": ("kill",), "written": ("kill", "end")}
KINDS = {**AT_CALL, **AT_WRITE}


class Killed(BaseException):
    """kill -9: nothing of the act runs any more, and nothing of it may catch this."""


class VirtualClock(Clock):
    """Time that passes only when somebody sleeps."""

    def __init__(self, at: float = 1_900_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Script:
    """Counts the points that are passed, and at some of them does what *faults* (number -> kind) says."""

    def __init__(self, clock: VirtualClock, faults: Mapping[int, str] | None = None) -> None:
        self.clock = clock
        self.faults = dict(faults or {})
        self.seen: list[tuple[str, str]] = []  # (what, where): a key of KINDS
        self.broken: set[str] = set()  # calls and writes that fail from now on
        self.unwritten: set[str] = set()  # writes that failed
        self.dead = False  # killed: what Python does while it unwinds is not done
        self.interrupt: Callable[[], None] = lambda: None  # what SIGTERM does
        self.quiet = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile is not the act's: nothing is counted, and nothing goes wrong."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    def lift(self) -> None:
        """Whatever was wrong is mended."""
        self.faults.clear()
        self.broken.clear()
        self.unwritten.clear()
        self.dead = False
        self.seen = []

    def point(self, what: str, where: str) -> None:
        if self.quiet:
            return
        number = len(self.seen)
        self.seen.append((what, where))
        kind = self.faults.get(number)
        if kind == "fail":
            self.broken.add(what)
        if kind == "kill":
            self.dead = True
            raise Killed(f"{what} ({where})")
        if kind == "end":
            self.interrupt()
        elif kind == "slow":
            self.clock.sleep(SLOW_SECONDS)
        elif kind == "defect":
            raise KeyError(f"a defect on purpose in {what}")
        elif kind is not None or (what in self.broken and where in ("enter", "before")):
            if where in AT_WRITE:
                self.unwritten.add(what)
                raise OSError(errno.ENOSPC, "No space left on device", what)
            raise StepFailed(f"{what} fails on purpose ({kind or 'still'})", code="on_purpose")

    def cases(self, most: int = 2) -> list[tuple[int, str]]:
        """(number, kind) of every fault that the points seen so far allow; of equal points the first *most*."""
        count: dict[tuple[str, str], int] = {}
        found = []
        for number, point in enumerate(self.seen):
            count[point] = count.get(point, 0) + 1
            if count[point] <= most:
                found += [(number, kind) for kind in KINDS[point[1]]]
        return found


class SimulatedFiles(Files):
    """Real files, with a point before, in the middle of and after every durable write."""

    def __init__(self, root: str, script: Script) -> None:
        super().__init__(root)
        self.script = script

    def write(self, path: str, content: bytes | str, mode: int = 0o600) -> None:
        name = self._name(path)
        self.script.point(name, "before")
        try:
            self.script.point(name, "torn")
        except Killed:
            # What mkstemp had made stays, as it does after a real kill.
            super().write(f"{os.path.dirname(path)}/{NEW}0-torn".lstrip("/"), b"half of it", mode)
            raise
        super().write(path, content, mode)
        self.script.point(name, "written")

    def write_json(self, path: str, document: Any, mode: int = 0o600) -> None:
        self.write(path, json.dumps(document, sort_keys=True) + "\n", mode)  # quicker than for people to read

    def append(self, path: str, line: bytes, durable: bool = True) -> None:
        if not durable:
            super().append(path, line, durable)
            return
        name = self._name(path)
        self.script.point(name, "before")
        try:
            self.script.point(name, "torn")
        except Killed:
            super().append(path, line[: len(line) // 2], durable)
            raise
        super().append(path, line, durable)
        self.script.point(name, "written")

    def remove(self, path: str) -> None:
        if self.script.dead:
            return
        self.script.point(self._name(path), "before")
        super().remove(path)
        self.script.point(self._name(path), "written")

    @staticmethod
    def _name(path: str) -> str:
        """The kind of file: the run's own id says nothing."""
        return f"write {os.path.basename(path)}"

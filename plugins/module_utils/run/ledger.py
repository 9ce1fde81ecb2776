# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Append-only history, each line chained to the one before it, so that a quiet change is found.

A line is ``{"seq":N,"prev":"<sha256 of the raw bytes of the line before>",...}``. The head (number and hash of the
last line) is kept apart: a chain alone cannot tell that its end was cut off. Save a head elsewhere and hand it to
:func:`verify` to be sure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import RunbookError
from .files import Files

NAME = "ledger.jsonl"
HEAD = "ledger.head"
GENESIS = "0" * 64
_START = re.compile(rb'\{"seq":(\d+),"prev":"([0-9a-f]{64})"')


class LedgerBroken(RunbookError):
    """The ledger does not say what it said when it was written."""


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _broken(detail: str) -> LedgerBroken:
    return LedgerBroken(
        detail,
        code="ledger_broken",
        next_step="Compare it with a copy or a saved head, and find out who changed it. To go on meanwhile, move "
        f"{NAME} and {HEAD} to where they are kept as they are: a new ledger begins then.",
    )


class Ledger:
    """The ledger of one service."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def head(self) -> dict[str, Any]:
        """Number and hash of the last line: ``{"seq": int, "hash": str}``; seq 0 for an empty ledger."""
        return self.files.read_json(HEAD) or {"seq": 0, "hash": GENESIS}

    def append(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Add *entry* durably and return the new head. Heals what a kill during an earlier append left."""
        head = self._settled_head()
        if head != self.head():
            self.files.write_json(HEAD, head)  # it never lags by more than the one line that is added
        document = {"seq": head["seq"] + 1, "prev": head["hash"], **entry}
        line = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()
        self.files.append(NAME, line + b"\n")
        head = {"seq": document["seq"], "hash": _hash(line)}
        self.files.write_json(HEAD, head)
        return head

    def entries(self) -> Iterator[dict[str, Any]]:
        """All whole lines, oldest first."""
        for line in (self.files.read(NAME) or b"").splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)

    def last(self) -> dict[str, Any] | None:
        """The newest whole line; None in an empty ledger, or when it is none of ours."""
        whole = (self.files.read(NAME) or b"").rpartition(b"\n")[0]
        line = whole.rpartition(b"\n")[2]
        return json.loads(line) if _START.match(line) else None

    def check(self) -> None:
        """Raise :class:`LedgerBroken` when nothing could be added: its end is not what the head says."""
        self._end(self.files.read(NAME) or b"")

    def verify(self, saved: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check every line against the chain, the head, and a head that was *saved* elsewhere.

        Return ``{"entries", "head", "torn"}``; *torn* is true when the last append was cut short by a kill (the next
        append mends it). Raise :class:`LedgerBroken` naming the first line that is changed, missing or moved.
        """
        content = self.files.read(NAME) or b""
        whole, _newline, torn = content.rpartition(b"\n")
        last, at_saved = self._walk(whole, saved["seq"] if saved else -1)
        head = self.head()
        if head["seq"] > last["seq"]:
            raise _broken(f"the end is missing: {last['seq']} lines are there, the head says {head['seq']}")
        if head["seq"] < last["seq"] - 1:
            raise _broken(
                f"the head says {head['seq']} lines, {last['seq']} are there: the head is older than the ledger"
            )
        if head["seq"] == last["seq"] and head["hash"] != last["hash"]:
            raise _broken(f"line {last['seq']} was changed: it does not have the hash that the head names")
        if saved and saved["seq"] > last["seq"]:
            raise _broken(
                f"the end is missing: {last['seq']} lines are there, the saved head names line {saved['seq']}"
            )
        if saved and at_saved != saved["hash"]:
            raise _broken(f"line {saved['seq']} is not the one that the saved head names: history was rewritten")
        return {"entries": last["seq"], "head": last, "torn": bool(torn)}

    def _settled_head(self) -> dict[str, Any]:
        """The head to append to, after dropping a torn last line and catching up with a line the head missed."""
        content = self.files.read(NAME) or b""
        head, size = self._end(content)
        if size != len(content):
            self.files.truncate(NAME, size)
        return head

    def _end(self, content: bytes) -> tuple[dict[str, Any], int]:
        """The head as it should be, and how many bytes are whole lines."""
        head = self.head()
        whole = content[: content.rfind(b"\n") + 1]
        last = whole[:-1].rpartition(b"\n")[2] if whole else b""
        start = _START.match(last)
        seq = int(start.group(1)) if start else 0
        if last and not start:
            raise _broken("the last line is none of ours")
        if seq == head["seq"] + 1 and start and start.group(2).decode() == head["hash"]:
            return {"seq": seq, "hash": _hash(last)}, len(whole)
        if seq != head["seq"] or (last and _hash(last) != head["hash"]):
            raise _broken(f"the last line is number {seq}, the head says {head['seq']}, and they do not agree")
        return head, len(whole)

    @staticmethod
    def _walk(whole: bytes, watched: int) -> tuple[dict[str, Any], str]:
        previous, seq, at_watched = GENESIS, 0, GENESIS if watched == 0 else ""
        for line in whole.split(b"\n") if whole else []:
            seq += 1
            start = _START.match(line)
            if not start:
                raise _broken(f"line {seq} is none of ours")
            if int(start.group(1)) != seq:
                raise _broken(f"line {seq} says it is number {int(start.group(1))}: a line is missing, added or moved")
            if start.group(2).decode() != previous:
                what = f"line {seq - 1} was changed" if seq > 1 else "line 1 was changed"
                raise _broken(f"{what}: line {seq} was chained to another content")
            previous = _hash(line)
            if seq == watched:
                at_watched = previous
        return {"seq": seq, "hash": previous}, at_watched

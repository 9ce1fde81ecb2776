# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger told to people and programs, and verified."""

from __future__ import annotations

import calendar
import re
import time
from typing import Any

from ..errors import Refused
from .files import Files
from .ledger import Ledger

_HEAD = re.compile(r"(\d+):([0-9a-f]{64})")
_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def history(files: Files, verify: bool, head: str, limit: int, since: str) -> dict[str, Any]:
    """The newest *limit* entries *since* a time (UTC), with ``verified`` when asked for or when a *head* is given."""
    if limit < 1:
        raise Refused(
            f"limit is {limit}, and the least is 1", code="bad_limit", next_step="Give -e limit=20, or leave it out."
        )
    ledger = Ledger(files)
    begin = moment(since) if since else 0.0
    entries = [entry for entry in ledger.entries() if entry.get("time", 0) >= begin][-limit:]
    now = ledger.head()
    told: dict[str, Any] = {"entries": entries, "head": now}
    lines = [_line(entry) for entry in entries] or ["no runs are recorded"]
    lines.append(f"head {now['seq']}:{now['hash']}")
    if verify or head:
        told["verified"] = ledger.verify(_head(head) if head else None)
        torn = ", the last append was cut short and will be mended by the next" if told["verified"]["torn"] else ""
        saved = " and the saved head" if head else ""
        lines.append(f"verified: {told['verified']['entries']} entries agree with the chain, the head{saved}{torn}")
    return {**told, "text": "\n".join(lines) + "\n"}


def _line(entry: dict[str, Any]) -> str:
    if entry.get("kind") == "exec":
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.get("time", 0)))
        who = (entry.get("actor") or {}).get("user") or "unknown"
        what = f"exec in {entry.get('container')}: {entry.get('command')}"
        return f"{entry.get('seq')}. {when}, {what}, exit {entry.get('exit')}, by {who}"
    ends = " -> ".join((entry.get(end) or {}).get("version") or "nothing" for end in ("from", "to"))
    words = [
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.get("time", 0))),
        f"{entry.get('runbook')} {ends}: {entry.get('outcome')}",
        f"in {entry.get('seconds', 0):.1f} s",
        f"by {(entry.get('actor') or {}).get('user') or 'unknown'}",
    ]
    if (entry.get("proof") or {}).get("say"):
        words.append(entry["proof"]["say"])
    if (entry.get("proof_back") or {}).get("say"):
        words.append(f"and back: {entry['proof_back']['say']}")
    if entry.get("failure"):
        words.append(f"because {entry['failure'].get('detail')}")
    return f"{entry.get('seq')}. " + ", ".join(words)


def _head(text: str) -> dict[str, Any]:
    found = _HEAD.fullmatch(text)
    if not found:
        raise Refused(
            "head is not of the form SEQUENCE:HASH with 64 hexadecimal digits",
            code="bad_head",
            next_step="Give a head as a run's summary prints it.",
        )
    return {"seq": int(found.group(1)), "hash": found.group(2)}


def moment(text: str) -> float:
    """Seconds since the epoch of a date or time in UTC, as a person writes it."""
    for form in _FORMATS:
        try:
            return float(calendar.timegm(time.strptime(text.rstrip("Z"), form)))
        except ValueError:
            continue
    raise Refused(
        f"since is no date: {text}", code="bad_since", next_step="Write it as 2030-01-31 or 2030-01-31T02:00Z."
    )

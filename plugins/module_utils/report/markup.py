# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Markup that cannot forget to escape, and numbers and times as people read them."""

from __future__ import annotations

import html
import re
import time
import unicodedata
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
# They turn the direction of what follows: a log line could make a report read as something else.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Html(str):
    """Markup of ours: it is not escaped again."""

    __slots__ = ()


def h(template: str, *values: Any) -> Html:
    """Put *values* into a *template* of ours; all but :class:`Html` (and lists of values) is escaped text."""
    return Html(template.format(*map(_safe, values)))


def _safe(value: Any) -> str:
    if isinstance(value, Html):
        return value
    if isinstance(value, (list, tuple)):
        return "".join(map(_safe, value))
    return html.escape(clean(value))


def clean(value: Any) -> str:
    """Text without what a terminal or a browser would act on: escape sequences, control characters, turned text."""
    text = _ANSI.sub("", str(value))
    return "".join("\ufffd" if _acts(sign) else sign for sign in text)


def _acts(sign: str) -> bool:
    return sign in _TURNING or (sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cs"))


def date(moment: float) -> str:
    """``2030-01-31 02:00:00 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", _utc(moment))


def clock(moment: float) -> str:
    """``02:00:00``, in UTC."""
    return time.strftime("%H:%M:%S", _utc(moment))


def _utc(moment: float) -> time.struct_time:
    try:
        return time.gmtime(moment)
    except (OverflowError, OSError, ValueError):
        return time.gmtime(0)


def duration(seconds: float) -> str:
    """``12 ms``, ``3.4 s``, ``2 min 5 s``, ``1 h 5 min``."""
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ms(value: float) -> str:
    """Milliseconds as they are best read: ``26 ms``, ``3.2 s``."""
    return f"{value:,.0f} ms" if value < 9999.5 else duration(value / 1000)


def count(number: float, one: str, many: str = "") -> str:
    """``1 probe``, ``1,204 probes``."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """``5.0%``; small shares with the digits that tell them from nothing."""
    percent = 100.0 * part / whole if whole else 0.0
    return f"{percent:.1f}%" if percent >= 0.95 or percent == 0 else f"{percent:.2g}%"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading declared data: each refusal names the field as a person finds it in the inventory."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Refused
from ..run.variables import meant, odd_character, shown, type_of


def refuse(field: str, problem: str, code: str = "invalid_setting") -> Refused:
    """The refusal of *field*, for example ``service_smoke_tests[2].expect.status``."""
    return Refused(f"{field} {problem}", code=code, next_step=f"Correct {field} in the inventory and run again.")


def mapping(data: Any, field: str, allowed: Sequence[str], required: Sequence[str] = ()) -> Mapping[str, Any]:
    """*data* as a mapping that has the *required* keys and none but the *allowed* ones."""
    if not isinstance(data, Mapping):
        raise refuse(field, f"must be a mapping with {_listed(allowed)}, not {type_of(data)}")
    for key in data:
        if key not in allowed:
            raise refuse(
                field, f"has the unknown key {shown(key)}{meant(str(key), allowed)}; it may have {_listed(allowed)}"
            )
    for key in required:
        if data.get(key) is None:
            raise refuse(f"{field}.{key}", "is missing")
    return data


def entries(data: Any, field: str, most: int) -> Sequence[Any]:
    """*data* as a list of at most *most* entries."""
    if not isinstance(data, (list, tuple)):
        raise refuse(field, f"must be a list, not {type_of(data)}")
    if len(data) > most:
        raise refuse(field, f"has {len(data)} entries; the limit is {most}")
    return data


def whole(data: Any, field: str, least: int, most: int) -> int:
    """*data* as a whole number within the bounds. A number in quotes is a string, and refused as one."""
    if isinstance(data, bool) or not isinstance(data, int):
        raise refuse(field, f"must be a whole number from {least} to {most}, not {_given(data)}")
    if not least <= data <= most:
        raise refuse(field, f"must be from {least} to {most}, not {shown(data)}")
    return int(data)


def number(data: Any, field: str, least: float, most: float) -> float:
    """*data* as a finite number within the bounds."""
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise refuse(field, f"must be a number from {least:.10g} to {most:.10g}, not {_given(data)}")
    if not math.isfinite(data) or not least <= data <= most:
        raise refuse(field, f"must be from {least:.10g} to {most:.10g}, not {shown(data)}")
    return float(data)


def text(data: Any, field: str, longest: int, pattern: str = "", what: str = "", visible: bool = True) -> str:
    """*data* as one line of at most *longest* characters; not *visible* values are never quoted in the refusal."""
    if not isinstance(data, str):
        raise refuse(field, f"must be {what or 'a string'}, not {type_of(data)}")
    if not data or len(data) > longest:
        raise refuse(field, f"must have 1 to {longest} characters, not {len(data)}")
    odd = odd_character(data, ascii_only=False)
    if odd:
        raise refuse(field, f"contains {odd}")
    if pattern and not re.fullmatch(pattern, data):
        raise refuse(field, f"must be {what}" + (f", not {shown(data)}" if visible else ""))
    return data


def _given(data: Any) -> str:
    return f"{type_of(data)} ({shown(data)})" if isinstance(data, (str, int, float)) else type_of(data)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)

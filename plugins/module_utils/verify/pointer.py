# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON documents and the pointers into them (RFC 6901)."""

from __future__ import annotations

import json
import re
from typing import Any

POINTER = r"(?:/(?:[^~/]|~[01])*)*"


def is_pointer(text: str) -> bool:
    """Whether *text* is a JSON pointer: empty for the whole document, else ``/key/0/key``."""
    return re.fullmatch(POINTER, text) is not None


def find(document: Any, pointer: str) -> tuple[bool, Any]:
    """Whether *pointer* leads to something in *document*, and what."""
    here = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and re.fullmatch("0|[1-9][0-9]{0,8}", key) and int(key) < len(here):
            here = here[int(key)]
        else:
            return False, None
    return True, here


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: ``true`` is not ``1`` (in Python it is), ``1`` is ``1.0``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(left, right) for left, right in zip(one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def parse(body: bytes) -> tuple[bool, Any]:
    """Whether *body* is a JSON document, and which."""
    try:
        return True, json.loads(body)
    except (ValueError, RecursionError):
        return False, None

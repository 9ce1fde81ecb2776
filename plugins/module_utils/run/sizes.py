# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes as people and Compose write them."""

from __future__ import annotations

import re

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
PATTERN = r"([0-9]{1,15}(?:\.[0-9]{1,3})?) *([kmg]?)(?:i?b)?"


def number_of(text: str | int) -> int:
    """Bytes of ``268435456``, ``256m``, ``256MiB`` or ``0.5g``; 0 for what is no size."""
    found = re.fullmatch(PATTERN, str(text).strip().lower())
    return round(float(found.group(1)) * UNITS[found.group(2)]) if found else 0


def size_text(count: float) -> str:
    """``285.0 MiB``."""
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024 or unit == "GiB":
            break
    return f"{count:.1f} {unit}"

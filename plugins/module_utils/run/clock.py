# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time, handed in: so that a simulation can play hours in milliseconds."""

from __future__ import annotations

import time


class Clock:
    """The real clock. Tests hand in one of their own with the same three calls."""

    def now(self) -> float:
        """Seconds since the epoch; may jump when somebody sets the machine's time."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go backwards; for durations and time limits."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

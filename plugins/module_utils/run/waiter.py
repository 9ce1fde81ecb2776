# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One way to wait: a condition, a bound, and what was seen last."""

from __future__ import annotations

from typing import Any, Callable

from ..errors import TimedOut
from .clock import Clock

LONGEST_PAUSE = 1.0


def wait_for(
    look: Callable[[], tuple[bool, Any]],
    *,
    what: str,
    timeout: float,
    clock: Clock,
    interval: float = 0.1,
    next_step: str = "",
) -> Any:
    """Call *look* until it answers ``(True, value)`` and return the value.

    *look* may raise to give up early. After *timeout* seconds raise :class:`TimedOut` with what was seen last;
    there is always one look after the time is up, so a slow look cannot miss a condition that became true.

    Between two looks are at least *interval* seconds, as long as a look takes, and a twentieth of what has been waited,
    but for that at most a second: looking must not slow down what is waited for.
    """
    start = clock.monotonic()
    while True:
        begun = clock.monotonic()
        late = begun - start >= timeout
        true, seen = look()
        if true:
            return seen
        if late:
            raise TimedOut(
                f"{what}: not true after {timeout:g} s",
                code="timed_out",
                last_seen=seen,
                next_step=next_step,
            )
        now = clock.monotonic()
        clock.sleep(max(interval, min(LONGEST_PAUSE, max(now - begun, (now - start) / 20))))

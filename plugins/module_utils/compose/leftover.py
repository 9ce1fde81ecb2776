# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a killed act leaves running: the kernel ends the act, but not the docker command that it was waiting for.

Such a command goes on and may start a container after somebody has looked. So whoever ends a dead run waits for it
before looking, and ends it before acting.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any

from ..errors import TimedOut
from ..run.clock import Clock
from ..run.lock import is_alive, process_identity
from ..run.waiter import wait_for

PATIENCE = 30.0  # seconds that a command may take to end by itself


def leftovers(intent: Mapping[str, Any]) -> list[int]:
    """The docker commands of a dead run that still run: those in the session that its act had made for itself."""
    dead = intent.get("process") or {}
    if not dead or dead["boot"] != process_identity()["boot"] or is_alive(dead):
        return []
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _belongs(pid, dead)]


def await_leftovers(intent: Mapping[str, Any], clock: Clock) -> None:
    """Let them end by themselves, up to a bound: what is seen then is what will be acted upon."""
    with contextlib.suppress(TimedOut):
        wait_for(
            lambda: (not (left := leftovers(intent)), left),
            what="the dead run's last command ended",
            timeout=PATIENCE,
            clock=clock,
        )


def end_leftovers(intent: Mapping[str, Any], clock: Clock) -> None:
    """Kill what still runs of a dead run. The engine ends what it was asked for; each step looks at what is true."""
    for pid in leftovers(intent):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await_leftovers(intent, clock)


def _belongs(pid: int, dead: Mapping[str, Any]) -> bool:
    """The session's number is the act's; it is not given to anybody else while one of its processes is there."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            words = stream.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            command = stream.read()
    except OSError:
        return False  # it has ended
    state, session, started = words[0], int(words[3]), int(words[19])
    ours = pid != dead["pid"] and session == dead["pid"] and started >= dead["process_start"]
    return ours and state not in ("Z", "X") and b"docker" in command

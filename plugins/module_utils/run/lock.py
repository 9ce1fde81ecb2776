# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time on a host: a lock that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

from ..errors import Refused
from .clock import Clock
from .files import Files

NAME = "lock"


def process_identity(pid: int | None = None) -> dict[str, Any]:
    """Who a process is, so that a reused process id or a reboot cannot be mistaken for it."""
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "process_start": _start_time(pid), "boot": _boot_id()}


def is_alive(identity: dict[str, Any]) -> bool:
    """Whether exactly this process still runs: same boot, same process id, same start time."""
    started = _start_time(int(identity.get("pid") or 0))
    return started is not None and started == identity.get("process_start") and identity.get("boot") == _boot_id()


def _start_time(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            after_name = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    state, start = after_name[0], after_name[19]
    return None if state in ("Z", "X") else int(start)


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


class HostLock:
    """The lock of one service on this host, with who holds it for the message."""

    def __init__(self, files: Files, clock: Clock) -> None:
        self.files = files
        self.clock = clock
        self.handle: int | None = None

    def holder(self) -> dict[str, Any] | None:
        """Who holds the lock now, or None. Reading it takes no lock that could be in a run's way for long."""
        if not self.files.exists(NAME):
            return None
        handle = os.open(self.files.path(NAME), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except OSError:
            return self._info(handle)
        finally:
            os.close(handle)

    def acquire(self, info: dict[str, Any], patience: float = 1.0) -> None:
        """Take the lock or raise :class:`Refused`; *patience* outlasts somebody who only looks."""
        self.files.directory()
        handle = os.open(self.files.path(NAME), os.O_RDWR | os.O_CREAT, 0o600)
        until = self.clock.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if self.clock.monotonic() >= until:
                    held = self._info(handle)
                    os.close(handle)
                    raise busy(held) from None
                self.clock.sleep(0.05)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({**info, **process_identity()}).encode(), 0)
        self.handle = handle

    def release(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    @staticmethod
    def _info(handle: int) -> dict[str, Any]:
        try:
            return dict(json.loads(os.pread(handle, 65536, 0)))
        except ValueError:
            return {}


def busy(held: dict[str, Any]) -> Refused:
    """The refusal of a second run, naming the first."""
    return Refused(
        f"{held.get('runbook', 'another run')} (run {held.get('run', 'unknown')}) is at work on this service",
        code="busy",
        last_seen=held,
        next_step="Wait until it has ended (status.yml shows it); rollback.yml may interrupt it while it watches.",
    )

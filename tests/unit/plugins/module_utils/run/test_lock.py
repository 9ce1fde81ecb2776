# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a service: one run at a time, and who holds it is never mistaken for somebody else."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import (
    HostLock,
    busy,
    is_alive,
    process_identity,
)

INFO = {"run": "20300101T000000-rollback-000001", "runbook": "rollback", "since": 1.0}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "shop"))


class Other:
    """Another process, which takes the lock and keeps it until it is killed."""

    def __init__(self, files: Files) -> None:
        says, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            HostLock(files, Clock()).acquire(INFO)
            os.write(told, b"!")
            signal.pause()
            os._exit(0)
        os.close(told)
        assert os.read(says, 1) == b"!"
        os.close(says)

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


@pytest.fixture
def other(files: Files) -> Iterator[Other]:
    process = Other(files)
    yield process
    process.kill()


def test_nobody_holds_a_lock_that_was_never_taken(files: Files) -> None:
    assert HostLock(files, Clock()).holder() is None
    assert not os.path.exists(files.root), "to look makes nothing"


def test_a_second_process_is_refused_and_told_who_holds_it(files: Files, other: Other) -> None:
    lock = HostLock(files, Clock())
    held = lock.holder()
    assert held and held["run"] == INFO["run"] and held["pid"] == other.pid and is_alive(held)
    with pytest.raises(Refused) as refused:
        lock.acquire({"run": "another"}, patience=0)
    assert refused.value.code == "busy"
    assert INFO["run"] in refused.value.detail and refused.value.last_seen["pid"] == other.pid
    assert lock.handle is None


def test_the_lock_of_a_process_that_was_killed_is_free(files: Files, other: Other) -> None:
    lock = HostLock(files, Clock())
    identity = lock.holder()
    other.kill()
    assert lock.holder() is None
    assert identity and not is_alive(identity)
    lock.acquire(INFO)
    held = HostLock(files, Clock()).holder()
    assert held and held["pid"] == os.getpid()
    lock.release()
    assert HostLock(files, Clock()).holder() is None


def test_a_shorter_description_leaves_nothing_of_a_longer_one(files: Files) -> None:
    lock = HostLock(files, Clock())
    lock.acquire({"run": "x" * 500})
    lock.release()
    lock.acquire({"run": "y"})
    held = HostLock(files, Clock()).holder()
    assert held and held["run"] == "y"
    lock.release()


def test_somebody_who_only_looks_is_outlasted(files: Files) -> None:
    """A look takes the lock shared, for a moment."""

    class Waits(Clock):
        def sleep(self, seconds: float) -> None:
            looking.kill()

    files.directory()
    (Path(files.root) / "lock").touch()
    looking = Other.__new__(Other)
    says, told = os.pipe()
    looking.pid = os.fork()
    if looking.pid == 0:
        import fcntl

        fcntl.flock(os.open(files.path("lock"), os.O_RDONLY), fcntl.LOCK_SH)
        os.write(told, b"!")
        signal.pause()
    assert os.read(says, 1) == b"!"
    lock = HostLock(files, Waits())
    lock.acquire(INFO)
    assert lock.handle is not None
    lock.release()


def test_only_the_owner_can_read_who_holds_it(files: Files) -> None:
    lock = HostLock(files, Clock())
    lock.acquire(INFO)
    assert stat.S_IMODE(os.stat(files.path("lock")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(files.root).st_mode) == 0o700
    lock.release()


@pytest.mark.parametrize(
    "change",
    [
        {"process_start": 1},  # the number was given to another process since
        {"boot": "another boot"},  # or in another boot
        {"pid": 2**22 + 1},  # or there is none
        {"pid": 0},
        {"pid": None},
        {"process_start": None},
    ],
)
def test_another_process_is_never_taken_for_the_one_that_died(change: dict[str, Any]) -> None:
    assert is_alive(process_identity())
    assert not is_alive({**process_identity(), **change})


def test_a_process_that_is_dead_but_not_yet_buried_is_dead() -> None:
    says, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(says, 1)
        os._exit(0)
    identity = process_identity(pid)
    assert is_alive(identity)
    os.write(told, b"!")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(identity)
    os.waitpid(pid, 0)


def test_nothing_at_all_is_not_alive() -> None:
    assert not is_alive({})


def test_the_refusal_says_what_to_do(files: Files) -> None:
    told = busy({})
    assert told.next_step and "unknown" in told.detail

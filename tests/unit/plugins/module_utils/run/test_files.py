# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on disk: whole or not at all, in the right order, and readable by nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run import files as module
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import NEW, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "state"))


class Calls:
    """What the system is asked for, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        for name in ("write", "fsync", "rename", "unlink", "ftruncate"):
            self._watch(monkeypatch, name)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        right = getattr(os, name)

        def told(*args: Any, **named: Any) -> Any:
            kind = name
            if name == "fsync":
                kind += " directory" if stat.S_ISDIR(os.fstat(args[0]).st_mode) else " file"
            self.seen.append(kind)
            return right(*args, **named)

        monkeypatch.setattr(module.os, name, told)


def test_a_write_is_on_the_disk_before_it_is_in_its_place(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.directory("runs/a")
    calls = Calls(monkeypatch)
    files.write("runs/a/intent.json", b"content")
    assert calls.seen == ["fsync file", "rename", "fsync directory"]
    assert files.read("runs/a/intent.json") == b"content"


def test_an_appended_line_is_on_the_disk_when_it_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("ledger.jsonl", b"one\n")
    calls = Calls(monkeypatch)
    files.append("ledger.jsonl", b"two\n")
    files.append("ledger.jsonl", b"three\n", durable=False)
    assert calls.seen == ["write", "fsync file", "write"]
    assert files.read("ledger.jsonl") == b"one\ntwo\nthree\n"


def test_a_removal_is_durable_and_may_come_twice(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("run.current", b"x")
    files.write("slots/blue/slot.json", b"{}")
    calls = Calls(monkeypatch)
    files.remove("run.current")
    files.remove("run.current")
    assert calls.seen == ["unlink", "fsync directory"]
    files.remove("slots/blue")
    files.remove("slots/blue")
    assert not files.exists("slots/blue")


@pytest.mark.parametrize("step", ["fsync", "rename", "fchmod"])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(
    files: Files, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    files.write("a.json", b"old")

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, step, full)
    with pytest.raises(OSError):
        files.write("a.json", b"new")
    assert files.read("a.json") == b"old"
    assert files.names() == ["a.json"]


def test_only_the_owner_can_read(files: Files) -> None:
    files.write("runs/a/intent.json", "x")
    files.append("ledger.jsonl", b"x\n")
    files.write("page.html", "x", mode=0o644)
    modes = {path: stat.S_IMODE(os.stat(files.path(path)).st_mode) for path in ("runs/a/intent.json", "ledger.jsonl")}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(os.stat(files.path("page.html")).st_mode) == 0o644
    assert stat.S_IMODE(os.stat(files.root).st_mode) == stat.S_IMODE(os.stat(files.path("runs/a")).st_mode) == 0o700


def test_what_is_not_there_or_not_json_is_nothing(files: Files) -> None:
    assert files.read("none") is None
    assert files.read_json("none") is None
    assert files.names("none") == []
    assert not files.exists("none")
    files.write("broken.json", b'{"half": ')
    assert files.read_json("broken.json") is None


def test_a_document_is_read_back(files: Files) -> None:
    files.write_json("a.json", {"b": [1, "ä", None]})
    assert files.read_json("a.json") == {"b": [1, "ä", None]}


def test_a_file_is_cut_durably(files: Files) -> None:
    files.write("ledger.jsonl", b"one\ntw")
    files.truncate("ledger.jsonl", 4)
    assert files.read("ledger.jsonl") == b"one\n"


def test_what_dead_processes_left_half_written_is_swept(files: Files) -> None:
    """And what a living one writes just now is not, nor a file of the user's own that is called alike."""
    for path in ("", "runs/a/", "slots/blue/", "releases/1/source/"):
        files.write(f"{path}{NEW}0-abc", b"half")
    files.write(f"runs/a/{NEW}{os.getpid()}-abc", b"half")
    files.write("runs/a/result.json", b"{}")
    files.sweep()
    assert files.names("runs/a") == [f"{NEW}{os.getpid()}-abc", "result.json"]
    assert files.names("slots/blue") == []
    assert files.names() == ["releases", "runs", "slots"]
    assert files.names("releases/1/source") == [f"{NEW}0-abc"]
    Files(files.path("never made")).sweep()

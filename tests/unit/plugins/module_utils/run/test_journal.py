# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a run: what is on the disk when, and which run did not end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run import journal as module
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import (
    CURRENT,
    Journal,
    bury,
    present,
    unfinished,
)
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.plugins.module_utils.verify.mask import Mask

ONE, TWO, THREE = (f"20300101T000000-rollback-00000{number}" for number in (1, 2, 3))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path))


def begun(files: Files, run: str, **more: Any) -> Journal:
    journal = Journal(files, run, Clock())
    journal.intend({"run": run, "direction": "forward", **more})
    return journal


def dead(files: Files) -> str | None:
    journal = unfinished(files, Clock())
    return journal.run if journal else None


def test_a_run_is_unfinished_from_its_intent_to_its_result(files: Files) -> None:
    assert dead(files) is None
    journal = begun(files, ONE)
    assert dead(files) == ONE
    journal.finish({"run": ONE, "outcome": "done"})
    assert dead(files) is None
    assert not files.exists(CURRENT)


def test_the_intent_is_there_before_anything_points_to_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    write = Files.write

    def told(self: Files, path: str, content: Any, mode: int = 0o600) -> None:
        order.append(os.path.basename(path))
        write(self, path, content, mode)

    monkeypatch.setattr(Files, "write", told)
    begun(files, ONE)
    assert order == ["intent.json", CURRENT]


def test_a_stuck_run_waits_to_be_recovered(files: Files) -> None:
    begun(files, ONE).finish({"run": ONE, "outcome": "stuck"})
    assert dead(files) == ONE
    begun(files, TWO)
    journal = unfinished(files, Clock())
    assert journal is not None and journal.run == TWO


def test_a_run_that_is_in_the_ledger_has_ended_though_its_result_is_missing(files: Files) -> None:
    begun(files, ONE)
    Ledger(files).append({"run": ONE, "outcome": "done"})
    assert dead(files) is None
    begun(files, TWO)
    assert dead(files) == TWO
    Ledger(files).append({"run": TWO, "outcome": "stuck"})
    assert dead(files) == TWO


def test_a_refused_run_does_not_hide_the_dead_one(files: Files) -> None:
    begun(files, ONE)
    Journal(files, TWO, Clock()).finish({"run": TWO, "outcome": "refused"})
    assert dead(files) == ONE


def test_a_recovery_that_did_not_begin_leaves_the_dead_run_dead(files: Files) -> None:
    former = begun(files, ONE)
    later = begun(files, TWO)
    later.withdraw(former)
    assert dead(files) == ONE
    later.withdraw(former)  # somebody else's is let be
    assert dead(files) == ONE


@pytest.mark.parametrize("content", ["", "nonsense", "../../etc/passwd", "20300101T000000-rollback-00000f\nmore"])
def test_what_is_no_run_is_none(files: Files, content: str) -> None:
    files.write(CURRENT, content)
    assert dead(files) is None


def test_a_run_whose_intent_is_lost_blocks_nobody(files: Files) -> None:
    """Nothing could recover it; the next plan is made from what is observed anyway."""
    begun(files, ONE)
    files.write(f"runs/{ONE}/intent.json", "{half of")
    assert dead(files) is None


def test_who_recovers_answers_for_all_that_died(files: Files) -> None:
    begun(files, ONE).finish({"run": ONE, "outcome": "stuck", "seconds": 5})
    begun(files, TWO)  # a recovery that died
    done = begun(files, "20290101T000000-rollback-000009")
    done.finish({"run": done.run, "outcome": "done"})
    begun(files, TWO)
    begun(files, THREE)
    bury(files, Clock(), THREE, Journal(files, TWO, Clock()))
    assert Journal(files, TWO, Clock()).result() == {"run": TWO, "outcome": "recovered", "by": THREE}
    assert (done.result() or {})["outcome"] == "done"
    assert Journal(files, THREE, Clock()).result() is None
    assert dead(files) == THREE


def test_what_a_stuck_run_told_is_kept(files: Files) -> None:
    journal = begun(files, ONE)
    journal.finish({"run": ONE, "outcome": "stuck", "seconds": 5})
    bury(files, Clock(), TWO, journal)
    assert journal.result() == {"run": ONE, "outcome": "recovered", "by": TWO, "seconds": 5}


def test_the_step_log_is_read_up_to_its_last_whole_line(files: Files) -> None:
    journal = begun(files, ONE)
    journal.log("step", title="one")
    journal.log("step", title="two")
    where = Path(files.path(f"runs/{ONE}/steps.jsonl"))
    where.write_bytes(where.read_bytes() + b'{"event": "st')
    assert [event["title"] for event in journal.events()] == ["one", "two"]


def test_a_full_disk_does_not_end_a_run_that_only_tells_something(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Files, "append", full)
    Journal(files, ONE, Clock()).log("progress", text="still there")


def test_nothing_that_is_written_for_people_tells_a_secret(files: Files) -> None:
    journal = Journal(files, ONE, Clock(), Mask(["hunter2hunter2"]))
    journal.log("failure", detail="password hunter2hunter2 was refused")
    journal.finish({"run": ONE, "outcome": "done", "failure": {"detail": "hunter2hunter2"}})
    for _folder, _folders, names in os.walk(files.root):
        for name in names:
            assert b"hunter2" not in (files.read(f"runs/{ONE}/{name}") or b"")


def test_a_run_that_begins_between_two_looks_is_not_taken_for_a_dead_one(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock before its intent is there; who looks at the lock first sees neither."""
    looks = iter([None, {"run": ONE, "runbook": "rollback"}])

    def at_work(_files: Files, _clock: Clock) -> dict[str, Any] | None:
        held = next(looks)
        if held is None:
            begun(files, ONE)  # just after the lock was seen free
        return held

    monkeypatch.setattr(module, "at_work", at_work)
    held, journal = present(files, Clock())
    assert held and held["run"] == ONE and journal and journal.run == ONE


def test_a_dead_run_is_told_and_an_ended_one_is_not(files: Files) -> None:
    assert present(files, Clock()) == (None, None)
    journal = begun(files, ONE)
    held, found = present(files, Clock())
    assert held is None and found is not None and found.run == ONE
    journal.finish({"run": ONE, "outcome": "done"})
    assert present(files, Clock()) == (None, None)


def test_somebody_asks_a_run_to_go_back(files: Files) -> None:
    journal = begun(files, ONE)
    assert journal.return_requested() is None
    Journal(files, ONE, Clock()).request_return({"actor": {"user": "ann"}, "run": TWO})
    assert (journal.return_requested() or {})["run"] == TWO

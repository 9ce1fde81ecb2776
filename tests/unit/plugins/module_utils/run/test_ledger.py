# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: what was written is found again, and every quiet change of it is found out and named."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import HEAD, NAME, Ledger, LedgerBroken

MANY = 100_000
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda key: key not in ("seq", "prev")), VALUES)
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def filled(folder: Path, count: int = 5) -> Ledger:
    ledger = Ledger(Files(str(folder)))
    for number in range(1, count + 1):
        ledger.append({"kind": "run", "run": f"run {number}", "outcome": "done"})
    return ledger


def lines(folder: Path) -> list[bytes]:
    return (folder / NAME).read_bytes().splitlines(keepends=True)


def broken(ledger: Ledger, saved: dict[str, Any] | None = None) -> str:
    with pytest.raises(LedgerBroken) as found:
        ledger.verify(saved)
    assert found.value.code == "ledger_broken" and found.value.next_step
    return found.value.detail


def test_what_is_appended_is_there_in_order(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    assert [entry["run"] for entry in ledger.entries()] == [f"run {number}" for number in range(1, 6)]
    assert [entry["seq"] for entry in ledger.entries()] == [1, 2, 3, 4, 5]
    assert ledger.verify() == {"entries": 5, "head": ledger.head(), "torn": False}
    last = ledger.last()
    assert last and last["run"] == "run 5"


def test_each_line_names_the_raw_bytes_of_the_one_before(tmp_path: Path) -> None:
    """Anybody can check it with sha256sum."""
    filled(tmp_path)
    written = lines(tmp_path)
    assert json.loads(written[0])["prev"] == "0" * 64
    for before, line in zip(written, written[1:]):
        assert json.loads(line)["prev"] == hashlib.sha256(before.rstrip(b"\n")).hexdigest()
    assert json.loads((tmp_path / HEAD).read_text())["hash"] == hashlib.sha256(written[-1].rstrip(b"\n")).hexdigest()


def test_an_empty_ledger_is_in_order(tmp_path: Path) -> None:
    ledger = Ledger(Files(str(tmp_path)))
    ledger.check()
    assert ledger.verify({"seq": 0, "hash": "0" * 64})["entries"] == 0
    assert ledger.last() is None


@pytest.mark.parametrize("number", range(1, 5))
def test_a_changed_line_is_named(tmp_path: Path, number: int) -> None:
    ledger = filled(tmp_path)
    written = lines(tmp_path)
    written[number - 1] = written[number - 1].replace(b'"done"', b'"gone"')
    (tmp_path / NAME).write_bytes(b"".join(written))
    assert f"line {number} was changed" in broken(ledger)


def test_a_changed_last_line_is_named_by_the_head(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    (tmp_path / NAME).write_bytes(b"".join(lines(tmp_path)).replace(b'"run 5"', b'"run 6"'))
    assert "line 5 was changed" in broken(ledger)
    with pytest.raises(LedgerBroken):
        ledger.check()


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ([0, 1, 3, 4], "line 3 says it is number 4"),
        ([0, 2, 1, 3, 4], "line 2 says it is number 3"),
        ([1, 2, 3, 4], "line 1 says it is number 2"),
        ([0, 1, 1, 2, 3, 4], "line 3 says it is number 2"),
    ],
)
def test_missing_moved_and_added_lines_are_named(tmp_path: Path, order: list[int], named: str) -> None:
    ledger = filled(tmp_path)
    written = lines(tmp_path)
    (tmp_path / NAME).write_bytes(b"".join(written[index] for index in order))
    assert named in broken(ledger)


def test_a_line_of_somebody_else_is_named(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    (tmp_path / NAME).write_bytes(lines(tmp_path)[0] + b"# a remark\n" + lines(tmp_path)[1])
    assert "line 2 is none of ours" in broken(ledger)


def test_a_cut_end_is_found_by_the_head(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    (tmp_path / NAME).write_bytes(b"".join(lines(tmp_path)[:3]))
    assert "the end is missing: 3 lines are there, the head says 5" in broken(ledger)


def test_a_cut_end_is_found_by_a_saved_head_when_the_head_was_cut_too(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 3)
    shorter = (tmp_path / HEAD).read_bytes(), (tmp_path / NAME).read_bytes()
    ledger = filled(tmp_path, 2)
    saved = ledger.head()
    (tmp_path / HEAD).write_bytes(shorter[0])
    (tmp_path / NAME).write_bytes(shorter[1])
    assert ledger.verify()["entries"] == 3, "the chain alone cannot know"
    assert "the saved head names line 5" in broken(ledger, saved)


def test_history_that_was_written_anew_is_found_by_a_saved_head(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 3)
    saved = ledger.head()
    for name in (NAME, HEAD):
        (tmp_path / name).unlink()
    for number in range(4):
        ledger.append({"kind": "run", "run": f"nicer run {number}"})
    assert ledger.verify()["entries"] == 4
    assert "line 3 is not the one that the saved head names" in broken(ledger, saved)


def test_a_saved_head_of_the_past_agrees_with_what_came_after(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 3)
    saved = ledger.head()
    ledger.append({"run": "later"})
    assert ledger.verify(saved)["entries"] == 4


def test_an_older_head_than_the_ledger_is_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    old = (tmp_path / HEAD).read_bytes()
    filled(tmp_path, 3)
    (tmp_path / HEAD).write_bytes(old)
    assert "the head is older" in broken(ledger)
    with pytest.raises(LedgerBroken):
        ledger.append({"run": "on a forged head"})


# -- kills ------------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_told_from_a_deletion_and_mended(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + b'{"seq":6,"prev":"ab')
    ledger.check()
    assert ledger.verify() == {"entries": 5, "head": ledger.head(), "torn": True}
    assert len(list(ledger.entries())) == 5
    ledger.append({"run": "after it"})
    assert ledger.verify() == {"entries": 6, "head": ledger.head(), "torn": False}


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_deletion_inside_the_last_line_is_no_torn_append(tmp_path: Path, kept: int) -> None:
    """A line that the head names was whole once: somebody took its end away."""
    ledger = filled(tmp_path)
    written = lines(tmp_path)
    (tmp_path / NAME).write_bytes(b"".join(written[:4]) + written[4][:kept])
    assert "the end is missing" in broken(ledger)
    with pytest.raises(LedgerBroken):
        ledger.check()


def test_a_kill_between_line_and_head_is_mended_by_the_next_append(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    old = (tmp_path / HEAD).read_bytes()
    ledger.append({"run": "killed after this line"})
    (tmp_path / HEAD).write_bytes(old)
    ledger.check()
    assert ledger.verify()["entries"] == 3
    ledger.append({"run": "the next"})
    assert [entry["seq"] for entry in ledger.entries()] == [1, 2, 3, 4]
    assert ledger.verify()["head"] == ledger.head()


def test_kills_between_line_and_head_do_not_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is never more than one line behind: each append brings it up before it adds."""
    ledger = filled(tmp_path, 1)
    write, calls = Files.write_json, [0]

    def dies(self: Files, path: str, document: Any, mode: int = 0o600) -> None:
        calls[0] += 1
        if document["seq"] == killed:
            raise KeyboardInterrupt
        write(self, path, document, mode)

    monkeypatch.setattr(Files, "write_json", dies)
    for killed in (2, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            ledger.append({"run": str(killed)})
        ledger.check()
    killed = 0
    ledger.append({"run": "5"})
    assert ledger.verify()["entries"] == 5


def test_a_head_that_is_no_json_is_not_taken_for_an_empty_ledger(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    (tmp_path / HEAD).write_text("half of")
    with pytest.raises(LedgerBroken):
        ledger.append({"run": "on nothing"})


# -- properties -------------------------------------------------------------------------------------------------------


@EXAMPLES
@given(entries=st.lists(ENTRIES, max_size=6))
def test_anything_that_is_written_is_read_back(tmp_path_factory: Any, entries: list[dict[str, Any]]) -> None:
    ledger = Ledger(Files(str(tmp_path_factory.mktemp("ledger"))))
    for entry in entries:
        ledger.append(entry)
    read = [{key: value for key, value in entry.items() if key not in ("seq", "prev")} for entry in ledger.entries()]
    assert read == entries
    assert ledger.verify()["entries"] == len(entries)


@EXAMPLES
@given(data=st.data())
def test_any_changed_byte_is_found(tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ledger = filled(folder, 3)
    content = bytearray((folder / NAME).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    (folder / NAME).write_bytes(bytes(content))
    broken(ledger)


@EXAMPLES
@given(data=st.data())
def test_any_cut_is_found(tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ledger = filled(folder, 3)
    content = (folder / NAME).read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start + 1, len(content)))
    (folder / NAME).write_bytes(content[:start] + content[end:])
    broken(ledger)


def test_a_hundred_thousand_entries(tmp_path: Path) -> None:
    """Prints how long it takes to verify them; about a second is what people wait for."""
    previous, parts, filler = "0" * 64, [], "x" * 900
    for number in range(1, MANY + 1):
        document = {"seq": number, "prev": previous, "kind": "run", "run": f"{number}", "filler": filler}
        line = json.dumps(document, separators=(",", ":")).encode()
        previous = hashlib.sha256(line).hexdigest()
        parts.append(line)
    (tmp_path / NAME).write_bytes(b"\n".join(parts) + b"\n")
    (tmp_path / HEAD).write_text(json.dumps({"seq": MANY, "hash": previous}))
    ledger = Ledger(Files(str(tmp_path)))
    began = time.monotonic()
    assert ledger.verify({"seq": MANY // 2, "hash": json.loads(parts[MANY // 2])["prev"]})["entries"] == MANY
    verified = time.monotonic()
    ledger.append({"run": "one more"})
    print(f"{MANY} entries verified in {verified - began:.2f} s, one added in {time.monotonic() - verified:.2f} s")
    parts[MANY // 3] = parts[MANY // 3].replace(b"xxx", b"xyx", 1)
    (tmp_path / NAME).write_bytes(b"\n".join(parts) + b"\n")
    assert f"line {MANY // 3 + 1} was changed" in broken(ledger)

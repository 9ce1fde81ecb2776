# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for the ledger whatever is written to it, and whatever somebody does to its lines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import HEAD, NAME, Ledger, LedgerBroken

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.text(max_size=8).filter(lambda key: key not in ("seq", "prev"))
entries = st.lists(st.dictionaries(keys, values, max_size=4), min_size=1, max_size=6)


@contextmanager
def written(documents: list[dict[str, Any]]) -> Iterator[tuple[Ledger, dict[str, Any]]]:
    """A ledger with *documents*, and its head."""
    with tempfile.TemporaryDirectory() as root:
        ledger = Ledger(Files(root))
        head = {}
        for document in documents:
            head = ledger.append(document)
        yield ledger, head


@settings(max_examples=60, deadline=None)
@given(entries)
def test_it_gives_back_what_was_written_and_verifies(documents: list[dict[str, Any]]) -> None:
    with written(documents) as (ledger, head):
        assert [{k: v for k, v in one.items() if k not in ("seq", "prev")} for one in ledger.entries()] == [
            json.loads(json.dumps(document)) for document in documents
        ]
        assert ledger.verify(head) == {"entries": len(documents), "head": head, "torn": False}
        assert (ledger.last() or {})["seq"] == len(documents)


@settings(max_examples=120, deadline=None)
@given(documents=entries, data=st.data())
def test_no_other_content_has_the_saved_head(documents: list[dict[str, Any]], data: st.DataObject) -> None:
    """Any one byte changed, put in or taken away, and any line moved, is found."""
    with written(documents) as (ledger, head):
        content = ledger.files.read(NAME) or b""
        place = data.draw(st.integers(0, len(content) - 1))
        byte = bytes([data.draw(st.integers(0, 255))])
        lines = content.splitlines(keepends=True)
        moved = b"".join(data.draw(st.permutations(lines)))
        other = data.draw(
            st.sampled_from(
                [
                    content[:place] + byte + content[place + 1 :],
                    content[:place] + byte + content[place:],
                    content[:place] + content[place + 1 :],
                    content[:place],
                    moved,
                    b"".join(lines[:-1]),
                    b"".join(lines[1:]),
                    content + lines[-1],
                    b"",
                ]
            )
        )
        assume(other != content)
        ledger.files.write(NAME, other)
        try:
            told = ledger.verify(head)
        except LedgerBroken as broken:
            assert broken.detail and broken.next_step
        else:  # what is behind the last newline is an append that was cut short
            assert told["torn"] and other.startswith(content)


@settings(max_examples=40, deadline=None)
@given(documents=entries, data=st.data())
def test_a_history_that_was_written_anew_does_not_have_the_saved_head(
    documents: list[dict[str, Any]], data: st.DataObject
) -> None:
    """With a chain and a head that agree with each other."""
    place = data.draw(st.integers(0, len(documents) - 1))
    others = [*documents[:place], {**documents[place], "outcome": "another"}, *documents[place + 1 :]]
    with written(documents) as (_ledger, head), written(others) as (ledger, _head):
        assume(others != documents)
        assert ledger.verify()["entries"] == len(documents)
        try:
            ledger.verify(head)
        except LedgerBroken as broken:
            assert broken.next_step
        else:
            raise AssertionError("it was not found")


@settings(max_examples=80, deadline=None)
@given(documents=entries, data=st.data())
def test_an_append_that_was_cut_short_is_mended(documents: list[dict[str, Any]], data: st.DataObject) -> None:
    """A kill leaves any part of the line, with the old head; or the whole line, with the old head."""
    with written(documents[:-1]) as (ledger, _head):
        before, old = ledger.files.read(NAME) or b"", ledger.files.read(HEAD)
        ledger.append(documents[-1])
        content = ledger.files.read(NAME) or b""
        cut = data.draw(st.integers(len(before), len(content)))
        ledger.files.write(NAME, content[:cut])
        if old is None:
            ledger.files.remove(HEAD)
        else:
            ledger.files.write(HEAD, old)
        whole = len(documents) if cut == len(content) else len(documents) - 1
        assert ledger.verify()["entries"] == whole
        head = ledger.append({"after": "the kill"})
        assert head["seq"] == whole + 1
        assert ledger.verify(head) == {"entries": whole + 1, "head": head, "torn": False}

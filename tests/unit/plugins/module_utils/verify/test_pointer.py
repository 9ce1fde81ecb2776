# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON pointers and equality."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.pointer import find, is_pointer, parse, same

DOCUMENT = {"a": [{"b": 1}, "x"], "": {"k/e~y": None}, "01": "one"}


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", (True, DOCUMENT)),
        ("/a/0/b", (True, 1)),
        ("/a/1", (True, "x")),
        ("/a/2", (False, None)),
        ("/a/01", (False, None)),
        ("/a/-", (False, None)),
        ("/01", (True, "one")),
        ("//k~1e~0y", (True, None)),
        ("/a/1/x", (False, None)),
        ("/missing", (False, None)),
    ],
)
def test_find(pointer: str, found: tuple[bool, Any]) -> None:
    assert find(DOCUMENT, pointer) == found


@pytest.mark.parametrize(
    ("text", "is_one"), [("", True), ("/a~0~1", True), ("a", False), ("/a~", False), ("/a~2", False)]
)
def test_is_pointer(text: str, is_one: bool) -> None:
    assert is_pointer(text) is is_one


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        (True, True, True),
        ("1", 1, False),
        (None, False, False),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": True}]}, True),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}, False),
        ([1], [1, 2], False),
        ({}, [], False),
    ],
)
def test_same(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal


def test_parse_takes_anything() -> None:
    assert parse(b'{"a": 1}') == (True, {"a": 1})
    for body in (b"", b"<html>", b"\xff\xfe", b"[" * 100_000):
        assert parse(body) == (False, None)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masking: whatever form a secret comes back in."""

from __future__ import annotations

import base64
import html
import json
import shlex
import urllib.parse

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.verify.mask import MASK, Mask

SECRET = "pä$$ w'ord/+&=\"<x>\\"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET, safe="").lower(),
        urllib.parse.quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        html.escape(SECRET),
        shlex.quote(SECRET),
        SECRET.encode().hex(),
    ],
)
def test_each_form_is_masked(form: str) -> None:
    masked = Mask([SECRET]).text(f"before {form} after")
    assert MASK in masked
    assert form.strip("\"'") not in masked
    assert masked.startswith("before ") and masked.endswith(" after")


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "somebody"])
@pytest.mark.parametrize("after", ["", "x", "yz"])
def test_inside_a_longer_base64_text(user: str, after: str) -> None:
    secret = "correct-horse-battery"
    text = base64.b64encode(f"{user}:{secret}{after}".encode()).decode()
    masked = Mask([secret]).text(text)
    kept = masked.replace(MASK, "")
    assert MASK in masked
    assert len(kept) <= len(text) - 4 * (len(secret) // 3 - 1)


def test_a_key_of_several_lines_is_masked_by_the_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n"
    assert "hkiG9w0BAQEFAASC" not in Mask([key]).text("bad line: hkiG9w0BAQEFAASC")


def test_a_short_value_is_masked_only_where_it_stands_alone() -> None:
    assert Mask(["42"]).text("id 42 of 1428") == f"id {MASK} of 1428"
    assert Mask([""]).text("nothing") == "nothing"


def test_data_is_masked_in_every_string() -> None:
    mask = Mask(["geheim!"])
    assert mask.data({"geheim!": ["a geheim!", 1, None, {"k": ("geheim!",)}]}) == {
        MASK: [f"a {MASK}", 1, None, {"k": [MASK]}]
    }


def test_a_longer_secret_wins_over_one_inside_it() -> None:
    assert Mask(["abcd", "abcdefgh"]).text("abcdefgh") == MASK

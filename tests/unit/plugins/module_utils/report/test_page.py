# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.report.page import report

Make = Callable[[], dict[str, Any]]
VOID = {"meta", "link", "br", "hr", "img", "input"}
KNOWN = {
    *(
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "main",
        "section",
        "p",
        "h1",
        "h2",
        "h3",
        "div",
        "span",
    ),
    *(
        "strong",
        "code",
        "pre",
        "dl",
        "dt",
        "dd",
        "ul",
        "ol",
        "li",
        "i",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
    ),
    *("td", "details", "summary", "footer", "svg", "desc", "rect", "line", "text", "path"),
}


class Page(HTMLParser):
    """Elements, their text and attributes; fails on a tag that is not closed in its place."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID and not (tag in ("rect", "line", "path") and self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def check(page: str) -> Page:
    """What holds for every report, whatever is in it."""
    assert len(page.encode()) < 300_000
    read = Page(page)
    assert {tag for tag, _attributes in read.tags} <= KNOWN
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "xlink:href")]
        assert attributes.get("href", "data:,") == "data:,", tag
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|expression", style)
    policy = next(attributes["content"] for tag, attributes in read.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    names = [attributes["id"] for _tag, attributes in read.tags if "id" in attributes]
    assert len(names) == len(set(names))
    return read


def test_a_release_that_replaced_another(done: Make) -> None:
    page = check(report(done()))
    assert page.headings == [
        "shop: 1.1.0 replaced 1.0.0. Users noticed nothing",
        "What happened",
        "Did users notice?",
        "How to undo it",
        "Step by step",
        "What users got",
        "Proof of the switch",
        "The watch after the switch",
        "Checks and gates",
        "What was planned, and what was done",
        "Versions",
        "Record",
    ]
    for said in (
        "ansible-playbook playbooks/rollback.yml -e env=production --limit web-1",
        "1.0.0 (blue): 600 requests, 0 failed",
        "Probes that failed 0 of 27 at most 0",
        "Requests that failed or waited too long 0% 0.5%",
        "drift go everything is as we left it",
        'version passed / says version "1.1.0" 1 ms',
        "registry.example.com/web:1.0.0@sha256:0123",
        "c0ffee",
        "4:77b177b1",
        "quarterly release",
    ):
        assert said in page.text, said


def test_a_release_that_was_undone(undone: Make) -> None:
    page = check(report(undone()))
    for said in (
        "Failed and undone",
        "web: line 29",
        "The 18 lines before",
        "From here on it went back",
        "Failed: Watch 1.1.0",
        "On the way back",
        "5 Watch 1.1.0 failed",
        "6 Settle on 1.1.0 not reached",
        "Then, to go back: Send all requests to blue; Settle on 1.0.0; Stop green",
    ):
        assert said in page.text, said
    charts = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("class") == "chart"]
    assert [chart["role"] for chart in charts] == ["img"] * 3
    assert all(chart["aria-labelledby"] for chart in charts)


@pytest.mark.parametrize("missing", ["timeline", "origin", "intent", "where", "events"])
def test_without_a_part_there_is_still_a_report(done: Make, missing: str) -> None:
    raw = done()
    raw[missing] = None
    assert "1.1.0 replaced 1.0.0" in check(report(raw)).text


@pytest.mark.parametrize("missing", ["proof", "watch", "head", "release", "actor", "steps", "to", "from", "started"])
def test_without_a_part_of_the_result_there_is_still_a_report(undone: Make, missing: str) -> None:
    raw = undone()
    raw["result"].pop(missing)
    assert "shop" in check(report(raw)).headings[0]


def test_nothing_at_all() -> None:
    check(report({}))


def test_it_stays_small_however_much_there_is_to_tell(undone: Make) -> None:
    raw, points = undone(), 300
    result = raw["result"]
    result["failure"].update(detail="<&'\"" * 50_000, last_seen=["'" * 9_000] * 500, logs=["<" * 9_000] * 5_000)
    result["steps"] = result["steps"] * 200
    result["release"]["changes"] = ["'" * 5000] * 1000
    result["to"]["images"] = {f"s{number}": "'" * 4000 for number in range(500)}
    raw["intent"]["checks"] = [{"name": "'" * 900, "status": "'" * 900, "detail": "'" * 900}] * 900
    raw["timeline"] = {
        "since": 1.9e9,
        "until": 1.9e9 + points,
        "bucket_s": 1,
        "series": [
            {"slot": slot, "probes": probes, **{name: [123456.7] * points for name in NAMES}}
            for slot in ("blue", "green", "hold", "none")
            for probes in (False, True)
        ],
    }
    check(report(raw))


NAMES = ("requests", "errors", "p50_ms", "p95_ms", "p99_ms")


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything that can be replaced."""
    found = [path] if path else []
    entries = data.items() if isinstance(data, dict) else enumerate(data[:3]) if isinstance(data, list) else ()
    for key, value in entries:
        found += places(value, (*path, key))
    return found


def put(data: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "</title><script>alert(1)</script>",
            "</style><img src=x onerror=alert(1)>",
            '"><svg onload=alert(1)>',
            "{0.__class__} {} %s {{ 7*7 }}",
            "\x1b[2J\x1b]0;title\x07\x00\u202egnp.exe",
            "\ud800",
            "]]>--><!--",
        ]
    ),
    st.text(max_size=40),
    st.floats(),
    st.integers(),
    st.none(),
    st.booleans(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_any_field(data: st.DataObject, done: Make, undone: Make) -> None:
    raw = data.draw(st.sampled_from([done, undone]))()
    paths = places(raw)
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=4)):
        # A path may have gone with another that was replaced before it.
        changed = copy.deepcopy(raw)
        try:
            put(changed, path, data.draw(HOSTILE))
        except (KeyError, IndexError, TypeError):
            continue
        raw = changed
    page = check(report(raw))
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_every_text_is_escaped(undone: Make) -> None:
    """Each text of the facts, one after the other, as an attack: it is in the report as text or not at all."""
    attack = "</pre></title><script>alert(1)</script>"
    shown = 0
    for path in places(undone()):
        raw = undone()
        put(raw, path, attack)
        page = report(raw)
        assert "<script" not in page
        shown += "&lt;script&gt;" in page
    assert shown > 30

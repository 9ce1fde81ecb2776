# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of smoke tests: what is read, and what is refused by the name of the field."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.verify.smoke_data import parse_smoke_tests

GOOD = {"name": "health", "path": "/health"}


def test_everything_that_may_be_declared() -> None:
    login, query = parse_smoke_tests(
        [
            {
                "name": "login",
                "service": "backend",
                "port": 8000,
                "method": "POST",
                "path": "/login",
                "headers": {"Accept": "application/json"},
                "body": {"user": "probe", "password": "${secret:PROBE}", "note": "$${kept}"},
                "expect": {"status": 201, "json": {"/ok": True, "": {}}, "contains": "tok", "max_ms": 500},
                "take": {"token": "/access_token", "id": "/user/0/id"},
            },
            {"name": "query", "path": "/items/${id}", "headers": {"Authorization": "Bearer ${token}"}},
        ],
        {"PROBE"},
    )
    assert (login.status, login.max_ms, login.json["/ok"], login.take["id"]) == (201, 500, True, "/user/0/id")
    assert login.needs() == ["secret:PROBE"]
    assert query.needs() == ["id", "token"]
    assert (query.method, query.status, query.service, query.port) == ("GET", 200, None, None)
    assert parse_smoke_tests([]) == ()


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else "x"


BOMB: Any = ["x"] * 10
for _level in range(8):
    BOMB = [BOMB] * 10

WHOLE: list[tuple[Any, str]] = [
    ({}, "service_smoke_tests must be a list, not a mapping"),
    ("health", "service_smoke_tests must be a list, not a string"),
    ([GOOD] * 300, "service_smoke_tests has 300 entries; the limit is 200"),
    (["x"], "service_smoke_tests[0] must be a mapping with name, service, port"),
    ([GOOD, {"path": "/x"}], "service_smoke_tests[1].name is missing"),
    ([{"name": "x"}], "service_smoke_tests[0].path is missing"),
    ([GOOD, GOOD], "service_smoke_tests[1].name is 'health' again; each test needs a name of its own"),
    (
        [GOOD, {"name": "b", "path": "/", "expect": {"status": "ok"}}],
        "service_smoke_tests[1].expect.status must be a whole number from 200 to 599, not a string ('ok')",
    ),
    (
        [{**GOOD, "take": {"t": "/a"}}, {"name": "b", "path": "/", "take": {"t": "/a"}}],
        "service_smoke_tests[1].take.t is taken by the test 'health' already",
    ),
    (
        [{**GOOD, "take": {"token": "/a"}}, {"name": "b", "path": "/", "body": {"x": ["${tokn}"]}}],
        "service_smoke_tests[1].body uses ${tokn}, which no earlier test takes (did you mean 'token'?)",
    ),
]

# What is changed in a good test, and the end of what is said; the beginning names the first test.
ONE: list[tuple[dict[Any, Any], str]] = [
    ({"name": 1}, ".name must be a string, not a number"),
    ({"name": "a\nb"}, ".name contains the character U+000A"),
    ({"name": "a\u202eb"}, ".name contains the character U+202E"),
    ({"expcet": {}}, " has the unknown key 'expcet' (did you mean 'expect'?)"),
    ({7: {}}, " has the unknown key 7"),
    ({"path": "health"}, ".path must be a path that starts with '/' and has no '#', not 'health'"),
    ({"path": "http://x/"}, ".path must be a path"),
    ({"path": "/x#y"}, ".path must be a path"),
    ({"path": "/x\r\nHost: y"}, ".path contains the character U+000D"),
    ({"path": "/" * 3000}, ".path must have 1 to 2000 characters, not 3000"),
    ({"method": "get"}, ".method must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, not 'get'"),
    ({"method": "CONNECT"}, ".method must be one of"),
    ({"method": "HEAD", "expect": {"contains": "x"}}, ".method is HEAD, whose answer has no body"),
    ({"service": "../db"}, ".service must be the name of a service"),
    ({"port": "8000"}, ".port must be a whole number from 1 to 65535, not a string ('8000')"),
    ({"port": True}, ".port must be a whole number from 1 to 65535, not a boolean"),
    ({"port": 70000}, ".port must be from 1 to 65535, not 70000"),
    ({"headers": ["x"]}, ".headers must be a mapping"),
    ({"headers": {"Bad name": "x"}}, "a name in service_smoke_tests[0].headers must be a header name"),
    ({"headers": {"X": 1}}, ".headers.X must be a string, not a number"),
    ({"headers": {"X": "a\r\nY: b"}}, ".headers.X contains the character U+000D"),
    ({"headers": {"X": "a", "x": "b"}}, ".headers.x is there twice"),
    ({"headers": {"Content-Length": "3"}}, ".headers.Content-Length is set by the run itself"),
    ({"headers": {"x-steady-probe": "x"}}, ".headers.x-steady-probe is set by the run itself"),
    ({"body": 5}, ".body must be a string or a mapping that is sent as JSON, not a number"),
    ({"body": {1: "x"}}, ".body has the key 1, which is a number: quote it"),
    ({"body": {"x": math.nan}}, ".body has a number that JSON does not know"),
    ({"body": {"x": {1, 2}}}, ".body has a value that JSON does not know (set)"),
    ({"body": BOMB}, ".body is too large: at most 10000 values"),
    ({"body": deep(50)}, ".body is too large: at most 10000 values, 32 levels deep"),
    ({"body": "x" * 70_000}, ".body has 70000 characters; the limit is 65536"),
    ({"expect": "200"}, ".expect must be a mapping with status, json, contains, max_ms, not a string"),
    ({"expect": {"stauts": 200}}, ".expect has the unknown key 'stauts' (did you mean 'status'?)"),
    ({"expect": {"status": 99}}, ".expect.status must be from 200 to 599, not 99"),
    ({"expect": {"status": 200.0}}, ".expect.status must be a whole number"),
    ({"expect": {"max_ms": 0}}, ".expect.max_ms must be from 1 to 600000, not 0"),
    ({"expect": {"contains": 5}}, ".expect.contains must be a string"),
    ({"expect": {"json": {"a.b": 1}}}, ".expect.json must be a JSON pointer such as /data/0/id, not 'a.b'"),
    ({"expect": {"json": [1]}}, ".expect.json must be a mapping of JSON pointers"),
    ({"take": {}}, ".take must be a mapping of token names to JSON pointers"),
    ({"take": {"to-ken": "/a"}}, "a name in service_smoke_tests[0].take must be a token name"),
    ({"take": {"token": "a"}}, ".take.token must be a JSON pointer"),
    ({"path": "/${token}"}, ".path uses ${token}, which no earlier test takes"),
    ({"path": "/${token}", "take": {"token": "/a"}}, ".path uses ${token}, which no earlier test takes"),
    ({"path": "/${secret:KEY}"}, ".path must not hold a secret"),
    (
        {"headers": {"X": "${secret:KYE}"}},
        ".headers.X refers to the secret 'KYE', which is not declared (did you mean 'KEY'?)",
    ),
    ({"headers": {"X": "${secret:}"}}, ".headers.X refers to the secret '', which is no name of one"),
    ({"body": "${not closed"}, ".body has a '${' that starts no ${token}"),
    ({"body": "${a b}"}, ".body has a '${' that starts no"),
]


CHANGED = [([{**GOOD, **change}], said if "[0]" in said else f"service_smoke_tests[0]{said}") for change, said in ONE]


@pytest.mark.parametrize(("data", "said"), [*WHOLE, *CHANGED])
def test_what_is_no_smoke_test_is_refused(data: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_smoke_tests(data, {"KEY"})
    assert refused.value.detail.startswith(said)
    assert refused.value.next_step.startswith("Correct ")
    assert "\n" not in refused.value.detail


def test_a_header_value_is_never_quoted() -> None:
    with pytest.raises(Refused) as refused:
        parse_smoke_tests([{**GOOD, "headers": {"Authorization": "Bearer in-clear\n"}}])
    assert "in-clear" not in str(refused.value.as_dict())

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Smoke tests that could not be run."""

from __future__ import annotations

from typing import Any

from .case import SECRET, Case

ONE = {"name": "one", "path": "/"}
LOOP: dict[str, Any] = {}
for _level in range(40):
    LOOP = {"a": LOOP}


def tests(name: str, says: str, value: Any) -> Case:
    return Case(name, (says,), variables={"service_smoke_tests": value})


def one(case: str, says: str, /, **fields: Any) -> Case:
    """A case with one test that is right but for *fields*; *says* follows its place."""
    return tests(case, f"service_smoke_tests[0]{says}", [{**ONE, **fields}])


CASES = [
    tests("a mapping", "list", {"one": "/"}),
    tests("a string", "service_smoke_tests", "GET /"),
    tests("a string inside", "service_smoke_tests", ["GET /"]),
    tests(
        "too many",
        "service_smoke_tests has 201 entries; the limit is 200",
        [{**ONE, "name": f"t{n}"} for n in range(201)],
    ),
    tests("no name", "name", [{"path": "/"}]),
    tests("no path", "path", [{"name": "one"}]),
    tests("a name twice", "service_smoke_tests[1].name is 'one' again", [ONE, ONE]),
    one("an unknown key", " has the unknown key 'mehtod' (did you mean 'method'?)", mehtod="GET"),
    one(
        "an unknown expectation", ".expect has the unknown key 'staus' (did you mean 'status'?)", expect={"staus": 200}
    ),
    one("a name with a newline", ".name contains the character U+000A", name="a\nb"),
    one("a path without /", ".path must be a path that starts with '/'", path="health"),
    one("an address", ".path must be a path that starts with '/'", path="http://192.0.2.1/"),
    one("a path with a header", ".path contains the character U+000D", path="/\r\nHost: example.com"),
    one("a fragment", ".path must be a path", path="/#top"),
    one("a very long path", ".path must have 1 to 2000 characters", path="/" * 2001),
    one("a path with a secret", ".path must not hold a secret", path="/?token=${secret:TOKEN}"),
    one("another method", ".method", method="TRACE"),
    one("port 0", ".port must be from 1 to 65535", port=0),
    one("a boolean as port", ".port must be a whole number", port=True),
    one("no name of a service", ".service must be the name of a service", service="a/../b"),
    one("headers: a list", ".headers", headers=["Accept: */*"]),
    one("headers: a line more", ".headers.X contains the character U+000D", headers={"X": "a\r\nY: b"}),
    tests(
        "headers: a name with a space",
        "a name in service_smoke_tests[0].headers must be a header name",
        [{**ONE, "headers": {"X Y": "a"}}],
    ),
    one("headers: ours", ".headers.X-Steady-Probe is set by the run itself", headers={"X-Steady-Probe": "x"}),
    one("headers: their length", ".headers.Content-Length is set by the run itself", headers={"Content-Length": "0"}),
    one("headers: twice", ".headers.x-a is there twice", headers={"X-A": "1", "x-a": "2"}),
    one("headers: a number", ".headers.X must be a string, not a number", headers={"X": 1}),
    one("headers: a secret in clear", ".headers.X contains the character U+0000", headers={"X": f"{SECRET}\0"}),
    one("body: a number", ".body must be a string or a mapping", body=5),
    one("body: very deep", ".body is too large", body=LOOP),
    one("body: very wide", ".body is too large", body=[0] * 10_001),
    one("body: very long", ".body has 70000 characters", body="x" * 70_000),
    one("body: no number", ".body has a number that JSON does not know", body={"a": float("nan")}),
    one("expect: a list", ".expect", expect=[200]),
    one("expect: status 700", ".expect.status must be from 200 to 599, not 700", expect={"status": 700}),
    one("expect: negative time", ".expect.max_ms must be from 1", expect={"max_ms": -1}),
    one("expect: no pointer", ".expect.json must be a JSON pointer", expect={"json": {"status": "ok"}}),
    one("expect: an empty text", ".expect.contains must have 1 to 2000 characters", expect={"contains": ""}),
    one("expect: a body of HEAD", ".method is HEAD, whose answer has no body", method="HEAD", expect={"contains": "x"}),
    one("take: nothing", ".take must be a mapping", take={}),
    tests("take: no token", "a name in service_smoke_tests[0].take must be a token", [{**ONE, "take": {"1": "/a"}}]),
    one("take: no pointer", ".take.token must be a JSON pointer", take={"token": "access_token"}),
    one("a token that nobody takes", ".path uses ${token}, which no earlier test takes", path="/${token}"),
    one(
        "a token of its own", ".path uses ${token}, which no earlier test takes", path="/${token}", take={"token": "/t"}
    ),
    one(
        "a secret that is not there",
        ".headers.X refers to the secret 'TOKN', which is not declared (did you mean 'TOKEN'?)",
        headers={"X": "${secret:TOKN}"},
    ),
    one("a secret with a path", ".body refers to the secret", body="${secret:../TOKEN}"),
    one("half a reference", ".body has a '${' that starts no ${token}", body="${"),
    one("interpolation", ".body has a '${'", body="${TOKEN:?missing}"),
    tests(
        "a token twice",
        "service_smoke_tests[1].take.t is taken by the test 'one' already",
        [{**ONE, "take": {"t": "/a"}}, {**ONE, "name": "two", "take": {"t": "/a"}}],
    ),
]

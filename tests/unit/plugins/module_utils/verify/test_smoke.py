# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running smoke tests against a real server: verdicts, tokens, and evidence without secrets."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.verify.smoke import (
    check_log_errors,
    check_version,
    parse_smoke_tests,
    run_smoke_tests,
)

SECRET = "s3cret/of the+probe"
TOKEN = "eyJhbGciOi.taken-token=="


def run(server: Any, clock: Any, data: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    tests = parse_smoke_tests(data, {"PROBE"})
    return run_smoke_tests(tests, lambda service, port: server.address, {"PROBE": SECRET}, clock, **options)


def as_json(document: Any, status: int = 200) -> Any:
    return lambda asked: (status, {"Content-Type": "application/json"}, json.dumps(document).encode())


def test_a_flow_with_a_token(server: Any, clock: Any) -> None:
    def answer(asked: Any) -> Any:
        if asked.path == "/login":
            return 201, {}, json.dumps({"access_token": TOKEN, "user": {"id": 7}}).encode()
        return 200, {}, json.dumps({"id": 7, "path": asked.path, "auth": asked.headers["authorization"]}).encode()

    server.answer = answer
    results = run(
        server,
        clock,
        [
            {
                "name": "login",
                "method": "POST",
                "path": "/login",
                "body": {"password": "${secret:PROBE}", "literal": "$${x}"},
                "expect": {"status": 201},
                "take": {"token": "/access_token", "id": "/user/id"},
            },
            {
                "name": "query",
                "method": "POST",
                "path": "/items/${token}",
                "headers": {"Authorization": "Bearer ${token}"},
                "body": {"id": "${id}", "text": "item ${id}"},
                "expect": {"json": {"/id": "${id}", "/auth": "Bearer ${token}"}},
            },
        ],
        headers={"X-Steady-Probe": "mark"},
    )
    assert [result["ok"] for result in results] == [True, True], results
    login, query = server.asked
    assert json.loads(login.body) == {"password": SECRET, "literal": "${x}"}
    assert login.headers["content-type"] == "application/json"
    assert login.headers["x-steady-probe"] == "mark"
    assert query.path == "/items/" + urllib.parse.quote(TOKEN, safe="")
    # A string that is one reference keeps the token's type.
    assert json.loads(query.body) == {"id": 7, "text": "item 7"}
    assert results[0]["status"] == 201 and results[0]["ms"] > 0


@pytest.mark.parametrize(
    ("expect", "seen"),
    [
        ({"status": 404}, 'status 200, expected 404; it said: {"user": {"name": "ann", "n": 1}}'),
        ({"json": {"/user/name": "bob"}}, '/user/name is "ann", expected "bob"'),
        ({"json": {"/user/n": True}}, "/user/n is 1, expected true"),
        ({"json": {"/nobody": 1}}, "nothing at /nobody of the answer, expected 1; it said: "),
        ({"contains": "carl"}, 'the answer does not contain "carl"; it said: '),
        ({"max_ms": 1}, "ms, at most 1 ms accepted"),
    ],
)
def test_what_is_seen_when_a_test_fails(server: Any, clock: Any, expect: dict[str, Any], seen: str) -> None:
    def answer(asked: Any) -> Any:
        if "max_ms" in expect:
            time.sleep(0.02)
        return as_json({"user": {"name": "ann", "n": 1}})(asked)

    server.answer = answer
    (result,) = run(server, clock, [{"name": "one", "path": "/", "expect": expect}])
    assert result["ok"] is False
    assert seen in result["seen"]


def test_the_dependants_of_a_failed_step_are_not_run(server: Any, clock: Any) -> None:
    server.answer = as_json({"detail": "wrong password"}, 401)
    results = run(
        server,
        clock,
        [
            {"name": "login", "path": "/login", "take": {"token": "/t"}},
            {"name": "query", "path": "/q", "headers": {"A": "${token}"}, "take": {"id": "/id"}},
            {"name": "item", "path": "/i/${id}"},
            {"name": "health", "path": "/health", "expect": {"status": 401}},
        ],
    )
    assert [result["ok"] for result in results] == [False, False, False, True]
    assert results[0]["seen"] == 'status 401, expected 200; it said: {"detail": "wrong password"}'
    assert results[1]["seen"] == "not run: needs ${token} from step 'login'"
    assert results[2]["seen"] == "not run: needs ${id} from step 'query'"
    assert results[1]["status"] is None and results[1]["ms"] is None
    assert len(server.asked) == 2


def test_a_secret_that_was_not_handed_in(server: Any, clock: Any) -> None:
    tests = parse_smoke_tests([{"name": "x", "path": "/", "body": "${secret:GONE}"}])
    (result,) = run_smoke_tests(tests, lambda service, port: server.address, {}, clock)
    assert (result["ok"], result["seen"]) == (False, "not run: secret:GONE was not handed in")


def test_where_a_service_answers_is_asked_for(server: Any, clock: Any) -> None:
    asked: list[Any] = []

    def address_of(service: str | None, port: int | None) -> Any:
        asked.append((service, port))
        if service == "gone":
            raise Refused("the slot has no service 'gone'", code="no_service")
        return server.address

    tests = parse_smoke_tests([{"name": "a", "path": "/"}, {"name": "b", "path": "/", "service": "gone", "port": 80}])
    results = run_smoke_tests(tests, address_of, {}, clock)
    assert asked == [(None, None), ("gone", 80)]
    assert [result["ok"] for result in results] == [True, False]
    assert results[1]["seen"] == "the slot has no service 'gone'"


def test_evidence_holds_neither_secret_nor_token(server: Any, clock: Any) -> None:
    """A server that sends back everything in every form, in a flow in which everything fails late."""

    def answer(asked: Any) -> Any:
        if asked.path == "/login":
            return 200, {}, json.dumps({"token": TOKEN, "number": 123456}).encode()
        forms = [SECRET, TOKEN]
        forms += [urllib.parse.quote(form, safe="") for form in forms]
        forms += [base64.b64encode(f"user:{form}".encode()).decode() for form in (SECRET, TOKEN)]
        return 500, {}, (" ".join(forms) + asked.path + asked.headers["authorization"]).encode()

    server.answer = answer
    results = run(
        server,
        clock,
        [
            {"name": "login", "path": "/login", "take": {"token": "/token", "number": "/number"}},
            {
                "name": "echo",
                "method": "POST",
                "path": "/echo/${token}/${number}",
                "headers": {"Authorization": "Basic ${secret:PROBE}"},
            },
            {
                "name": f"name with {TOKEN}",
                "path": "/gone",
                "expect": {"contains": "${token}"},
                "headers": {"Authorization": "x"},
            },
        ],
    )
    told = json.dumps(results, ensure_ascii=False)
    for value in (SECRET, TOKEN, "123456", urllib.parse.quote(SECRET, safe=""), urllib.parse.quote(TOKEN, safe="")):
        assert value not in told
    for value in (SECRET, TOKEN):
        for user in ("user:", ""):
            assert base64.b64encode((user + value).encode()).decode()[8:24] not in told
    assert "********" in results[1]["seen"]


def test_a_taken_token_is_hidden_even_when_its_own_test_fails(server: Any, clock: Any) -> None:
    server.answer = as_json({"token": TOKEN, "refresh": "another-token"}, 201)
    (result,) = run(server, clock, [{"name": "login", "path": "/login", "take": {"token": "/token"}}])
    assert result["seen"] == "status 201, expected 200"
    server.answer = as_json({"token": TOKEN}, 500)
    (result,) = run(server, clock, [{"name": "login", "path": "/login", "take": {"token": "/token"}}])
    assert result["seen"] == 'status 500, expected 200; it said: {"token": "********"}'


def test_half_of_a_secret_is_not_left_where_evidence_is_cut(server: Any, clock: Any) -> None:
    server.answer = lambda asked: (500, {}, ("x" * 190 + SECRET).encode())
    (result,) = run(server, clock, [{"name": "x", "path": "/"}])
    assert SECRET[:6] not in result["seen"]


def test_evidence_is_one_line_without_control_characters(server: Any, clock: Any) -> None:
    server.answer = lambda asked: (500, {}, b"\x1b[2Ja\r\nb\x00\xff" + b"y" * 5000)
    (result,) = run(server, clock, [{"name": "x", "path": "/"}])
    assert result["seen"].isprintable()
    assert len(result["seen"]) < 300


@pytest.mark.parametrize(
    ("document", "status", "ok", "seen"),
    [
        ({"version": "1.1.0"}, 200, True, '/version says version "1.1.0"'),
        ({"version": "v1.1.0"}, 200, True, '/version says version "v1.1.0"'),
        ({"version": "1.0.0"}, 200, False, '/version says version "1.0.0", expected 1.1.0'),
        ({"version": None}, 200, False, "/version says version null, expected 1.1.0"),
        ({"release": "1.1.0"}, 200, False, '/version has no version in its answer: {"release": "1.1.0"}'),
        ({"version": "1.1.0"}, 503, False, "/version answered 503, expected 200"),
    ],
)
def test_the_version_endpoint(server: Any, document: Any, status: int, ok: bool, seen: str) -> None:
    server.answer = as_json(document, status)
    result = check_version({"path": "/version", "field": "version"}, lambda service, port: server.address, "1.1.0")
    assert (result["name"], result["ok"], result["seen"]) == ("version", ok, seen)


def test_the_version_may_be_deep(server: Any) -> None:
    server.answer = as_json({"build": {"a/b": "2.0.0"}})
    endpoint = {"service": "backend", "path": "/v", "field": "/build/a~1b"}
    assert check_version(endpoint, lambda service, port: server.address, "2.0.0")["ok"] is True


@pytest.mark.parametrize(
    ("endpoint", "detail"),
    [
        ({"path": "/v"}, "service_version_endpoint.field is missing"),
        ({"path": "v", "field": "x"}, "service_version_endpoint.path must be a path"),
        ({"path": "/v", "field": "/x~3"}, "service_version_endpoint.field must be a key or a JSON pointer"),
        ({"path": "/v", "field": "x", "filed": 1}, "service_version_endpoint has the unknown key 'filed'"),
        ([], "service_version_endpoint must be a mapping"),
    ],
)
def test_what_is_no_version_endpoint(endpoint: Any, detail: str) -> None:
    with pytest.raises(Refused, match=detail):
        check_version(endpoint, lambda service, port: ("127.0.0.1", 1), "1")


LOG = [
    "INFO:     started",
    "2030-01-01 ERROR shop.api boom",
    "Traceback (most recent call last):",
    "ValueError: boom",
    "Traceback (most recent call last):",
    '{"level":"error","msg":"x"}',
    "level=fatal msg=x",
    "panic: runtime error",
    "2030-01-01 00:00:00 UTC [1] FATAL:  too many connections",
    "INFO 0 errors, no ERRORS, panic-free",
    "GET /error HTTP/1.1 200",
]


def test_log_errors_are_counted() -> None:
    result = check_log_errors(LOG, limit=5)
    assert (result["count"], result["lines"], result["ok"]) == (6, 11, False)
    assert result["seen"] == "6 error lines of 11, at most 5 accepted; first: 2030-01-01 ERROR shop.api boom"
    assert check_log_errors(LOG, limit=6)["ok"] is True
    assert check_log_errors([])["seen"] == "0 error lines of 0, at most 5 accepted"
    assert "boom" not in check_log_errors(LOG, secrets=["boom"])["seen"]

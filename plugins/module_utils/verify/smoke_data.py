# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Smoke tests as data: their shape, and the refusal of everything that is none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..run.variables import meant, shown, type_of
from . import fields
from .fields import refuse
from .pointer import is_pointer

# ``${token}`` or ``${secret:NAME}``; ``$${`` is a literal ``${``.
REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
KEYS = ("name", "service", "port", "method", "path", "headers", "body", "expect", "take")
EXPECTED = ("status", "json", "contains", "max_ms")
OURS = ("content-length", "transfer-encoding", "connection", "x-steady-probe")
NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
SECRET_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,126}"
SERVICE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
MOST_TESTS, MOST_HEADERS, MOST_NODES, DEEPEST, LONGEST = 200, 50, 10_000, 32, 65_536


@dataclass(frozen=True)
class SmokeTest:
    """One request and what its answer must be. References in strings are not yet replaced."""

    name: str
    path: str
    service: str | None = None
    port: int | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # a string is sent as it is, a mapping or list as JSON
    status: int = 200
    json: Mapping[str, Any] = field(default_factory=dict)  # pointer -> value
    contains: str = ""
    max_ms: int | None = None
    take: Mapping[str, str] = field(default_factory=dict)  # token -> pointer

    def needs(self) -> list[str]:
        """What has to be there before it can run, in order of appearance: tokens, and secrets as ``secret:NAME``."""
        return list(dict.fromkeys(name for _where, text in _strings(self) for name in references(text)))


def parse_smoke_tests(
    data: Any, secret_names: Collection[str] | None = None, name: str = "service_smoke_tests"
) -> tuple[SmokeTest, ...]:
    """The declared tests, or :class:`Refused` naming the field, for example ``service_smoke_tests[2].expect.status``.

    With *secret_names* a reference to a secret that is not among them is refused too, before anything runs.
    """
    tests: list[SmokeTest] = []
    takers: dict[str, str] = {}
    for index, entry in enumerate(fields.entries(data, name, MOST_TESTS)):
        where = f"{name}[{index}]"
        test = _test(fields.mapping(entry, where, KEYS, ("name", "path")), where)
        if any(test.name == earlier.name for earlier in tests):
            raise refuse(f"{where}.name", f"is {test.name!r} again; each test needs a name of its own")
        for place, text in _strings(test):
            _check_references(f"{where}.{place}", text, takers, secret_names)
        for token in test.take:
            if token in takers:
                raise refuse(f"{where}.take.{token}", f"is taken by the test {takers[token]!r} already")
            takers[token] = test.name
        tests.append(test)
    return tuple(tests)


def parse_version_endpoint(data: Any, name: str = "service_version_endpoint") -> Mapping[str, Any]:
    """``{service?, port?, path, field}``: *field* is a key of the answer or a JSON pointer into it."""
    endpoint = fields.mapping(data, name, ("service", "port", "path", "field"), ("path", "field"))
    fields.text(endpoint["path"], f"{name}.path", 2000, r"/[^#]*", "a path that starts with '/' and has no '#'")
    fields.text(endpoint["field"], f"{name}.field", 500)
    if endpoint["field"].startswith("/") and not is_pointer(endpoint["field"]):
        raise fields.refuse(f"{name}.field", "must be a key or a JSON pointer such as /build/version")
    if endpoint.get("service") is not None:
        fields.text(endpoint["service"], f"{name}.service", 63, SERVICE, "the name of a service")
    if endpoint.get("port") is not None:
        fields.whole(endpoint["port"], f"{name}.port", 1, 65535)
    return endpoint


def references(text: str) -> list[str]:
    """What *text* refers to: names of tokens, and secrets as ``secret:NAME``."""
    return [found.group(1) or "" for found in REFERENCE.finditer(text) if found.group() != "$${"]


def _test(entry: Mapping[str, Any], where: str) -> SmokeTest:
    values: dict[str, Any] = {"name": fields.text(entry["name"], f"{where}.name", 100)}
    values["path"] = fields.text(
        entry["path"], f"{where}.path", 2000, r"/[^#]*", "a path that starts with '/' and has no '#'"
    )
    if entry.get("service") is not None:
        values["service"] = fields.text(entry["service"], f"{where}.service", 63, SERVICE, "the name of a service")
    if entry.get("port") is not None:
        values["port"] = fields.whole(entry["port"], f"{where}.port", 1, 65535)
    if entry.get("method") is not None:
        values["method"] = fields.text(
            entry["method"], f"{where}.method", 10, "|".join(METHODS), "one of " + ", ".join(METHODS)
        )
    if entry.get("headers") is not None:
        values["headers"] = _headers(entry["headers"], f"{where}.headers")
    if entry.get("body") is not None:
        values["body"] = _body(entry["body"], f"{where}.body")
    if entry.get("take") is not None:
        values["take"] = _take(entry["take"], f"{where}.take")
    values.update(_expect(entry.get("expect"), f"{where}.expect"))
    if values.get("method") == "HEAD" and (values.get("take") or values.get("json") or values.get("contains")):
        raise refuse(f"{where}.method", "is HEAD, whose answer has no body to look into; use GET")
    return SmokeTest(**values)


def _headers(data: Any, where: str) -> dict[str, str]:
    if not isinstance(data, Mapping) or len(data) > MOST_HEADERS:
        raise refuse(where, f"must be a mapping of at most {MOST_HEADERS} header names to strings")
    seen: set[str] = set()
    for header, value in data.items():
        fields.text(header, f"a name in {where}", 100, HEADER, "a header name (letters, digits and -)")
        if header.lower() in OURS:
            raise refuse(f"{where}.{header}", "is set by the run itself; leave it out")
        if header.lower() in seen:
            raise refuse(f"{where}.{header}", "is there twice (case does not matter)")
        seen.add(header.lower())
        # A value may be a secret that somebody wrote in clear: it is never quoted.
        fields.text(value, f"{where}.{header}", 8000, visible=False)
    return dict(data)


def _body(data: Any, where: str) -> Any:
    if isinstance(data, str):
        if len(data) > LONGEST:
            raise refuse(where, f"has {len(data)} characters; the limit is {LONGEST}")
    elif isinstance(data, (Mapping, list, tuple)):
        _check_document(data, where)
    else:
        raise refuse(where, f"must be a string or a mapping that is sent as JSON, not {type_of(data)}")
    return data


def _take(data: Any, where: str) -> dict[str, str]:
    if not isinstance(data, Mapping) or not data:
        raise refuse(where, "must be a mapping of token names to JSON pointers, for example token: /access_token")
    for token, pointer in data.items():
        fields.text(token, f"a name in {where}", 63, NAME, "a token name (letters, digits and _)")
        _check_pointer(pointer, f"{where}.{token}")
    return dict(data)


def _expect(data: Any, where: str) -> dict[str, Any]:
    expect = fields.mapping({} if data is None else data, where, EXPECTED)
    values: dict[str, Any] = {}
    if expect.get("status") is not None:
        values["status"] = fields.whole(expect["status"], f"{where}.status", 200, 599)
    if expect.get("max_ms") is not None:
        values["max_ms"] = fields.whole(expect["max_ms"], f"{where}.max_ms", 1, 600_000)
    if expect.get("contains") is not None:
        values["contains"] = fields.text(expect["contains"], f"{where}.contains", 2000)
    if expect.get("json") is not None:
        pointers = expect["json"]
        if not isinstance(pointers, Mapping):
            raise refuse(f"{where}.json", f"must be a mapping of JSON pointers to values, not {type_of(pointers)}")
        for pointer in pointers:
            _check_pointer(pointer, f"{where}.json")
        _check_document(pointers, f"{where}.json")
        values["json"] = dict(pointers)
    return values


def _check_pointer(data: Any, where: str) -> None:
    text = data if data == "" else fields.text(data, where, 500)
    if not is_pointer(text):
        raise refuse(where, f"must be a JSON pointer such as /data/0/id, not {shown(text)}")


def _check_document(data: Any, where: str) -> None:
    """Refuse what is no JSON or not of a size that a person wrote (YAML aliases grow without bound)."""
    waiting: list[tuple[Any, int]] = [(data, 0)]
    count = 0
    while waiting:
        here, depth = waiting.pop()
        count += 1
        if count > MOST_NODES or depth > DEEPEST:
            raise refuse(where, f"is too large: at most {MOST_NODES} values, {DEEPEST} levels deep")
        if isinstance(here, Mapping):
            for key in here:
                if not isinstance(key, str):
                    raise refuse(where, f"has the key {shown(key)}, which is {type_of(key)}: quote it")
            waiting += [(value, depth + 1) for value in here.values()]
        elif isinstance(here, (list, tuple)):
            waiting += [(value, depth + 1) for value in here]
        elif isinstance(here, str):
            if len(here) > LONGEST:
                raise refuse(where, f"has a string of {len(here)} characters; the limit is {LONGEST}")
        elif isinstance(here, float) and here - here != 0:
            raise refuse(where, "has a number that JSON does not know (infinite or not a number)")
        elif here is not None and not isinstance(here, (bool, int, float)):
            raise refuse(where, f"has a value that JSON does not know ({type(here).__name__}): quote it")


def _strings(test: SmokeTest) -> Iterator[tuple[str, str]]:
    """Every string in which a reference may stand, with its place."""
    yield "path", test.path
    for header, value in test.headers.items():
        yield f"headers.{header}", value
    for place, data in (("body", test.body), ("expect.json", test.json), ("expect.contains", test.contains)):
        waiting = [data]
        while waiting:
            here = waiting.pop(0)
            if isinstance(here, str):
                yield place, here
            elif isinstance(here, Mapping):
                waiting[:0] = here.values()
            elif isinstance(here, (list, tuple)):
                waiting[:0] = here


def _check_references(where: str, text: str, takers: Mapping[str, str], secret_names: Collection[str] | None) -> None:
    for name in references(text):
        if name.startswith("secret:"):
            secret = name[len("secret:") :]
            if where.endswith(".path"):
                raise refuse(where, "must not hold a secret, which logs would keep: use a header or the body")
            if not re.fullmatch(SECRET_NAME, secret):
                raise refuse(where, f"refers to the secret {shown(secret)}, which is no name of one")
            if secret_names is not None and secret not in secret_names:
                raise refuse(
                    where, f"refers to the secret {secret!r}, which is not declared{meant(secret, secret_names)}"
                )
        elif not re.fullmatch(NAME, name):
            raise refuse(where, "has a '${' that starts no ${token} or ${secret:NAME}; a literal one is written '$${'")
        elif name not in takers:
            raise refuse(where, f"uses ${{{name}}}, which no earlier test takes{meant(name, takers)}")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running smoke tests, the version check and the count of log errors; evidence never holds a secret or a token.

A result is ``{"name", "ok", "status", "ms", "seen"}``: *status* and *ms* (milliseconds) are None where there was no
answer, *seen* is one sentence.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

from ..errors import RunbookError
from ..run.clock import Clock
from .http import Address, Response, request
from .mask import Mask
from .pointer import find, parse, same
from .smoke_data import REFERENCE, SmokeTest, parse_smoke_tests, parse_version_endpoint

__all__ = [
    "check_log_errors",
    "check_version",
    "parse_smoke_tests",
    "parse_version_endpoint",
    "run_smoke_tests",
]

Result = dict[str, Any]
AddressOf = Callable[[Optional[str], Optional[int]], Address]
EXCERPT = 200
LOG_ERROR = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL)\b|Traceback \(most recent call last\)|^(?:panic|fatal error): "
    r"|\"?(?:level|severity|lvl)\"?\s*[=:]\s*\"?(?:error|critical|fatal|panic)\b",
)


def run_smoke_tests(
    tests: Sequence[SmokeTest],
    address_of: AddressOf,
    secrets: Mapping[str, str],
    clock: Clock,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> list[Result]:
    """Run the tests in order, each on a connection of its own; one result each.

    ``address_of(service, port)`` says where a service answers (both may be None): in a slot, or through the edge.
    *headers* go with every request (the mark of our own probes); their values are masked like *secrets*.
    A test whose token was not taken is not run, and says which test it waited for.
    """
    mask = Mask([*secrets.values(), *(headers or {}).values()])
    takers = {token: test.name for test in tests for token in test.take}
    values: dict[str, Any] = {f"secret:{name}": value for name, value in secrets.items()}
    results: list[Result] = []
    for test in tests:
        missing = [name for name in test.needs() if name not in values]
        if not missing:
            result = _run(test, address_of, values, mask, clock, dict(headers or {}), timeout)
        elif missing[0] in takers:
            result = _result(test.name, False, f"not run: needs ${{{missing[0]}}} from step {takers[missing[0]]!r}")
        else:
            result = _result(test.name, False, f"not run: {missing[0]} was not handed in")
        results.append(mask.data(result))
    # A token that a later test took may stand in the evidence of an earlier one.
    return [mask.data(result) for result in results]


def version_at(address: tuple[str, int], endpoint: Mapping[str, Any]) -> Any:
    """What the version endpoint says at an address; None when it says nothing."""
    try:
        answer = request(address, path=endpoint["path"], timeout=5.0)
    except RunbookError:
        return None
    return find(parse(answer.body)[1], _pointer(endpoint))[1] if answer.status == 200 else None


def _pointer(endpoint: Mapping[str, Any]) -> str:
    field = str(endpoint["field"])
    return field if field.startswith("/") else "/" + _escaped(field)


def check_version(
    endpoint: Mapping[str, Any],
    address_of: AddressOf,
    expected: str,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> Result:
    """Whether the version endpoint says *expected*; a leading ``v`` on either side does not matter."""
    endpoint = parse_version_endpoint(endpoint)
    mask = Mask((headers or {}).values())
    pointer = _pointer(endpoint)
    try:
        address = address_of(endpoint.get("service"), endpoint.get("port"))
        answer = request(address, path=endpoint["path"], headers=headers, timeout=timeout)
    except RunbookError as error:
        return mask.data(_result("version", False, error.detail))
    there, said = find(parse(answer.body)[1], pointer)
    if answer.status != 200:
        seen = f"{endpoint['path']} answered {answer.status}, expected 200"
    elif not there:
        seen = f"{endpoint['path']} has no {endpoint['field']} in its answer: {_excerpt(answer, mask)}"
    else:
        seen = f"{endpoint['path']} says version {_brief(said, mask)}"
    ok = answer.status == 200 and there and str(said).lstrip("v") == expected.lstrip("v")
    if not ok and there and answer.status == 200:
        seen += f", expected {expected}"
    return mask.data(_result("version", ok, seen, answer))


def check_log_errors(
    lines: Iterable[str], limit: int = 5, secrets: Iterable[str] = (), name: str = "log errors"
) -> Result:
    """Count error lines: ERROR, CRITICAL, FATAL, a panic or a traceback. At most *limit* of them are accepted.

    The lines are those since the release's own start. A traceback right after its own ERROR line is one error.
    """
    mask = Mask(secrets)
    total = count = 0
    first, before = "", False
    for line in lines:
        total += 1
        found = LOG_ERROR.search(line) is not None
        if found and not (before and "Traceback (" in line):
            count += 1
            first = first or line
        before = found
    seen = f"{count} error lines of {total}, at most {limit} accepted"
    if first:
        seen += f"; first: {_clean(mask.text(first))}"
    return {**_result(name, count <= limit, seen), "count": count, "lines": total}


def _run(
    test: SmokeTest,
    address_of: AddressOf,
    values: dict[str, Any],
    mask: Mask,
    clock: Clock,
    headers: dict[str, str],
    timeout: float,
) -> Result:
    body = _filled(test.body, values)
    headers.update({header: _text(value, values) for header, value in test.headers.items()})
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        if not any(header.lower() == "content-type" for header in headers):
            headers["Content-Type"] = "application/json"
    path = _text(test.path, values, lambda value: urllib.parse.quote(value, safe=""))
    if test.max_ms is not None:
        timeout = max(timeout, test.max_ms / 1000.0 + 1.0)
    start = clock.monotonic()
    try:
        answer = request(address_of(test.service, test.port), test.method, path, headers, body, timeout)
    except RunbookError as error:
        return _result(test.name, False, error.detail, ms=(clock.monotonic() - start) * 1000.0)
    document = parse(answer.body)[1]
    taken = {token: find(document, pointer) for token, pointer in test.take.items()}
    for there, value in taken.values():
        # Hidden even when the test fails: what is shown of this answer may hold it.
        if there and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            mask.add(str(value))
    problem = _problem(test, answer, document, taken, values, mask)
    if not problem:
        values.update({token: value for token, (_there, value) in taken.items()})
    return _result(test.name, not problem, problem or f"status {answer.status} in {answer.ms:.0f} ms", answer)


def _problem(
    test: SmokeTest,
    answer: Response,
    document: Any,
    taken: Mapping[str, tuple[bool, Any]],
    values: Mapping[str, Any],
    mask: Mask,
) -> str:
    # Beside the token that is taken an answer holds others (a refresh token): it is shown only when it is an error.
    shown = "" if test.take and answer.status < 400 else f"; it said: {_excerpt(answer, mask)}"
    if answer.status != test.status:
        return f"status {answer.status}, expected {test.status}{shown}"
    for pointer, wanted in test.json.items():
        there, value = find(document, pointer)
        wanted = _filled(wanted, values)
        if not there:
            return f"nothing at {pointer or 'the root'} of the answer, expected {_brief(wanted, mask)}{shown}"
        if not same(value, wanted):
            return f"{pointer or 'the root'} is {_brief(value, mask)}, expected {_brief(wanted, mask)}"
    contains = _text(test.contains, values)
    if contains and contains not in answer.text():
        return f"the answer does not contain {_brief(contains, mask)}{shown}"
    for token, (there, value) in taken.items():
        if not there or isinstance(value, (dict, list, bool)) or value is None:
            return f"no token at {test.take[token]} of the answer (a string or a number)"
    if test.max_ms is not None and answer.ms > test.max_ms:
        return f"answered after {answer.ms:.0f} ms, at most {test.max_ms} ms accepted"
    return ""


def _filled(data: Any, values: Mapping[str, Any]) -> Any:
    """*data* with its references replaced. A string that is one reference keeps the type of the token."""
    if isinstance(data, str):
        alone = REFERENCE.fullmatch(data)
        return values[alone.group(1)] if alone and alone.group(1) else _text(data, values)
    if isinstance(data, Mapping):
        return {key: _filled(value, values) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_filled(value, values) for value in data]
    return data


def _text(text: str, values: Mapping[str, Any], form: Callable[[str], str] = str) -> str:
    return REFERENCE.sub(lambda found: "${" if found.group() == "$${" else form(str(values[found.group(1)])), text)


def _result(name: str, ok: bool, seen: str, answer: Response | None = None, ms: float | None = None) -> Result:
    ms = answer.ms if answer else ms
    return {
        "name": name,
        "ok": ok,
        "status": answer.status if answer else None,
        "ms": None if ms is None else round(ms, 1),
        "seen": seen,
    }


def _excerpt(answer: Response, mask: Mask) -> str:
    """The beginning of the body: masked before it is cut, so that no half of a secret is left at the cut."""
    return _clean(mask.text(answer.text())) or "nothing"


def _brief(value: Any, mask: Mask) -> str:
    return _clean(mask.text(json.dumps(value, ensure_ascii=False)))


def _clean(text: str) -> str:
    """One short line without characters that could play tricks on a terminal."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 50 * EXCERPT]).split())
    return line if len(line) <= EXCERPT else line[:EXCERPT] + "…"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")

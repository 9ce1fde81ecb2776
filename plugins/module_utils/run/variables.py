# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person may say with ``-e``: one table of the request variables, and how their values are checked."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused

ENVIRONMENT = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
SERVICE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
SEMVER = (
    r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_PART = r"[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*"
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
IMAGE = (
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)
COMMIT = r"[0-9a-f]{7,64}"

TEMPLATE_MARKS = ("{{", "{%", "{#")
TEMPLATE_HEADER = "#jinja2:"  # a first line that gives a string other marks than the usual ones


@dataclass(frozen=True)
class Variable:
    """One request variable: ``kind`` is ``text``, ``map`` (compose service -> text), ``boolean`` or ``number``."""

    description: str
    example: str
    pattern: str = ""
    longest: int = 80
    kind: str = "text"


VARIABLES: dict[str, Variable] = {
    "env": Variable("the environment to act on: a group of the inventory", "production", ENVIRONMENT, 63),
    "version": Variable("a SemVer version that has a release manifest", "1.1.0", SEMVER, 64),
    "image": Variable("an image reference for the one web service", "registry.example.com/backend:1.1.0", IMAGE, 400),
    "images": Variable(
        "image references by compose service",
        '{"images": {"backend": "registry.example.com/backend:1.1.0"}}',
        IMAGE,
        400,
        "map",
    ),
    "commit": Variable("7 to 64 hex digits, the commit that the images were built from", "9fceb02", COMMIT, 64),
    "approved_plan": Variable(
        "the hash of an approved plan, 16 hex digits, as `--check --diff` prints it",
        "4f1c2ab09d3e5a67",
        r"[0-9a-f]{16}",
        16,
    ),
    "promote_from": Variable("the environment whose live digests are promoted", "staging", ENVIRONMENT, 63),
    "release": Variable("the id of a kept release, as `status.yml` lists it", "1.0.0", r"[A-Za-z0-9][A-Za-z0-9._+-]*"),
    "reason": Variable("one line that says why, for the ledger", "errors at checkout", r".*\S.*", 500),
    "accept_one_way": Variable(
        "true to accept a database change that the live release cannot live with", "true", kind="boolean"
    ),
    "direction": Variable("auto, finish or back: where a dead run is taken", "back", r"auto|finish|back"),
    "variable": Variable("the name of one environment variable", "LOG_LEVEL", r"[A-Za-z_][A-Za-z0-9_]*", 128),
    "value": Variable("its value, one line; a secret is named with `secret` instead", "debug", r".*", 4096),
    "secret": Variable("a name in service_secrets", "api_token", r"[A-Za-z_][A-Za-z0-9_.-]*", 127),
    "unset": Variable("true to take the variable away", "true", kind="boolean"),
    "service": Variable("a service of the compose file", "backend", SERVICE, 63),
    "replicas": Variable("how many containers", "3", r"[1-9][0-9]?", kind="number"),
    "cpus": Variable("CPUs for each container", "0.5", r"(?=.*[1-9])[0-9]{1,3}(?:\.[0-9]{1,2})?", kind="number"),
    "memory": Variable("memory for each container", "512m", r"[1-9][0-9]{0,11}(?:\.[0-9]{1,3})?[kmgKMG]?(?:i?[bB])?"),
    "command": Variable("a command for the shell of the container", "python manage.py check", r".*\S.*", 4096),
    "state": Variable("on, off or keep: whether users get the maintenance page", "on", r"on|off|keep"),
    "format": Variable("human or json", "json", r"human|json"),
    "verify": Variable("true to verify the ledger's chain", "true", kind="boolean"),
    "head": Variable(
        "a saved head of the ledger, `SEQUENCE:HASH`", "17:" + "0123456789abcdef" * 4, r"[0-9]{1,12}:[0-9a-f]{16,64}"
    ),
    "limit": Variable("the largest number of entries", "20", r"[1-9][0-9]{0,5}", kind="number"),
    "since": Variable(
        "a date or time in UTC", "2030-01-31", r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?Z?)?"
    ),
}


def check_value(name: str, value: Any) -> None:
    """Refuse a *value* of the request variable *name* that is of the wrong type, too long or no such thing."""
    variable = VARIABLES[name]
    if value is None or value == "":
        return  # an unanswered survey question
    if variable.kind == "map":
        _check_map(name, value)
    elif variable.kind == "boolean":
        if not isinstance(value, bool) and str(value).lower() not in ("true", "false", "yes", "no"):
            raise _invalid(name, "is neither true nor false", value)
    elif variable.kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_text(name, name, str(value))
    else:
        _check_text(name, name, value)


def _check_map(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise _invalid(name, f"must be a mapping, not {type_of(value)}", None)
    for service, text in value.items():
        if not isinstance(service, str) or not re.fullmatch(SERVICE, service):
            raise _invalid(name, f"has a key that is no compose service: {shown(service)}", None)
        _check_text(name, f"{name}.{service}", text)


def _check_text(name: str, field: str, value: Any) -> None:
    variable = VARIABLES[name]
    if not isinstance(value, str):
        raise _invalid(name, f"must be a string, not {type_of(value)} (quote it)", None, field)
    if len(value) > variable.longest:
        raise _invalid(name, f"is {len(value)} characters long; the limit is {variable.longest}", None, field)
    odd = odd_character(value, ascii_only=name not in ("reason", "value", "command"))
    if odd:
        raise _invalid(name, f"contains {odd}", value, field)
    if not re.fullmatch(variable.pattern, value):
        raise _invalid(name, "is malformed", value, field)


def _invalid(name: str, problem: str, value: Any, field: str = "") -> Refused:
    variable = VARIABLES[name]
    told = f": {shown(value)}" if value is not None else ""
    example = variable.example if variable.kind == "map" else f"{name}={variable.example}"
    return Refused(
        f"{field or name} {problem}{told}",
        code="invalid_variable",
        next_step=f"It must be {variable.description}, for example `-e '{example}'`.",
    )


def odd_character(text: str, *, ascii_only: bool) -> str:
    """Name the first character that cannot be seen, or that only looks like an ordinary one; ``""`` when none."""
    for character in text:
        if not character.isprintable() or (ascii_only and not character.isascii()):
            return f"the character U+{ord(character):04X} ({unicodedata.name(character, 'a control character')})"
    return ""


def template_in(value: Any) -> bool:
    """Tell whether *value* holds a Jinja template anywhere: in strings, in keys, in nested lists and mappings."""
    if value is None or isinstance(value, (bool, int, float)):
        return False
    if isinstance(value, Mapping):
        return any(template_in(key) or template_in(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        return any(template_in(item) for item in value)
    text = str(value)
    return text.startswith(TEMPLATE_HEADER) or any(mark in text for mark in TEMPLATE_MARKS)


def near(word: str, known: Iterable[str]) -> str:
    """The name among *known* that *word* was probably meant to be, or ``""``."""
    names = {name.lower(): name for name in known}
    lowered = word.lower()
    close = difflib.get_close_matches(lowered, names, n=1, cutoff=0.6)
    if close:
        return names[close[0]]
    return next((name for name in names.values() if len(name) > 2 and lowered.startswith(name.lower())), "")


def meant(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or ``""`` when nothing is near."""
    found = near(word, known)
    return f" (did you mean '{found}'?)" if found else ""


def shown(value: Any, limit: int = 60) -> str:
    """*value* as it may be printed: quoted, escaped, cut."""
    text = ascii(str(value)) if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else text[:limit] + "…"


def type_of(value: Any) -> str:
    """The type of *value* in the words of YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a {type(value).__name__}"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a target is told about its service, checked before anything is looked at: one table of the settings.

The playbooks leave it to this table to check them: values come as they were written, a list in one string, a number in
quotes. Here they become what the code reads, or are refused in one sentence under the names of the inventory.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Callable

from ..run.manifest import VARIABLE
from ..run.variables import IMAGE, SERVICE, meant, shown, type_of
from ..verify import fields
from ..verify.fields import refuse
from ..verify.settings import parse_proof, parse_watch
from ..verify.smoke_data import SECRET_NAME, parse_smoke_tests, parse_version_endpoint
from .edge_spec import is_network
from .model import MOUNTS
from .names import EDGE_IMAGE

PREFIX = "service_"
NAME = r"[a-z][a-z0-9-]{0,30}"
PROJECT = r"[a-z0-9][a-z0-9_-]{0,54}"
PROFILE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}|\*"
REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
DATABASE = r"[A-Za-z0-9_][A-Za-z0-9_$.-]{0,62}"
QUERY = r"(?is)\s*(?:select|with|show|table|values)\b[^;]*;?\s*"
DAY, MONTH = 24 * 3600, 30 * 24 * 3600
MOST, LONGEST = 200, 32_768  # entries of a list or mapping, characters of a value
OURS = ("blue", "green", "edge")  # `shop-blue` is the project of a slot of `shop`

Check = Callable[[Any, str], Any]


def checked(params: Mapping[str, Any], references: bool = True) -> dict[str, Any]:
    """The parameters of a module with ``settings``, ``secrets`` and ``registries`` as the code reads them.

    Raise :class:`Refused` (``invalid_setting``) that names the variable of the inventory, and never a secret. Without
    *references* smoke tests may refer to secrets that were not handed in.
    """
    secrets = check_secrets(params.get("secrets"))
    result = {**params, "settings": check_settings(params["settings"], secrets if references else None)}
    result["secrets"] = secrets
    if "registries" in params:
        result["registries"] = check_registries(params["registries"])
    return result


def check_settings(settings: Any, secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
    """*settings* with every one of the table, defaults filled in. *secrets*: what smoke tests may refer to."""
    if not isinstance(settings, Mapping):
        raise refuse("settings", f"must be a mapping, not {type_of(settings)}")
    for key in settings:
        if key not in SETTINGS:
            raise refuse(PREFIX + str(shown(key)).strip("'"), f"is no setting{meant(str(key), SETTINGS)}")
    found: dict[str, Any] = {}
    for name, (default, check) in SETTINGS.items():
        value = settings.get(name)
        if value is not None and value != "":
            found[name] = check(value, PREFIX + name)
        elif default is None:
            raise refuse(PREFIX + name, "is missing")
        else:
            found[name] = copy.deepcopy(default)
    if secrets is not None:
        parse_smoke_tests(found["smoke_tests"], secrets)
    return {**found, "project": found["project"] or found["name"]}


def check_platform(platform: Any) -> None:
    """``service_platform``: which module is asked depends on it."""
    _choice("compose")(platform, "service_platform")


def check_secrets(secrets: Any) -> dict[str, str]:
    """``service_secrets``: names to strings. A value is never quoted, whatever is wrong with it."""
    if not isinstance(secrets or {}, Mapping):
        raise refuse("service_secrets", f"must be a mapping of names to strings, not {type_of(secrets)}")
    found = {}
    for name, value in (secrets or {}).items():
        if not isinstance(name, str) or not re.fullmatch(SECRET_NAME, name):
            raise refuse("service_secrets", f"has the key {shown(name)}, which is no name of a secret")
        where = f"service_secrets.{name}"
        if value is None or value == "":
            raise refuse(where, "is empty: where it is looked up, nothing was found")
        found[name] = _value(value, where)
    return found


def check_registries(registries: Any) -> list[dict[str, str]]:
    """``service_registries``: ``{registry, username, password}`` each, one of a registry."""
    found: list[dict[str, str]] = []
    for index, entry in enumerate(fields.entries(registries or [], "service_registries", MOST)):
        where = f"service_registries[{index}]"
        keys = ("registry", "username", "password")
        login = fields.mapping(entry, where, keys, keys)
        what = "host[:port] as in the names of its images, without https:// and without a path"
        fields.text(login["registry"], f"{where}.registry", 260, REGISTRY, what)
        fields.text(login["username"], f"{where}.username", 500, visible=False)
        if login["password"] == "":
            raise refuse(f"{where}.password", "is empty: where it is looked up, nothing was found")
        if any(login["registry"] == other["registry"] for other in found):
            raise refuse(f"{where}.registry", f"is {login['registry']} again")
        found.append({**login, "password": _value(login["password"], f"{where}.password")})
    return found


def _value(value: Any, where: str) -> str:
    """A value for interpolation. Others than strings and whole numbers do not come out as written: `yes`, `1.10`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise refuse(where, f"must be a string, not {type_of(value)}: quote it")
    if "\0" in value:
        raise refuse(where, "contains a null character")
    if len(value) > LONGEST:
        raise refuse(where, f"is {len(value)} characters long; the limit is {LONGEST}")
    return value


def _text(pattern: str, what: str, longest: int = 500) -> Check:
    return lambda value, where: fields.text(value, where, longest, pattern, what)


def _whole(least: int, most: int) -> Check:
    def check(value: Any, where: str) -> int:
        # `-e service_warm_seconds=60` and templates on older versions of Ansible give a string.
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value):
            value = int(value)
        return fields.whole(value, where, least, most)

    return check


def _choice(*words: str) -> Check:
    def check(value: Any, where: str) -> str:
        if value not in words:
            raise refuse(where, f"must be one of {', '.join(words)}, not {shown(value)}{meant(str(value), words)}")
        return str(value)

    return check


def _list(item: Check) -> Check:
    def check(value: Any, where: str) -> list[Any]:
        found: list[Any] = []
        for index, entry in enumerate(fields.entries(value, where, MOST)):
            one = item(entry, f"{where}[{index}]")
            if one in found:
                raise refuse(f"{where}[{index}]", f"is {shown(one)} again")
            found.append(one)
        return found

    return check


def _map(pattern: str, what: str, item: Check) -> Check:
    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse(where, f"must be a mapping, not {type_of(value)}")
        if len(value) > MOST:
            raise refuse(where, f"has {len(value)} entries; the limit is {MOST}")
        for key in value:
            if not isinstance(key, str) or not re.fullmatch(pattern, key):
                raise refuse(where, f"has the key {shown(key)}, which is no {what}")
        return {key: item(entry, f"{where}.{key}") for key, entry in value.items()}

    return check


def _name(pattern: str, what: str) -> Check:
    def check(value: Any, where: str) -> str:
        text = str(fields.text(value, where, 63, pattern, what))
        if text.endswith(tuple(f"-{word}" for word in OURS)):
            raise refuse(where, f"must not end with -{text.rpartition('-')[2]}: its parts are named so")
        return text

    return check


def _file(value: Any, where: str) -> str:
    text = fields.text(value, where, 500)
    if text.startswith(("/", "~")) or ".." in text.split("/"):
        raise refuse(where, f"must be a path inside service_source, not {shown(text)}")
    return text


def _network(value: Any, where: str) -> str:
    if not is_network(value):
        raise refuse(where, f"must be a network such as 10.0.0.0/8 or 2001:db8::/32, not {shown(value)}")
    return str(value)


def _tls(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(where, f"must be a mapping of published ports, not {type_of(value)}")
    found = {}
    for port, entry in value.items():
        if isinstance(port, bool) or not re.fullmatch(r"[1-9][0-9]{0,4}", str(port)) or int(port) > 65535:
            raise refuse(where, f"has the key {shown(port)}, which is no published port")
        named = f"{where}.{port}"
        found[str(port)] = dict(fields.mapping(entry, named, ("certificate", "key"), ("certificate",)))
        for name, path in found[str(port)].items():
            if path is not None:
                fields.text(path, f"{named}.{name}", 500, r"/.*", "an absolute path on the host")
    return found


def _ready(value: Any, where: str) -> dict[str, Any]:
    ready = dict(fields.mapping(value, where, ("path", "port", "status", "timeout")))
    if ready.get("path") is not None:
        fields.text(ready["path"], f"{where}.path", 2000, r"/[!-~]*", "a path that starts with / and is plain ASCII")
    for key, least, most in (("port", 1, 65535), ("status", 100, 599)):
        if ready.get(key) is not None:
            ready[key] = _whole(least, most)(ready[key], f"{where}.{key}")
    if ready.get("timeout") is not None:
        fields.number(ready["timeout"], f"{where}.timeout", 0.1, 3600)
    return ready


def _schema(value: Any, where: str) -> dict[str, Any]:
    schema = fields.mapping(value, where, ("service", "query", "database", "user"), ("service",) if value else ())
    if schema.get("service") is not None:
        _SERVICE(schema["service"], f"{where}.service")
    query = schema.get("query")
    if query is not None and not (isinstance(query, str) and len(query) <= 4000 and re.fullmatch(QUERY, query)):
        raise refuse(f"{where}.query", "must be one SQL query that only reads: select …, with …, show … or table …")
    for key in ("database", "user"):
        if schema.get(key) is not None:
            fields.text(schema[key], f"{where}.{key}", 63, DATABASE, "a plain name")
    return dict(schema)


def _endpoint(value: Any, where: str) -> Mapping[str, Any]:
    return parse_version_endpoint(value, where) if value != {} else {}


def _parsed(parse: Callable[[Any, str], Any]) -> Check:
    """For what is parsed where it is used: it stays as it is, and has to be right from the beginning."""

    def check(value: Any, where: str) -> Any:
        parse(value, where)
        return value

    return check


_SERVICE = _text(SERVICE, "the name of a compose service", 63)
_SERVICES = _list(_SERVICE)
_WORD = _text(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a name", 63)

_MOUNT = _choice(*MOUNTS)

# Name: default (None: required), and what checks a value and returns it as the code reads it.
SETTINGS: dict[str, tuple[Any, Check]] = {
    "name": (None, _name(NAME, "lower-case letters, digits and -, at most 31, a letter first")),
    "project": ("", _name(PROJECT, "lower-case letters, digits, - and _, at most 55")),
    "compose_files": (["compose.yaml"], _list(_file)),
    "profiles": ([], _list(_text(PROFILE, "the name of a profile", 63))),
    "environment": ({}, _map(VARIABLE, "name of a variable", _value)),
    "roles": ({}, _map(SERVICE, "name of a compose service", _WORD)),
    "shared": ([], _SERVICES),
    "exclusive": ([], _SERVICES),
    "mounts": ({}, _map(SERVICE, "name of a compose service", _map(r"/[!-~]*", "path in its container", _MOUNT))),
    "self_migrating": ([], _SERVICES),
    "labels": ({}, _map(r"[a-z0-9-]{1,63}", "name of a program", _choice("keep", "remove"))),
    "ready": ({}, _map(SERVICE, "name of a compose service", _ready)),
    "start_seconds": (120, _whole(1, DAY)),
    "job_seconds": (3600, _whole(1, DAY)),
    "drain_seconds": (30, _whole(0, DAY)),
    "hold_seconds": (60, _whole(1, 3600)),
    "warm_seconds": (3600, _whole(0, MONTH)),
    "switch": ("auto", _choice("auto", "overlap", "hold")),
    "schema": ({}, _schema),
    "smoke_tests": ([], _parsed(lambda value, where: parse_smoke_tests(value, name=where))),
    "version_endpoint": ({}, _endpoint),
    "watch": ({}, _parsed(parse_watch)),
    "mandatory_checks": ([], _list(_WORD)),
    "min_free_mib": (512, _whole(0, 10**12)),
    "keep_releases": (5, _whole(1, 1000)),
    "keep_runs": (50, _whole(1, 100_000)),
    "keep_days": (30, _whole(0, 36_500)),
    "edge_image": (EDGE_IMAGE, _text(IMAGE, "an image reference")),
    "edge_trusted": ([], _list(_network)),
    "edge_maintenance": ("", _file),
    "edge_tcp_ports": ([], _list(_whole(1, 65535))),
    "edge_tls": ({}, _tls),
    "proof": ({}, _parsed(parse_proof)),
}

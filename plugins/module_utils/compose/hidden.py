# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of a compose model that nobody declared as secrets (service_secrets) and that must not be told all the same.

An application may write what it knows to its log, of which a failed run tells the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .model import services, unescape
from .roles import command_line

# As in DB_PASSWORD, SECRET_KEY, GITHUB_TOKEN; not as in PASSWORD_FILE, TOKEN_URL, KEY_PREFIX.
_NAME = re.compile(r"(?i)(passw|passphrase|pwd|secret|token|credential|api_?key|(^|_)key$)")
_ABOUT = re.compile(r"(?i)_(file|path|dir|url|uri|id|name|user|ttl|seconds|days|expiry|expires|algorithm|type|prefix)$")
# What a command line says of itself: `--requirepass VALUE`, `-e PASSWORD=VALUE`, `redis-cli -a VALUE`.
_OPTION = re.compile(r"(?i)(?:^|\s)--?[\w-]*(?:passw(?:or)?d|requirepass|passphrase|secret|token|api-?key)[=\s]+(\S+)")
_SET = re.compile(r"(?:^|[\s;&'\"])(\w+)=(\S+)")
_CLIENT = re.compile(r"\b(?:redis|valkey)-cli\b[^|;&]*?\s-a\s+(\S+)")
_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
SHORTEST = 6  # a shorter value would be found in ordinary words
LARGEST = 65536  # bytes of a secret file


def values_to_hide(model: Mapping[str, Any]) -> set[str]:
    """What has the name of a secret, passwords in addresses and in command lines, and the content of compose secrets.

    A password that is also the name of a service or of its image hides nothing, and would make records unreadable.
    """
    public = " ".join([*services(model), *(str(body.get("image") or "") for body in services(model).values())])
    return {value for value in _values(model) if len(value) >= SHORTEST and value not in public}


def has_name_of_secret(name: str) -> bool:
    return bool(_NAME.search(name)) and not _ABOUT.search(name)


def is_secret(name: str, value: str) -> bool:
    """Whether a variable would be hidden if it were one of a container's."""
    return has_name_of_secret(name) or bool(_IN_URL.search(value))


def _values(model: Mapping[str, Any]) -> Iterator[str]:
    for body in services(model).values():
        for line in (command_line(body), _words((body.get("healthcheck") or {}).get("test"))):
            yield from _said(unescape(line))
        for name, raw in (body.get("environment") or {}).items():
            value = unescape(str("" if raw is None else raw))
            for password in _IN_URL.findall(value):
                yield password
                yield unquote(password)
            if has_name_of_secret(name) and not value.startswith("/") and "://" not in value:
                yield value
    for body in (model.get("secrets") or {}).values():
        if body.get("content"):
            yield unescape(str(body["content"]))
        if body.get("file"):
            yield _content(str(body["file"]))


def _words(line: Any) -> str:
    return line if isinstance(line, str) else " ".join(map(str, line or ()))


def _said(line: str) -> Iterator[str]:
    found = [*_OPTION.findall(line), *_CLIENT.findall(line)]
    found += [value for name, value in _SET.findall(line) if _NAME.search(name) and not _ABOUT.search(name)]
    for password in [*found, *_IN_URL.findall(line)]:
        # `$PASSWORD` is a variable of the container, whose value is found there.
        if not password.startswith(("$", "/")):
            yield password.strip("\"'")


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST).decode(errors="replace").strip() if os.path.isfile(path) else ""
    except OSError:
        return ""

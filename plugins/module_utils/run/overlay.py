# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What set_env changed of a service's environment, over what its source and its settings say. Pure.

An overlay is a list of ``{"name", "service", and one of "value", "secret" (its name) or "unset": True}``. With a
*service* the variable is one of that service's containers, without one it is a value for interpolation. A release has
its own, and an update begins with the one of the release that serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Refused
from .variables import meant

Entry = dict[str, Any]
Overlay = list[Entry]


def change(overlay: Sequence[Entry], asked: Mapping[str, Any], secrets: Mapping[str, str]) -> Overlay:
    """*overlay* with one variable as it was asked for; raise :class:`Refused` when that is no one thing."""
    name, service = asked.get("variable") or "", asked.get("service") or ""
    ways = [way for way in ("value", "secret", "unset") if asked.get(way) not in (None, "", False)]
    if not name or len(ways) != 1:
        raise Refused(
            "no variable is named" if not name else f"{name}: {' and '.join(ways) or 'no value'} is given",
            code="invalid_variable",
            next_step="Give -e variable=NAME, and one of -e value=… -e secret=… (of service_secrets) or -e unset=true.",
        )
    rest = [one for one in overlay if (one["name"], one["service"]) != (name, service)]
    if ways == ["unset"] and (len(rest) < len(overlay) or not service):
        if len(rest) == len(overlay):
            known = sorted(one["name"] for one in overlay)
            raise Refused(
                f"{name} was not set by set_env here{meant(name, known)}",
                code="not_set",
                next_step="status.yml lists what was set; to take a variable of the compose file from its containers, "
                "name their service with -e service=NAME.",
            )
        return rest
    if ways == ["secret"]:
        secret_of(asked["secret"], secrets)
    entry = {"name": name, "service": service, ways[0]: True if ways == ["unset"] else asked[ways[0]]}
    return sorted([*rest, entry], key=lambda one: (one["service"], one["name"]))


def secret_of(name: str, secrets: Mapping[str, str]) -> str:
    """A secret's value; raise :class:`Refused` that names it when it was not handed in."""
    if name not in secrets:
        raise Refused(
            f"secret {name} is not in service_secrets{meant(name, secrets)}",
            code="secret_missing",
            next_step=f"Add {name} to service_secrets of this environment, where its value is looked up.",
        )
    return secrets[name]


def value_of(entry: Entry, secrets: Mapping[str, str]) -> str | None:
    """The variable's value; None when it is taken away."""
    if entry.get("unset"):
        return None
    return secret_of(entry["secret"], secrets) if entry.get("secret") else str(entry["value"])


def told(entry: Entry) -> str:
    """``LOG_LEVEL=debug for web``; of a secret its name only."""
    where = f" for {entry['service']}" if entry["service"] else ""
    if entry.get("unset"):
        return f"{entry['name']} unset{where}"
    return f"{entry['name']}={'${secret:' + entry['secret'] + '}' if entry.get('secret') else entry['value']}{where}"


def lost(before: Sequence[Entry], after: Sequence[Entry]) -> list[str]:
    """What one release has set and another one has not, or otherwise."""
    return [told(entry) for entry in before if entry not in after]


def overlay_of(release: Mapping[str, Any] | None) -> Overlay:
    """The overlay of a release's record; older ones have none."""
    return list(((release or {}).get("render") or {}).get("overlay") or [])

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Go or no-go: every reason listed, from what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Refused
from .contract import Observation, other
from .variables import meant

Check = dict[str, Any]
# What only an update has to do with: room for a release beside the one that serves.
HEADROOM = ("memory", "cpu", "images", "networks", "connections")


def go_no_go(observed: Observation, settings: Mapping[str, Any], last: Mapping[str, Any] | None = None) -> list[Check]:
    """All checks: ``{"name", "status": go | no_go | not_configured, "detail", "next_step"}``. *last* is the ledger's
    newest entry: what became of a run that nobody could follow to its end is told by the next one.

    A check whose source does not exist yet is ``not_configured``; naming it in ``service_mandatory_checks`` makes
    that a no-go.
    """
    mandatory = set(settings.get("mandatory_checks") or [])
    checks = [
        _serving(observed),
        *([_last(last)] if last else []),
        _schema(observed, settings),
        _drift(observed),
        *observed["checks"],
        _check("backup_age", "not_configured", "no backups are configured"),
        _check("ci", "not_configured", "no CI is configured"),
    ]
    return [*mandated(checks, settings), *_missing(checks, mandatory)]


def mandated(checks: Iterable[Check], settings: Mapping[str, Any]) -> list[Check]:
    """The checks, where one that is not configured but asked for by service_mandatory_checks is a no-go."""
    return [_mandated(check, set(settings.get("mandatory_checks") or [])) for check in checks]


def gate(checks: Iterable[Check]) -> None:
    """Refuse when any check is a no-go, naming all of them."""
    bad = [check for check in checks if check["status"] == "no_go"]
    if bad:
        raise Refused(
            "no go: " + "; ".join(f"{check['name']}: {check['detail']}" for check in bad),
            code="no_go",
            last_seen=bad,
            next_step=" ".join(check["next_step"] for check in bad if check["next_step"]),
        )


def _check(name: str, status: str, detail: str, next_step: str = "") -> Check:
    return {"name": name, "status": status, "detail": detail, "next_step": next_step}


def _mandated(check: Check, mandatory: set[str]) -> Check:
    if check["status"] != "not_configured" or check["name"] not in mandatory:
        return check
    return {
        **check,
        "status": "no_go",
        "detail": f"{check['detail']}, and service_mandatory_checks asks for it",
        "next_step": f"Configure {check['name']}, or take it out of service_mandatory_checks.",
    }


def _missing(checks: Iterable[Check], mandatory: set[str]) -> list[Check]:
    """A misspelled name must not be taken for a check that is well."""
    names = [check["name"] for check in checks]
    return [
        _check(
            name,
            "no_go",
            f"service_mandatory_checks asks for {name}, which is no check{meant(name, names)}",
            f"Correct service_mandatory_checks. There are: {', '.join(names)}.",
        )
        for name in sorted(mandatory - {*names, *HEADROOM, "last_run"})
    ]


def _serving(observed: Observation) -> Check:
    live = observed["live"]
    if not live:
        running = (observed.get("plain") or {}).get("running")
        if running:
            return _check("current_release", "go", f"plain docker compose runs {', '.join(running)}")
        return _check("current_release", "go", "nothing serves yet: this will be the first release")
    slot = observed["slots"][live]
    version = (observed["releases"].get(slot["release"] or "") or {}).get("version") or "an unknown release"
    warm = observed["slots"][other(live)]
    beside = f", {other(live)} is {warm['state']}" if warm["release"] else ""
    beside += "; users get the maintenance page" if observed["traffic"].get("maintenance") else ""
    if not slot["ready"]:
        # A release that is ill is a reason to update or to roll back, not one against it.
        return _check("current_release", "go", f"{version} in {live} serves but is not healthy{beside}")
    return _check("current_release", "go", f"{version} serves from {live}{beside}")


def _last(entry: Mapping[str, Any]) -> Check:
    if entry.get("kind") == "exec":
        return _check("last_run", "go", f"a command in {entry.get('container')} ended with exit {entry.get('exit')}")
    ends = " -> ".join((entry.get(end) or {}).get("version") or "nothing" for end in ("from", "to"))
    why = f" ({entry['failure']['detail']})" if entry.get("failure") else ""
    return _check("last_run", "go", f"{entry.get('runbook')} {ends} ended: {entry.get('outcome')}{why}")


def _schema(observed: Observation, settings: Mapping[str, Any]) -> Check:
    if not settings.get("schema"):
        return _check("schema", "not_configured", "no schema is declared (service_schema)")
    if observed.get("schema_unread"):
        # A database that does not answer may be what a rollback is for.
        return _check("schema", "go", f"schema {observed['schema']} was live at last; {observed['schema_unread']}")
    return _check("schema", "go", f"schema {observed['schema'] or 'none yet'} is live")


def _drift(observed: Observation) -> Check:
    if observed["drift"]:
        return _check("drift", "go", "; ".join(observed["drift"]))
    return _check("drift", "go", "everything is as we left it")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service runs, told to people and programs; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..errors import StepFailed
from ..run.contract import Observation, Release
from ..run.journal import present
from ..run.ledger import Ledger
from ..run.overlay import Overlay, overlay_of
from ..run.overlay import told as told_entry
from ..run.plain import plain_of
from ..run.scaling import told_scale
from ..run.verification import check_release
from ..verify.smoke import check_log_errors
from .planning import brief, told
from .platform import ComposePlatform
from .settings import checked

LOG_ERRORS = 5


def status(params: Mapping[str, Any]) -> dict[str, Any]:
    """What module ``compose_info`` answers."""
    platform = ComposePlatform.open(checked(params, references=False))
    host = platform.host
    observed = platform.describe()
    live = observed["live"]
    record = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    run = run_of(platform)
    head = Ledger(host.files).head()
    return {
        "live": brief(record) if record else {},
        "observed": told(observed),
        "run": run,
        "head": head,
        "roles": _roles(record),
        "text": "\n".join(_lines(host.service, observed, run, head, host.clock.now(), _roles(record))) + "\n",
    }


def verified(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has to run, smoke tests and version through the edge, and the log since the live release started; all must
    be well."""
    platform = ComposePlatform.open(checked(params))
    observed = platform.describe()
    live = observed["live"]
    record = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    if not live or not record:
        raise StepFailed("no release serves here", code="nothing_live", next_step="Apply an update (apply_update.yml).")
    results = _standing(observed, live)
    asked = check_release(platform, platform.host.settings, platform.host.secrets, platform.host.clock, None, record)
    if not asked:
        seen = "nothing was asked: there is no service_smoke_tests, nor service_version_endpoint"
        asked = [_told("requests", True, seen)]
    results += asked
    limit = (platform.host.settings.get("watch") or {}).get("log_errors")
    platform.host.hide_kept()
    lines = platform.host.mask.data(platform.logs(live, record.get("live_since") or 0.0, 100))
    results.append(check_log_errors(lines, LOG_ERRORS if limit in (None, False) else limit))
    results = platform.host.mask.data(results)
    bad = [result for result in results if not result["ok"]]
    if bad:
        raise StepFailed(
            f"{len(bad)} of {len(results)} checks failed: " + "; ".join(f"{one['name']}: {one['seen']}" for one in bad),
            code="checks_failed",
            last_seen=results,
            next_step="status.yml tells what runs; rollback.yml goes back to the release before.",
        )
    return results


def _standing(observed: Observation, live: str) -> list[dict[str, Any]]:
    """Whether all that has to run does."""
    slot = observed["slots"][live]
    health = " and not healthy" if slot["state"] == "running" and not slot["ready"] else ""
    return [
        _told("edge", observed["edge"] == "running", f"it is {observed['edge']}"),
        _told(f"slot {live}", slot["ready"], f"it is {slot['state']}{health}"),
        _told("workers", slot["workers"] in ("running", "none"), f"they are {slot['workers']}"),
        _told("state services", observed["base"] in ("running", "none"), f"they are {observed['base']}"),
    ]


def _told(name: str, ok: bool, seen: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "status": None, "ms": None, "seen": seen}


def _roles(record: Release | None) -> dict[str, dict[str, str]]:
    """What each compose service of the live release is taken for, and why."""
    members = ((record or {}).get("understanding") or {}).get("services") or {}
    return {name: {"role": member["role"], "why": member["why"]} for name, member in sorted(members.items())}


def run_of(platform: ComposePlatform) -> dict[str, Any]:
    """The run that is at work or has died; {} when there is none."""
    files, clock = platform.host.files, platform.host.clock
    held, journal = present(files, clock)
    if not held and not journal:
        return {}
    intent = (journal.intent() if journal else None) or {}
    steps = [event for event in (journal.events() if journal else []) if event["event"] == "step"]
    return {
        "state": "live" if held else "dead",
        "run": (held or {}).get("run") or (journal.run if journal else ""),
        "runbook": (held or intent).get("runbook"),
        "direction": intent.get("direction"),
        "from": intent.get("from"),
        "to": intent.get("to"),
        "started": intent.get("started"),
        "step": steps[-1]["title"] if steps else "",
    }


def _lines(
    service: str,
    observed: Observation,
    run: Mapping[str, Any],
    head: Mapping[str, Any],
    now: float,
    roles: Mapping[str, Mapping[str, str]],
) -> list[str]:
    releases = observed["releases"]
    lines = [
        f"{service}: edge {observed['edge']}, state services {observed['base']}, schema {observed['schema'] or 'none'}"
    ]
    for slot, state in observed["slots"].items():
        version = (releases.get(state["release"] or "") or {}).get("version") or "-"
        words = [f"  {slot}: {version}", state["state"]]
        words += ["serves"] if slot == observed["live"] else []
        words += ["not healthy"] if state["state"] == "running" and not state["ready"] else []
        left = (state["warm_until"] or 0) - now
        words += [f"warm for {left:.0f} s more"] if left > 0 and state["state"] == "running" else []
        lines.append(", ".join(words))
    lines += _plain(plain_of(observed))
    traffic = observed["traffic"]
    if traffic["live"] not in releases and traffic["live"] not in ("blue", "green"):
        lines.append(f"  traffic: {traffic['live']}")
    if traffic.get("maintenance"):
        lines.append("  maintenance: users get the page (503); maintenance.yml -e state=off gives them back")
    for record in sorted(releases.values(), key=lambda one: one.get("live_since") or 0):
        since = record.get("live_since")
        told = f"live since {_time(since)}" if since else "never live"
        lines.append(f"  release {record['version']} ({record['id']}), {told}")
    lines += [f"  {name} is {one['role']}: {one['why']}" for name, one in roles.items()]
    lines += [f"  scaled: {told_scale(name, one)}" for name, one in sorted((observed.get("scale") or {}).items())]
    lines += [f"  set by set_env: {told_entry(one)}" for one in _overlay(observed)]
    lines += [f"  drift: {sentence}" for sentence in observed["drift"]]
    if run:
        verb = "is at work" if run["state"] == "live" else "DIED; run recover.yml"
        lines.append(f"  run {run['run']} ({run['runbook']}) {verb}: {run['step']}")
    return [*lines, f"  ledger: {head['seq']} entries, head {head['hash'][:16]}"]


def _overlay(observed: Observation) -> Overlay:
    live = observed["live"]
    return overlay_of(observed["releases"].get(observed["slots"][live]["release"] or "")) if live else []


def _plain(plain: Mapping[str, Any]) -> list[str]:
    """Where the service came from, or whom it belongs to again."""
    where = plain["directory"]
    if plain["stage"] == "taken" and where:
        return [f"  adopted from {where}"]
    if plain["stage"] == "returned":
        return [f"  not managed: plain docker compose runs it in {where}; adopt.yml takes it over again"]
    return []


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

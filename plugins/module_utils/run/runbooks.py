# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a runbook's name, an observation and a request to a plan; nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from . import in_place, overlay, plain, recover, scaling
from . import plan as plans
from .contract import Observation, Platform, Release
from .manifest import check_type
from .variables import shown

MAINTAINED = "Users get the maintenance page, and go on getting it: maintenance.yml -e state=off ends that."
NEW = ("adopt", "apply_update", "set_env")  # those that bring a release which the host did not have
Request = Mapping[str, Any]


def beside(platform: Platform, runbook: str, observed: Observation) -> dict[str, Any]:
    """What the plan of a runbook is made from beside the observation: a part of its request. Changes nothing."""
    if runbook == "prune":
        return {"stock": platform.stock()}
    if runbook == "scale":
        return {"room": platform.room()}
    if runbook == "unadopt":
        return {"home": platform.home(observed)}
    return {}


def make_plan(observed: Observation, request: Request) -> tuple[plans.Plan, Release]:
    """The plan and the record of the release that it is about. Pure.

    *request* is ``{"runbook", "service", "release": record of a new release or None, "options": {...}}`` and what
    :func:`beside` answers. Raise :class:`Refused` when what is asked for cannot or must not be done.
    """
    runbook, options = request["runbook"], request["options"]
    back: list[plans.Step] | None = None
    digest = request.get("settings_digest", "")
    common: dict[str, Any] = {"service": request["service"], "settings_digest": digest}
    if runbook == "apply_update":
        release = dict(request["release"])
        plain.refuse_unadopted(observed, release.get("roles") or {})
        _check_type(observed, release)
        slot, steps, notes = plans.apply_update(observed, release, accept_one_way=bool(options.get("accept_one_way")))
        notes = [*release.get("notes", []), *notes]
    elif runbook == "set_env":
        release = dict(request["release"])
        slot, steps, notes = plans.apply_update(observed, release)
        notes = [*release["notes"], *notes]
    elif runbook == "rollback":
        plain.refuse_unadopted(observed, _roles(observed))
        release = plans.choose_rollback(observed, options.get("release"))
        slot, steps, notes = plans.rollback(observed, release)
    elif runbook == "blue_green_switch":
        release, slot, steps, notes = plans.switch(observed)
    elif runbook == "recover":
        return recover.plan(observed, request.get("dead"), options.get("direction") or "auto", **common)
    elif runbook == "retire":
        slot, release = _live(observed)
        steps, notes = plans.retire(observed), []
    elif runbook == "maintenance":
        state, notes = _state(options.get("state")), []
        slot, release = _live(observed)
        steps, back = in_place.maintenance(observed, state)
    elif runbook == "scale":
        asked = scaling.scale_asked(options)
        slot, release = _live(observed)
        steps, back, notes = scaling.scale(observed, release, asked, options["service"], request["room"])
    elif runbook == "prune":
        slot, release = _live(observed)
        steps, notes = in_place.prune(observed, request["stock"])
        back = []  # what is gone is gone
    elif runbook == "adopt":
        release = dict(request["release"])
        slot, steps, notes = plain.adopt(observed, release)
        notes, common["start"] = [*release.get("notes", []), *notes], plain.origin(observed, release)
    elif runbook == "unadopt":
        slot, release = _live(observed)
        slot, steps, notes = plain.unadopt(observed, release, request["home"])
    else:
        raise Refused(f"{runbook} is no runbook that plans", code="unknown_runbook", next_step="See README's table.")
    if runbook in ("rollback", "blue_green_switch"):
        notes = [*notes, *_unset(observed, release)]
    if runbook != "maintenance" and observed["traffic"].get("maintenance"):
        notes = [*notes, MAINTAINED]
    return plans.assemble(runbook, observed, release, slot, steps, notes=notes, back=back, **common), release


def _unset(observed: Observation, release: Release) -> list[str]:
    """What set_env set in the release that serves and this one does not have: later updates begin without it."""
    live = observed["live"]
    current = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    return [
        f"{one} was set by set_env; {release['version']} in the other slot and updates after it do not have it."
        for one in overlay.lost(overlay.overlay_of(current), overlay.overlay_of(release))
    ]


def _state(state: Any) -> str:
    if state not in ("on", "off", "keep"):
        raise Refused(
            f"state is {shown(state)}" if state else "state is not given",
            code="invalid_variable",
            next_step="Give -e state=on to put up the maintenance page, -e state=off to take it down, or -e state=keep "
            "to leave it and let the edge take renewed certificates.",
        )
    return str(state)


def _live(observed: Observation) -> tuple[str, Release]:
    live = observed["live"]
    record = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    if not live or not record:
        raise Refused(
            "no release serves here, so nothing can be told to be left over",
            code="nothing_live",
            next_step="Apply an update first (apply_update.yml).",
        )
    return live, record


def _roles(observed: Observation) -> dict[str, str]:
    return {name: role for record in observed["releases"].values() for name, role in record.get("roles", {}).items()}


def _check_type(observed: Observation, release: Release) -> None:
    live = observed["live"]
    current = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    if current and release.get("manifest"):
        check_type(release["manifest"], current["version"])

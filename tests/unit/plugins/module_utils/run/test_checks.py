# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Go or no-go."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.checks import gate, go_no_go


def observed(**more: Any) -> dict[str, Any]:
    slot = {"release": "1.0.0-1", "state": "running", "ready": True}
    return {
        "live": "blue",
        "slots": {"blue": slot, "green": {"release": None, "state": "absent", "ready": False}},
        "releases": {"1.0.0-1": {"version": "1.0.0"}},
        "traffic": {"live": "blue", "canary": "", "share": 0, "maintenance": False},
        "schema": "r1",
        "drift": [],
        "checks": [],
        **more,
    }


def named(name: str, seen: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return next(check for check in go_no_go(seen, settings) if check["name"] == name)


def test_what_serves_is_told() -> None:
    assert "1.0.0 serves from blue" in named("current_release", observed())["detail"]
    assert "first release" in named("current_release", observed(live=None))["detail"]


def test_the_maintenance_page_is_told() -> None:
    seen = observed(traffic={"live": "blue", "canary": "", "share": 0, "maintenance": True})
    assert named("current_release", seen)["detail"].endswith("; users get the maintenance page")


def test_a_release_that_is_ill_is_no_reason_against_mending_it() -> None:
    seen = observed()
    seen["slots"]["blue"]["ready"] = False
    check = named("current_release", seen)
    assert check["status"] == "go" and "not healthy" in check["detail"]


def test_a_source_that_does_not_exist_yet_is_not_configured() -> None:
    assert named("backup_age", observed())["status"] == "not_configured"
    assert named("schema", observed())["status"] == "not_configured"
    assert named("schema", observed(), schema={"service": "db"})["status"] == "go"


def test_it_can_be_made_mandatory() -> None:
    check = named("backup_age", observed(), mandatory_checks=["backup_age"])
    assert check["status"] == "no_go" and "service_mandatory_checks" in check["next_step"]
    assert named("ci", observed(), mandatory_checks=["backup_age"])["status"] == "not_configured"


def test_drift_is_told_and_stops_nobody() -> None:
    check = named("drift", observed(drift=["slot green runs only in part"]))
    assert check["status"] == "go" and "in part" in check["detail"]


def test_the_last_run_is_told() -> None:
    last = {"runbook": "rollback", "outcome": "undone", "from": None, "to": {"version": "1.0.0"}}
    last["failure"] = {"detail": "x"}
    told = next(check for check in go_no_go(observed(), {}, last) if check["name"] == "last_run")
    assert told["detail"] == "rollback nothing -> 1.0.0 ended: undone (x)"


def test_the_gate_names_every_reason() -> None:
    bad = [{"name": name, "status": "no_go", "detail": f"{name} is bad", "next_step": f"Mend {name}."} for name in "ab"]
    with pytest.raises(Refused) as refused:
        gate([*go_no_go(observed(), {}), *bad])
    assert refused.value.code == "no_go"
    assert "a is bad" in refused.value.detail and "b is bad" in refused.value.detail
    assert "Mend a." in refused.value.next_step and "Mend b." in refused.value.next_step


def test_the_gate_lets_everything_else_through() -> None:
    gate(go_no_go(observed(drift=["something"]), {}))

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans beside who serves: their steps, and those that undo them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.plan import describe_steps
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan

from .test_recover import observed


def plan(seen: dict[str, Any], runbook: str, **options: Any) -> dict[str, Any]:
    return make_plan(seen, {"runbook": runbook, "service": "shop", "release": None, "options": options})[0]


def args(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step["args"] for step in steps]


def page(on: bool) -> dict[str, Any]:
    return {"live": "green", "share": 0, "canary": "", "maintenance": on}


def test_the_steps_of_maintenance_and_back() -> None:
    planned = plan(observed("green"), "maintenance", state="on")
    assert args(planned["steps"]) == [{"on": True}] and args(planned["back"]) == [{"on": False}]
    assert "maintenance shop: 1.1.0 in green goes on serving" in describe_steps(planned)
    up = observed("green", traffic=page(True))
    assert plan(up, "maintenance", state="on")["steps"] == []
    assert plan(up, "maintenance", state="off")["steps"] == planned["back"]
    untold = observed("green", traffic={**page(True), "told": False})
    assert args(plan(untold, "maintenance", state="on")["steps"]) == [{"on": True}]


def test_what_is_done_behind_the_maintenance_page_says_that_the_page_stays() -> None:
    planned = plan(observed("green", traffic=page(True)), "blue_green_switch")
    assert "maintain" not in [step["do"] for step in planned["steps"]]
    assert "maintenance.yml -e state=off ends that" in planned["notes"][-1]


@pytest.mark.parametrize(
    ("live", "options", "code", "named"),
    [
        (None, {"state": "on"}, "nothing_live", "no release serves here"),
        ("blue", {}, "invalid_variable", "state is not given"),
        ("blue", {"state": "maybe"}, "invalid_variable", "state is 'maybe'"),
    ],
)
def test_maintenance_that_cannot_be_planned(live: Any, options: dict[str, Any], code: str, named: str) -> None:
    with pytest.raises(Refused) as refused:
        plan(observed(live), "maintenance", **options)
    assert refused.value.code == code and named in refused.value.detail and refused.value.next_step

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans from plain compose to a slot and back, and how a dead one of them ends."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import plain, recover
from ansible_collections.steady.runbooks.plugins.module_utils.run.plan import describe_steps
from ansible_collections.steady.runbooks.plugins.module_utils.run.runbooks import make_plan

ONE: dict[str, Any] = {
    "id": "1.0.0-1",
    "version": "1.0.0",
    "images": {"web": "web@1"},
    "schema": {},
    "jobs": ["migrate"],
    "jobs_done": ["migrate"],
    "strategy": "overlap",
    "workers": True,
    "roles": {"web": "web", "worker": "worker", "db": "state"},
    "previous": None,
    "notes": ["web is web: It publishes a port."],
}
ALONE = {**ONE, "strategy": "hold", "workers": False}
FREE = {"release": None, "state": "absent", "ready": False, "workers": "none", "warm_until": None}
LIVE = {"release": "1.0.0-1", "state": "running", "ready": True, "workers": "running", "warm_until": None}
HOME = {"directory": "/srv/shop", "pinned": False, "why": ""}
OURS = {"directory": "/var/lib/steady/shop/plain", "pinned": True, "why": "web is otherwise in /srv/shop"}


def seen(live: str | None = None, stage: str = "", **more: Any) -> dict[str, Any]:
    running = [] if live else ["web", "worker"]
    return {
        "live": live,
        "traffic": {"live": live or "none", "canary": "", "share": 0, "told": True},
        "slots": {"blue": LIVE if live else FREE, "green": FREE},
        "releases": {"1.0.0-1": ONE} if live else {},
        "schema": None,
        "plain": {"stage": stage, "directory": "/srv/shop", "running": running, "containers": {"shop-web-1": "f00"}},
        **more,
    }


def made(runbook: str, observed: dict[str, Any], release: Any = None, **more: Any) -> dict[str, Any]:
    return make_plan(observed, {"runbook": runbook, "service": "shop", "release": release, "options": {}, **more})[0]


def steps(plan: dict[str, Any]) -> list[str]:
    return [step["do"] for step in plan["steps"]]


def test_what_overlaps_is_ready_and_checked_before_anything_of_the_users_stops() -> None:
    plan = made("adopt", seen(), ONE)
    assert steps(plan) == [
        "prepare", "remember", "base", "stage", "verify", "take_ports", "shift", "handover", "watch", "settle",
        "dismiss",
    ]  # fmt: skip
    assert plan["from"] == {"slot": "plain", "release": "1.0.0-1", "version": "1.0.0"}
    assert plan["to"]["slot"] == "blue"
    assert "adopt shop: plain -> blue" in describe_steps(plan)
    assert "web is web: It publishes a port." in describe_steps(plan)


def test_what_must_not_overlap_stops_first() -> None:
    plan = made("adopt", seen(), ALONE)
    assert steps(plan)[3:7] == ["take_ports", "stage", "verify", "shift"]
    assert next(step for step in plan["steps"] if step["do"] == "take_ports")["args"]["slot"] == ""


def test_jobs_of_what_runs_are_not_run_again() -> None:
    assert "run_job" not in steps(made("adopt", seen(), ONE))


def test_other_containers_are_another_plan() -> None:
    other = seen()
    other["plain"]["containers"] = {"shop-web-1": "bad"}
    assert made("adopt", seen(), ONE)["hash"] != made("adopt", other, ONE)["hash"]


def test_what_is_left_in_slots_goes_first() -> None:
    stale = seen(slots={"blue": {**LIVE, "state": "stopped"}, "green": FREE})
    assert steps(made("adopt", stale, ONE))[0] == "retire"


def test_what_is_adopted_is_not_adopted_again() -> None:
    with pytest.raises(Refused) as error:
        made("adopt", seen("blue", "taken"), ONE)
    assert error.value.code == "already_adopted"


@pytest.mark.parametrize("runbook", ["apply_update", "rollback"])
def test_nothing_is_set_up_beside_plain_compose(runbook: str) -> None:
    with pytest.raises(Refused) as error:
        made(runbook, seen(releases={"1.0.0-1": ONE}), ONE)
    assert (error.value.code, "adopt.yml" in error.value.next_step) == ("not_adopted", True)


@pytest.mark.parametrize(("home", "told"), [(HOME, "your own /srv/shop"), (OURS, "web is otherwise in /srv/shop")])
def test_the_way_back_says_where_plain_compose_will_run(home: dict[str, Any], told: str) -> None:
    plan = made("unadopt", seen("blue", "taken"), home=home)
    assert steps(plan) == ["draft", "restore", "dissolve"]
    assert (plan["from"]["slot"], plan["to"]["slot"]) == ("blue", "plain")
    assert told in describe_steps(plan)


def test_the_maintenance_page_would_end_with_the_edge() -> None:
    observed = seen("blue", "taken", traffic={"live": "blue", "share": 0, "told": True, "maintenance": True})
    with pytest.raises(Refused) as error:
        made("unadopt", observed, home=HOME)
    assert error.value.code == "in_maintenance"


def many(replicas: int, scale: dict[str, Any], *ports: int) -> dict[str, Any]:
    """What is seen when web is in the source so often, and what scale.yml was asked for."""
    web = {"role": "web", "replicas": replicas, "ports": [{"published": port} for port in ports]}
    record = {**ONE, "understanding": {"services": {"web": web}}}
    return seen("blue", "taken", releases={"1.0.0-1": record}, scale=scale)


@pytest.mark.parametrize(
    ("observed", "count", "way"),
    [
        (many(2, {}, 8000), 2, "replicas=1, or correct deploy.replicas in the source and apply it."),
        (many(1, {"web": {"replicas": 3}}, 8000), 3, "scale.yml -e service=web -e replicas=1."),
    ],
)
def test_plain_compose_has_one_container_at_a_port(observed: dict[str, Any], count: int, way: str) -> None:
    with pytest.raises(Refused) as error:
        made("unadopt", observed, home=HOME)
    assert error.value.detail.startswith(f"web has {count} replicas and publishes 8000: plain docker compose cannot")
    assert error.value.next_step.endswith(way)


@pytest.mark.parametrize("observed", [many(2, {"web": {"replicas": 1}}, 8000), many(2, {}), many(1, {}, 8000)])
def test_as_many_as_plain_compose_can_run_go_back(observed: dict[str, Any]) -> None:
    assert steps(made("unadopt", observed, home=HOME)) == ["draft", "restore", "dissolve"]


def test_without_a_live_release_there_is_no_way_back() -> None:
    with pytest.raises(Refused) as error:
        made("unadopt", seen(), home={})
    assert error.value.code == "nothing_live"


def dead(runbook: str, release: dict[str, Any], stage: str, direction: str = "forward") -> tuple[Any, Any]:
    before = seen("blue", "taken") if runbook == "unadopt" else seen()
    plan = made(runbook, before, release, home=HOME)
    intent = {
        "run": "r1", "runbook": runbook, "direction": direction, "from": plan["from"], "to": plan["to"],
        "plan": plan, "release": release, "ends": None, "format": 1,
    }  # fmt: skip
    now = seen("blue" if stage in ("taken", "leaving") else None, stage)
    return now, intent


@pytest.mark.parametrize(
    ("runbook", "stage", "way", "expected"),
    [
        ("adopt", "", "back", ["restore", "dissolve"]),
        ("adopt", "begun", "back", ["restore", "dissolve"]),
        ("adopt", "taken", "finish", ["take_ports", "stage", "shift", "handover", "settle", "dismiss"]),
        ("unadopt", "leaving", "back", ["take_ports", "stage", "shift", "handover", "settle", "dismiss"]),
        # The record must not be taken back to before the point of no return.
        ("unadopt", "returned", "finish", ["restore", "dissolve"]),
    ],
)
def test_a_dead_run_ends_by_itself(runbook: str, stage: str, way: str, expected: list[str]) -> None:
    observed, intent = dead(runbook, ONE, stage)
    plan, _release = recover.plan(observed, intent, "auto", service="shop")
    assert (plan["way"], steps(plan)) == (way, expected)


@pytest.mark.parametrize(("runbook", "stage"), [("adopt", "taken"), ("unadopt", "returned")])
def test_past_the_point_of_no_return_nothing_goes_back(runbook: str, stage: str) -> None:
    observed, intent = dead(runbook, ONE, stage)
    with pytest.raises(Refused) as error:
        recover.plan(observed, intent, "back", service="shop")
    assert (error.value.code, "being removed" in error.value.detail) == ("no_way_back", True)


def test_a_dead_adoption_can_be_finished_on_request() -> None:
    observed, intent = dead("adopt", ONE, "begun")
    plan, _release = recover.plan(observed, intent, "finish", service="shop")
    assert steps(plan) == steps(intent["plan"])


def test_only_runs_from_and_to_plain_compose_are_concerned() -> None:
    slot = {"slot": "blue"}
    assert plain.concerns({"from": {"slot": "plain"}, "to": slot})
    assert plain.concerns({"from": slot, "to": {"slot": "plain"}})
    assert not plain.concerns({"from": None, "to": slot})

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.report.facts import facts_of
from ansible_collections.steady.runbooks.plugins.module_utils.report.story import story

Make = Callable[[], dict[str, Any]]


def tell(raw: dict[str, Any]) -> dict[str, Any]:
    return story(facts_of(raw))


def test_a_release_that_nobody_noticed(done: Make) -> None:
    told = tell(done())
    assert told["headline"] == "shop: 1.1.0 replaced 1.0.0. Users noticed nothing"
    assert told["happened"] == (
        "Begun on 2030-03-17 17:46:40 UTC by ada from awx; it took 7.0 s. Reason: quarterly release."
    )
    assert told["users"]["noticed"] == "no"
    assert "None of 450 requests of users failed" in told["users"]["say"]
    assert "the longest gap between two answers was 26 ms" in told["users"]["say"]
    assert told["undo"]["command"] == "ansible-playbook playbooks/rollback.yml -e env=production --limit web-1"
    assert "1.0.0: it still runs until 18:46:47 UTC" in told["undo"]["say"]


def test_a_command_names_the_inventories_that_were_given(done: Make) -> None:
    raw = done()
    raw["intent"]["inventory"] = ["/srv/our inventory", "web-1,web-2,"]
    given = "-i '/srv/our inventory' -i web-1,web-2,"
    assert tell(raw)["undo"]["command"] == (
        f"ansible-playbook playbooks/rollback.yml {given} -e env=production --limit web-1"
    )


def test_a_release_that_was_undone(undone: Make) -> None:
    told = tell(undone())
    assert (
        told["headline"] == "shop: the update to 1.1.0 failed and was undone; 1.0.0 serves as before. Users noticed it"
    )
    assert "It failed at 'Watch 1.1.0': the release failed its watch" in told["happened"]
    assert told["users"]["say"].startswith(
        "15 of 150 requests of users to 1.1.0 failed (10.0%); before it, 0 of 550 did."
    )
    assert told["undo"] == {"word": "Nothing to undo", "say": "1.0.0 serves as before.", "command": ""}


def test_a_breach_of_the_proof_is_noticed(done: Make) -> None:
    raw = done()
    for proof in (raw["result"]["proof"], raw["result"]["steps"][3]["evidence"]["proof"]):
        proof.update(breach=True, failed=9, why="9 of 27 probes failed (0 declared), and the edge counted 9 errors")
    assert tell(raw)["users"]["noticed"] == "yes"
    assert "At the switch, 9 of 27 probes failed" in tell(raw)["users"]["say"]


def test_errors_that_are_usual_are_no_news(done: Make) -> None:
    raw = done()
    blue, green = raw["timeline"]["series"][:2]
    blue["errors"], green["errors"] = [1] * 12 + [0] * 8, [0] * 12 + [1] * 8
    assert tell(raw)["users"]["noticed"] == "little"
    assert "That is no more than usual." in tell(raw)["users"]["say"]
    green["errors"] = [0] * 12 + [9] * 8
    assert tell(raw)["users"]["noticed"] == "yes"


def test_a_long_wait_may_have_been_noticed(done: Make) -> None:
    raw = done()
    raw["result"]["steps"][3]["evidence"]["proof"]["longest_gap_ms"] = 2229.0
    raw["result"]["steps"].insert(1, {**raw["result"]["steps"][1], "do": "hold", "title": "Hold requests"})
    told = tell(raw)
    assert told["users"]["noticed"] == "little"
    assert told["users"]["say"].startswith("Requests were held, not refused")


def test_the_first_release_has_nothing_to_go_back_to(done: Make) -> None:
    raw = done()
    raw["result"].update({"from": None, "proof": None})
    raw["result"]["steps"][3]["evidence"].pop("proof")
    told = tell(raw)
    assert told["headline"] == "shop: 1.1.0 serves; it is the first release here"
    assert told["users"]["say"] == "Nothing served before, so there was nothing to interrupt."
    assert told["undo"]["command"] == ""


def test_without_a_proof_nothing_is_claimed(done: Make) -> None:
    raw = done()
    raw["result"]["proof"] = raw["timeline"] = None
    raw["result"]["steps"][3]["evidence"].pop("proof")
    assert tell(raw)["users"] == {"noticed": "unknown", "say": "No proof of the switch was made."}
    assert tell(raw)["headline"] == "shop: 1.1.0 replaced 1.0.0"
    said = "not probed: no HTTP port is published; 0 of 12 new connections failed"
    raw["result"]["steps"][3]["evidence"]["say"] = f"{said}; drained in 0.1 s, 0 cut"
    assert tell(raw)["users"]["say"] == "Not probed: no HTTP port is published; 0 of 12 new connections failed."


def test_what_failed_before_the_switch_reached_nobody(undone: Make) -> None:
    raw = undone()
    result = raw["result"]
    result["steps"] = [*result["steps"][:2], result["steps"][4]]
    result.update(watch=None, proof=None)
    assert tell(raw)["users"] == {"noticed": "no", "say": "It ended before any request was sent to 1.1.0."}


PAGE, NO_PAGE, KEPT = ({"do": "maintain", "seconds": 0.1, "evidence": {"on": on}} for on in (True, False, None))


def test_users_notice_the_maintenance_page(done: Make) -> None:
    for step, noticed in ((PAGE, "yes"), (NO_PAGE, "no"), (KEPT, "no")):
        raw = done()
        raw["result"].update(runbook="maintenance", steps=[step])
        assert tell(raw)["users"]["noticed"] == noticed


@pytest.mark.parametrize(
    ("change", "headline", "command"),
    [
        ({"outcome": "stuck"}, "going back failed too", "recover.yml"),
        ({"outcome": "kept"}, "past the point of no return; 1.1.0 serves", "apply_update.yml"),
        ({"runbook": "rollback"}, "went back from 1.0.0 to 1.1.0", "blue_green_switch.yml"),
        ({"runbook": "retire", "steps": []}, "what was left beside 1.1.0 was removed", "rollback.yml"),
        ({"runbook": "maintenance", "steps": [PAGE]}, "users get the maintenance page", "state=off"),
        ({"runbook": "maintenance", "steps": [NO_PAGE]}, "users get 1.1.0 again", "state=on"),
        ({"runbook": "maintenance", "steps": [KEPT]}, "the edge uses the certificates that are on the host", ""),
        ({"runbook": "set_env"}, "the environment of 1.1.0 was changed (", "rollback.yml"),
        ({"runbook": "prune", "steps": []}, "what was left beside 1.1.0 was removed", ""),
        ({"outcome": "refused", "steps": []}, "apply_update was refused; nothing was changed", ""),
        ({"outcome": "recovered", "by": "run-2"}, "died on its way; run run-2 ended it", ""),
        ({"outcome": "odd"}, "ended with odd", "rollback.yml"),
    ],
)
def test_other_ends(done: Make, change: dict[str, Any], headline: str, command: str) -> None:
    raw = done()
    raw["result"].update(change)
    told = tell(raw)
    assert headline in told["headline"]
    assert command in told["undo"]["command"]
    assert bool(command) == bool(told["undo"]["command"])


@pytest.mark.parametrize(
    ("runbook", "steps", "command"),
    [
        ("apply_update", [], "rollback.yml"),
        ("rollback", [], "rollback.yml"),
        ("set_env", [], "rollback.yml"),
        ("retire", [], "rollback.yml"),
        ("adopt", [], "unadopt.yml"),
        ("unadopt", [], "/adopt.yml"),
        ("scale", [], "scale.yml"),
        ("maintenance", [PAGE], "state=off"),
        ("prune", [], ""),
    ],
)
def test_a_recovery_is_undone_as_what_it_finished(
    done: Make, runbook: str, steps: list[dict[str, Any]], command: str
) -> None:
    raw = done()
    raw["intent"]["ends"] = {"run": "run-1", "runbook": runbook}
    raw["intent"]["plan"]["way"] = "finish"
    raw["result"].update(runbook="recover", steps=steps)
    said = tell(raw)["undo"]["command"]
    assert command in said
    assert bool(command) == bool(said)
    assert ("release=1.0.0" in said) == (runbook == "rollback")  # the one before is what it came from
    raw["intent"]["plan"]["way"] = "back"
    assert tell(raw)["undo"] == {"word": "Nothing to undo", "say": "1.0.0 serves as before.", "command": ""}


def test_past_the_point_of_no_return_there_is_no_rollback(done: Make) -> None:
    raw = done()
    raw["intent"]["plan"]["notes"] = ["Point of no return: after the migration to 0003, 1.0.0 cannot serve again."]
    assert tell(raw)["undo"]["word"] == "No way back"


def test_a_run_that_died_is_told_from_its_step_log(done: Make) -> None:
    raw = done()
    steps = raw["result"].pop("steps")
    raw["result"] = {"run": raw["result"]["run"], "outcome": "recovered", "by": "run-2"}
    raw["intent"].update({"from": {"version": "1.0.0", "slot": "blue"}, "to": {"version": "1.1.0", "slot": "green"}})
    raw["events"] = [{"event": "step", **step, "seconds": None} for step in steps[:2]]
    raw["events"].insert(1, {"event": "done", "seconds": 0.01, "say": ""})
    facts = facts_of(raw)
    assert [(step["do"], step["failed"]) for step in facts["steps"]] == [("prepare", False), ("stage", True)]
    assert story(facts)["users"]["noticed"] == "no"


@pytest.mark.parametrize(
    "raw", [{}, {"intent": None, "result": []}, {"result": {"steps": "x", "from": 5, "proof": [1]}}]
)
def test_odd_facts_are_told_as_well_as_can_be(raw: dict[str, Any]) -> None:
    assert tell(raw)["headline"]

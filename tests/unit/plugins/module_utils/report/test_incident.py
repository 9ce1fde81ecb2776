# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.report.incident import (
    fenced,
    incident,
    markdown,
    md,
)

Make = Callable[[], dict[str, Any]]


def record_of(raw: dict[str, Any]) -> dict[str, Any]:
    record = incident(raw)
    assert record
    return record


def test_what_went_well_is_no_incident(done: Make) -> None:
    assert incident(done()) is None


def test_all_that_is_to_be_known(undone: Make) -> None:
    record = record_of(undone())
    assert json.loads(json.dumps(record)) == record
    assert record["severity"] == {"suggested": "SEV2", "why": "users noticed it"}
    assert record["who"] == {"user": "ada", "controller": "awx", "reason": "quarterly release"}
    assert record["told"] == "nobody: no notices are configured"
    assert record["seen"]["code"] == "watch_failed"
    assert record["thresholds"] == {"errors_percent": 0.5, "p95_ms": 800.0, "max_failed": 0, "max_gap_ms": 1000}
    assert record["metrics"]["failed_release"] == {"requests": 150, "errors": 15, "p95_ms": 20.0}
    assert record["metrics"]["others_before"] == {"blue": {"requests": 550, "errors": 0, "p95_ms": 20.0}}
    assert len(record["logs"]) == 30
    assert record["done_automatically"] == [
        "Send all requests to blue",
        "Settle on 1.0.0",
        "Stop green and keep it to be looked at",
    ]
    failed, serves = record["failed_release"], record["serves"]
    assert (failed["version"], failed["commit"]) == ("1.1.0", "c0ffee")
    assert (serves["version"], serves["commit"]) == ("1.0.0", "beef00")
    assert "@sha256:" in failed["images"]["web"]
    assert "@sha256:" in serves["images"]["web"]
    assert any("1.1.0 is kept in green" in step["say"] for step in record["next_steps"])


def test_for_people(undone: Make) -> None:
    told = markdown(record_of(undone()))
    assert re.findall(r"^#+ (.+)$", told, re.MULTILINE) == [
        "Incident: shop: the update to 1.1.0 failed and was undone; 1.0.0 serves as before. Users noticed it",
        "What was seen",
        "Thresholds",
        "What users got from the failed release",
        "When (UTC)",
        "What was done automatically",
        "Releases",
        "Last log lines of the failed release",
        "Next steps",
        "Cause and follow-ups",
    ]
    for said in (
        "- **Severity (a suggestion):** SEV2: users noticed it",
        "- **Who was told:** nobody: no notices are configured",
        "- **Began:** 2030-03-17 17:46:40 UTC",
        "| the failed release | 150 | 15 (10.0%) | 20 ms |",
        "| 17:46:45 | Going back: Send all requests to blue | 0.5 s |",
        "web: line 29",
        "    ansible-playbook playbooks/retire.yml -e env=production --limit web-1",
    ):
        assert said in told, said


def test_a_rollback_by_hand(done: Make) -> None:
    raw = done()
    raw["result"].update(runbook="rollback", rolled_back=True, watch=None)
    record = record_of(raw)
    assert record["failed_release"]["version"] == "1.0.0"
    assert record["serves"]["version"] == "1.1.0"
    assert record["severity"]["suggested"] == "SEV3"
    assert "somebody decided to go back" in markdown(record)


def test_a_recovery_that_went_back(done: Make) -> None:
    raw = done()
    raw["result"].update(runbook="recover", rolled_back=True)
    raw["intent"]["plan"]["way"] = "back"
    record = record_of(raw)
    assert (record["failed_release"]["version"], record["serves"]["version"]) == ("1.1.0", "1.0.0")


def test_a_recovery_that_finished_a_rollback(done: Make) -> None:
    raw = done()
    raw["result"].update(runbook="recover")
    raw["intent"].update(ends={"runbook": "rollback"}, plan={**raw["intent"]["plan"], "way": "finish"})
    record = record_of(raw)
    assert (record["failed_release"]["version"], record["serves"]["version"]) == ("1.0.0", "1.1.0")
    assert any("1.0.0 is kept in blue" in step["say"] for step in record["next_steps"])
    raw["intent"]["ends"]["runbook"] = "apply_update"
    assert incident(raw) is None


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({"outcome": "stuck"}, "SEV1"),
        ({"outcome": "kept"}, "SEV2"),
        ({"outcome": "undone"}, "SEV3"),
        ({"outcome": "undone", "steps": []}, "SEV4"),
    ],
)
def test_a_suggested_severity(done: Make, change: dict[str, Any], severity: str) -> None:
    raw = done()
    raw["result"].update(change)
    assert record_of(raw)["severity"]["suggested"] == severity


def test_most_requests_failing_is_an_outage(undone: Make) -> None:
    raw = undone()
    raw["timeline"]["series"][1]["errors"] = raw["timeline"]["series"][1]["requests"]
    record = record_of(raw)
    assert record["severity"]["suggested"] == "SEV1"
    assert record["severity"]["why"] == "100.0% of the requests to 1.1.0 failed"


def test_nothing_served_before(undone: Make) -> None:
    raw = undone()
    raw["result"]["from"] = raw["timeline"] = raw["result"]["watch"] = None
    record = record_of(raw)
    assert record["serves"] is None
    assert "| Serves now | nothing |" in markdown(record)


@given(st.text())
def test_text_does_not_act_in_markdown(text: str) -> None:
    said = md(text)
    assert "\n" not in said
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*|#&]", said)


@given(st.lists(st.text(alphabet="`a\n~ ", max_size=20), max_size=5))
def test_no_log_line_ends_the_fence(lines: list[str]) -> None:
    first, *content, last = fenced(lines).rstrip("\n").split("\n")
    assert first == f"{last}text"
    assert not any(line.strip().startswith(last) for line in content)

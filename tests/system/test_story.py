# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The story of a service's releases, good and bad, run as AWX runs it and judged by what its users see.

Each test brings the shop to where it begins, which costs nothing when the test before has left it there.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.tests.system import shop as examples
from ansible_collections.steady.runbooks.tests.system.conftest import Service
from ansible_collections.steady.runbooks.tests.system.runner import Playing

SECRETS = ("example-session-key-not-a-secret", "example-password")
# What each bad release is undone for, and whether it is found before anybody is sent to it.
BAD = {
    "1.2.0": (r"backend.* (crashed|keeps crashing) .*exit code 1", True),
    "1.3.0": (r"p95: .* slower .*p95 limit 800 ms", False),
    "1.4.0": (r"errors: \d+ of [\d,]+ requests bad .*limit 1%", False),
    "1.6.0": (r"errors: \d+ of [\d,]+ requests bad|requests failed since the switch|users noticed", False),
    "1.7.0": (
        r"unhealthy|is not healthy|answers /health with 503|checks failed|requests bad|requests failed since the switch"
        r"|users noticed",
        None,
    ),
    "1.8.0": (r"errors: \d+ of [\d,]+ requests bad|requests failed since the switch|users noticed", False),
}


def plan_lines(text: str) -> list[str]:
    """The steps that a run announces, in order."""
    return [found[1] for found in re.finditer(r"^  \[\w+\]\s+\d+\. (.*?)(?:  \[undo: .*\])?$", text, re.MULTILINE)]


def steps_of(service: Service, run: str) -> list[str]:
    """The steps that a run has done, as its step log has them."""
    log = Path("/var/lib/steady", service.name, "runs", run, "steps.jsonl").read_text().splitlines()
    return [event["title"] for event in map(json.loads, log) if event["event"] == "step"]


def test_a_prepared_host_is_left_alone(shop: Service) -> None:
    played = shop.done("bootstrap")
    assert not [event for event in played.events if (event.get("event_data", {}).get("res") or {}).get("changed")]


def test_the_first_release(shop: Service) -> None:
    assert shop.status()["observed"]["live"] is None
    shop.done("preflight", {"version": "1.0.0"})
    assert shop.refused("rollback")["code"] == "nothing_to_roll_back_to"
    played = shop.done("apply_update", {"version": "1.0.0", "reason": "the first one"})
    assert shop.answers() == "1.0.0"
    assert Service("shop", "http://127.0.0.1:8080").get("/")[:2] == (200, "1.0.0")
    shop.done("verify")
    (entry,) = shop.ledger()
    assert entry["outcome"] == "done"
    assert entry["reason"] == "the first one"
    assert entry["actor"]["user"]
    assert entry["from"] is None
    assert entry["to"]["version"] == "1.0.0"
    assert re.fullmatch(r"127\.0\.0\.1:5000/shop-backend:1\.0\.0@sha256:[0-9a-f]{64}", entry["to"]["images"]["backend"])
    assert re.fullmatch(r"[0-9a-f]{40}", entry["release"]["commit"])
    assert re.fullmatch(r"[0-9a-f]{64}", entry["release"]["source_digest"])
    assert entry["release"]["schema"]["revision"] == "0001"
    assert played.run["head"]["seq"] == 1
    assert shop.refused("rollback")["code"] == "nothing_to_roll_back_to"


def test_a_check_prints_what_the_run_then_does(shop: Service) -> None:
    shop.ensure("1.0.0")
    before = shop.state()
    check = shop.done("apply_update", {"version": "1.1.0"}, check=True)
    assert shop.state() == before
    with shop.traffic() as traffic:
        since = time.time()
        played = shop.done("apply_update", {"version": "1.1.0"})
        seen = traffic.seen(since)
    announced = plan_lines(check.stdout)
    assert len(announced) >= 6
    assert announced == plan_lines(played.stdout) == steps_of(shop, played.run["run"])
    assert check.result("plan")["plan"]["hash"] == played.result("plan")["plan"]["hash"]
    # And in between users got the one or the other, and nothing else.
    assert seen.failed == 0, seen
    assert set(seen.versions) == {"1.0.0", "1.1.0"}
    assert shop.answers() == "1.1.0"
    entry = shop.ledger()[-1]
    assert entry["proof"]["failed"] == 0
    assert entry["proof"]["sent"] > 20
    assert re.match(r"0 of \d+ failed, longest gap \d+ ms", entry["proof"]["say"])


def test_again_changes_nothing(shop: Service) -> None:
    shop.ensure("1.1.0")
    before, length = shop.state(), len(shop.ledger())
    played = shop.done("apply_update", {"version": "1.1.0"})
    assert "nothing to do" in played.stdout
    assert not played.run["changed"]
    assert shop.state() == before
    assert len(shop.ledger()) == length


@pytest.mark.parametrize("version", BAD)
def test_a_bad_release_is_undone_with_its_reason(shop: Service, version: str) -> None:
    reason, before_anybody = BAD[version]
    shop.ensure("1.1.0")
    with shop.traffic() as traffic:
        since = time.time()
        played = shop.play("apply_update", {"version": version})
        time.sleep(0.5)
        now = traffic.seen(time.time() - 0.3)
        time.sleep(1)
        seen = traffic.seen(since)
    assert played.rc != 0
    assert played.run["outcome"] == "undone", played.stdout
    failure = played.run["failure"]
    assert re.search(reason, failure["detail"]), failure
    assert failure["next_step"]
    assert "It was undone: 1.1.0 serves as before." in played.stdout
    assert set(now.versions) == {"1.1.0"}
    assert shop.answers() == "1.1.0"
    if before_anybody:
        assert seen.failed == 0, seen
        assert set(seen.versions) == {"1.1.0"}
    elif before_anybody is False:
        assert version in seen.versions or seen.failed, "it never served"
    entry = shop.ledger()[-1]
    assert (entry["outcome"], entry["to"]["version"], entry["rolled_back"]) == ("undone", version, True)
    assert entry["failure"]["detail"] == failure["detail"]


def test_a_release_that_ignores_sigterm_works_and_goes(shop: Service) -> None:
    shop.ensure("1.1.0")
    with shop.traffic() as traffic:
        since = time.time()
        shop.done("apply_update", {"version": "1.5.0"})
        assert shop.answers() == "1.5.0"
        shop.done("rollback")
        assert shop.answers() == "1.1.0"
        shop.done("retire")
        seen = traffic.seen(since)
    assert seen.failed == 0, seen
    assert set(seen.versions) == {"1.1.0", "1.5.0"}
    assert shop.observed()["warm"] is None
    names = examples.docker("ps", "--all", "--filter", "label=steady.service=shop", "--format", "{{.Image}}").split()
    assert not [name for name in names if "1.5.0" in name]


def test_cold_and_warm(shop: Service) -> None:
    """Cold: the release is started again beside the one that serves. Warm: it still runs."""
    shop.ensure("1.1.0")
    if shop.observed()["warm"]:
        shop.done("retire")
    with shop.traffic() as traffic:
        since = time.time()
        cold = shop.done("rollback", {"release": "1.0.0", "reason": "cold"})
        assert shop.answers() == "1.0.0"
        warm = shop.done("blue_green_switch")
        assert shop.answers() == "1.1.0"
        back = shop.done("rollback", {"release": "1.0.0", "reason": "warm"})
        assert shop.answers() == "1.0.0"
        seen = traffic.seen(since)
    assert seen.failed == 0, seen
    assert "Cold: 1.0.0 is started again" in cold.stdout
    assert "Start 1.0.0 in" in "".join(plan_lines(cold.stdout))
    for played in (warm, back):
        assert not [line for line in plan_lines(played.stdout) if line.startswith("Start ")]
    for entry in shop.ledger()[-3:]:
        assert entry["proof"]["failed"] == 0, entry["proof"]
    shop.done("blue_green_switch", {"service_watch": {"seconds": 0}})


def test_an_approved_plan_is_done_and_no_other(shop: Service) -> None:
    shop.ensure("1.1.0", beside="1.0.0")
    back = {"release": "1.0.0"}
    approved = shop.done("rollback", back, check=True).result("plan")["plan"]["hash"]
    refused = shop.refused("rollback", {**back, "approved_plan": "0123456789abcdef"})
    assert refused["code"] == "plan_drifted"
    assert approved in refused["detail"]
    # What was approved was warm; now it would be cold.
    shop.done("retire")
    refused = shop.refused("rollback", {**back, "approved_plan": approved})
    assert refused["code"] == "plan_drifted"
    assert approved in refused["detail"]
    now = shop.done("rollback", back, check=True).result("plan")["plan"]["hash"]
    assert now != approved
    played = shop.done("rollback", {**back, "approved_plan": now})
    assert shop.ledger()[-1]["plan"] == now == played.result("plan")["plan"]["hash"]
    assert shop.answers() == "1.0.0"


def test_a_rollback_ends_a_watch(shop: Service) -> None:
    """The run that watches goes back by itself; both tell the same story."""
    shop.ensure("1.1.0")
    slow = {"version": "1.1.1", "service_watch": {"seconds": 120, "checkpoints": [120]}}
    with shop.traffic() as traffic:
        since = time.time()
        with Playing("apply_update", slow) as watching:
            watching.wait_for("Watch 1.1.1 …")
            assert shop.answers() == "1.1.1"
            begun = time.monotonic()
            asked = shop.play("rollback", {"reason": "checkout is broken"})
            took = time.monotonic() - begun
            update = watching.wait()
        seen = traffic.seen(since)
    assert shop.answers() == "1.1.0"
    assert seen.failed == 0, seen
    assert asked.rc == 0, asked.stdout
    assert update.rc != 0
    assert took < 60
    assert asked.run["run"] == update.run["run"]
    assert asked.run["outcome"] == update.run["outcome"] == "undone"
    assert update.run["failure"]["code"] == "preempted"
    assert "asked this run to go back" in update.stdout
    assert not update.complaints
    entry = shop.ledger()[-1]
    assert (entry["runbook"], entry["outcome"]) == ("apply_update", "undone")


def test_a_second_run_is_refused_while_one_is_at_work(shop: Service) -> None:
    shop.ensure("1.1.0")
    with Playing("apply_update", {"version": "1.1.1", "service_watch": {"seconds": 15}}) as first:
        first.wait_for("Keep the source and the record")
        second = shop.play("apply_update", {"version": "1.5.0"})
        assert second.rc != 0
        assert second.failure["code"] == "busy"
        assert first.wait().rc == 0
    assert shop.answers() == "1.1.1"


def test_the_same_digests_are_promoted(two_environments: dict[str, Service]) -> None:
    staging, production = two_environments["staging"], two_environments["production"]
    staging.done("apply_update", {"version": "1.0.0"})
    production.done("apply_update", {"version": "1.0.0"})
    staging.done("apply_update", {"version": "1.1.0"})
    assert (staging.answers(), production.answers()) == ("1.1.0", "1.0.0")
    assert "1.1.0" in production.done("preflight", {"promote_from": "staging"}).stdout
    played = production.done("apply_update", {"promote_from": "staging"})
    assert production.answers() == "1.1.0"
    # Nothing was done to where it came from.
    assert len(staging.ledger()) == 2
    ours, theirs = production.ledger()[-1]["to"], staging.ledger()[-1]["to"]
    assert ours["images"] == theirs["images"]
    assert "@sha256:" in ours["images"]["web"]
    assert "nothing to do" not in played.stdout
    assert "nothing to do" in production.done("apply_update", {"promote_from": "staging"}).stdout
    production.done("rollback")
    assert production.answers() == "1.0.0"
    by_image = {"image": "127.0.0.1:5000/hello:2"}
    production.done("apply_update", by_image)
    assert production.answers() == "1.1.0"


def test_few_module_calls_and_no_secrets(shop: Service) -> None:
    """The budgets: three calls for a rollback, six for an update; and nothing secret in whatever AWX would keep."""
    shop.ensure("1.1.0")
    update = shop.done("apply_update", {"version": "1.1.1", "service_watch": {"seconds": 0}}, verbosity=3)
    shutil.rmtree("/var/lib/steady/shop/code")  # as if this collection were newer than the last run
    rollback = shop.done("rollback", verbosity=3)
    assert 1 <= len(update.module_calls) <= 6, update.module_calls
    assert 1 <= len(rollback.module_calls) <= 3, rollback.module_calls
    for secret in SECRETS:
        for played in (update, rollback):
            assert secret not in played.stdout
            assert secret not in played.kept
        for path in Path("/var/lib/steady/shop").rglob("*"):
            if path.is_file() and "slots" not in path.parts and secret.encode() in path.read_bytes():
                assert "source" in path.parts, path  # the example's own made-up .env


def test_everything_tells(shop: Service) -> None:
    """The ledger agrees with its chain, and status tells what serves, for people and as JSON."""
    shop.ensure("1.1.0")
    head = shop.done("history", {"verify": True}).result("compose_history_info")["head"]
    told = shop.done("history", {"verify": True, "head": f"{head['seq']}:{head['hash']}"})
    assert "verified" in told.stdout
    status: dict[str, Any] = shop.status()
    assert status["observed"]["live"] in status["observed"]["slots"]
    assert "1.1.0, running, serves" in shop.done("status").stdout

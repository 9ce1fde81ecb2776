# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every platform has to do, whatever it is made of: ``run.contract`` as tests.

A test module makes a class of :class:`PlatformContract` with a fixture ``stand``; see ``test_contract.py`` for the one
in memory. The tests look at the platform by its own ``describe()`` and, independently of it, by the stand.
"""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed
from ansible_collections.steady.runbooks.plugins.module_utils.run import contract
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import Observation, Release, other

OBSERVED = {"live", "traffic", "edge", "base", "slots", "jobs", "releases", "schema", "drift", "checks"}
OF_SLOT = {"release", "state", "ready", "workers", "warm_until"}
OF_RELEASE = {"version", "previous", "schema", "commit", "images", "jobs_done", "strategy", "workers"}
ROLES = ("web", "worker", "scheduler")


class Stand(Protocol):
    """A target for one test, empty at first, and a look at it that does not go through the platform."""

    platform: Any

    def release(self, version: str, *, hands: bool = True, fails: bool = False) -> Release:
        """The record of a release that can be staged here: with a worker and a scheduler, with a job ``migrate``.

        One that *fails* never becomes ready.
        """

    def running(self, slot: str) -> set[str]:
        """Which of :data:`ROLES` run in a slot."""

    def answers(self) -> str:
        """Who answers a request of a user now: ``blue``, ``green``, or empty when it waits or is refused."""

    def wrong(self) -> list[str]:
        """What was wrong in between, as far as this stand sees that."""


def quiet(text: str) -> None:
    """Nobody follows."""


def state(platform: Any) -> Observation:
    """What is observed, without what time alone changes."""
    seen: Observation = platform.describe()
    releases = {name: {**record, "live_since": None} for name, record in seen["releases"].items()}
    slots = {name: {**slot, "warm_until": slot["warm_until"] is not None} for name, slot in seen["slots"].items()}
    return {**seen, "checks": None, "releases": releases, "slots": slots}


def twice(stand: Stand, call: str, *args: Any, tells: bool = True) -> dict[str, Any]:
    """Call it, and once more: the second time nothing may change. *tells*: and it says so."""
    first: dict[str, Any] = getattr(stand.platform, call)(*args)
    assert isinstance(first["changed"], bool), f"{call} does not say whether it changed anything"
    before, ran = state(stand.platform), {slot: stand.running(slot) for slot in contract.SLOTS}
    second = getattr(stand.platform, call)(*args)
    assert state(stand.platform) == before, f"{call} changed something when it was called again"
    assert {slot: stand.running(slot) for slot in contract.SLOTS} == ran
    assert second["changed"] is False or not tells, f"{call} says that it changed what was so already"
    return first


def bring(stand: Stand, slot: str, release: Release, previous: str | None = None) -> None:
    """Make a release the one that serves, as the steps of an update do."""
    platform = stand.platform
    platform.prepare(release)
    platform.base(release, quiet)
    platform.stage(slot, release, quiet)
    platform.shift(slot)
    platform.drain(other(slot), 5.0, quiet)
    platform.handover(slot, quiet)
    platform.settle(slot, release, platform_now(stand) + 600.0, previous)


def platform_now(stand: Stand) -> float:
    clock = stand.platform.host.clock
    return float(clock.now())


class PlatformContract:
    """The tests; each begins with an empty target."""

    @pytest.fixture
    def stand(self) -> Stand:
        raise NotImplementedError("a class of a platform has a fixture of its own")

    def test_it_has_all_calls_with_the_same_arguments(self, stand: Stand) -> None:
        wanted = {
            name: function
            for name, function in vars(contract.Platform).items()
            if inspect.isfunction(function) and not name.startswith("_")
        }
        assert len(wanted) > 15
        for name, function in wanted.items():
            mine = inspect.signature(getattr(type(stand.platform), name))
            assert list(mine.parameters) == list(inspect.signature(function).parameters), name

    def test_an_empty_target_is_described(self, stand: Stand) -> None:
        seen = stand.platform.describe()
        assert set(seen) >= OBSERVED
        assert seen["live"] is None
        assert seen["base"] in ("absent", "none")
        assert seen["jobs"] == []
        for slot in contract.SLOTS:
            assert set(seen["slots"][slot]) == OF_SLOT
            assert seen["slots"][slot]["release"] is None
            assert seen["slots"][slot]["state"] == "absent"
            assert not seen["slots"][slot]["ready"]
        assert state(stand.platform) == state(stand.platform)

    def test_each_step_of_a_first_release_can_be_done_twice(self, stand: Stand) -> None:
        platform, one = stand.platform, stand.release("1.0.0")
        twice(stand, "prepare", one)
        assert set(platform.describe()["releases"][one["id"]]) >= OF_RELEASE
        twice(stand, "base", one, quiet, tells=False)
        assert platform.describe()["base"] in ("running", "none")
        twice(stand, "stage", "blue", one, quiet, tells=False)
        seen = platform.describe()
        assert (seen["slots"]["blue"]["state"], seen["slots"]["blue"]["ready"]) == ("running", True)
        assert seen["slots"]["blue"]["release"] == one["id"]
        assert seen["live"] is None and not stand.answers(), "a staged slot gets no traffic"
        assert stand.running("blue") == {"web"}, "workers wait for the handover"
        twice(stand, "shift", "blue")
        assert platform.describe()["live"] == "blue" and stand.answers() == "blue"
        twice(stand, "handover", "blue", quiet)
        assert stand.running("blue") == set(ROLES)
        twice(stand, "settle", "blue", one, platform_now(stand) + 600, None, tells=False)
        assert platform.health("blue")[0]
        assert not stand.wrong()

    def test_a_second_release_takes_over_and_gives_back(self, stand: Stand) -> None:
        platform, one, two = stand.platform, stand.release("1.0.0"), stand.release("1.1.0")
        bring(stand, "blue", one)
        platform.prepare(two)
        platform.stage("green", two, quiet)
        assert stand.answers() == "blue"
        platform.shift("green")
        assert stand.answers() == "green"
        drained = platform.drain("blue", 5.0, quiet)
        assert drained["cut"] == 0 and 0 <= drained["drained_s"] <= 6
        twice(stand, "handover", "green", quiet)
        assert (stand.running("blue"), stand.running("green")) == ({"web"}, set(ROLES))
        platform.settle("green", two, platform_now(stand) + 600, one["id"])
        seen = platform.describe()
        assert seen["releases"][two["id"]]["previous"] == one["id"]
        assert seen["slots"]["blue"]["warm_until"] and not seen["slots"]["green"]["warm_until"]
        # and back, warm
        platform.shift("blue")
        platform.handover("blue", quiet)
        platform.settle("blue", one, platform_now(stand) + 600, None)
        assert stand.answers() == "blue"
        assert (stand.running("blue"), stand.running("green")) == (set(ROLES), {"web"})
        assert not stand.wrong()

    def test_a_release_without_workers_takes_them_from_the_other(self, stand: Stand) -> None:
        bring(stand, "blue", stand.release("1.0.0"))
        bring(stand, "green", stand.release("1.1.0", hands=False))
        assert (stand.running("blue"), stand.running("green")) == ({"web"}, {"web"})
        assert stand.platform.describe()["slots"]["green"]["workers"] == "none"

    def test_requests_are_held_and_let_through(self, stand: Stand) -> None:
        bring(stand, "blue", stand.release("1.0.0"))
        twice(stand, "hold")
        seen = stand.platform.describe()
        assert seen["live"] is None and seen["traffic"]["live"] == "hold"
        assert not stand.answers()
        twice(stand, "shift", "blue")
        assert stand.answers() == "blue"

    def test_maintenance_is_beside_who_serves(self, stand: Stand) -> None:
        platform, two = stand.platform, stand.release("1.1.0")
        bring(stand, "blue", stand.release("1.0.0"))
        twice(stand, "maintain", True)
        seen = platform.describe()
        assert (seen["live"], seen["traffic"]["maintenance"]) == ("blue", True)
        assert not stand.answers()
        bring(stand, "green", two)
        platform.hold()
        platform.shift("green")
        seen = platform.describe()
        assert (seen["live"], seen["traffic"]["maintenance"]) == ("green", True), "only maintain ends it"
        assert not stand.answers()
        twice(stand, "maintain", False)
        assert stand.answers() == "green"
        assert not platform.describe()["traffic"]["maintenance"]

    def test_a_scale_is_beside_the_releases(self, stand: Stand) -> None:
        platform, two = stand.platform, stand.release("1.1.0")
        bring(stand, "blue", stand.release("1.0.0"))
        assert set(platform.room()) == {"cpus", "free", "slots"} and set(platform.room()["slots"]) >= {"blue"}
        service = next(name for name, role in two["roles"].items() if role == "web")
        twice(stand, "scale", service, {"replicas": 2}, quiet)
        assert platform.describe()["scale"] == {service: {"replicas": 2}}
        assert len(platform.room()["slots"]["blue"][service]) == 2 and platform.describe()["slots"]["blue"]["ready"]
        twice(stand, "scale", service, {}, quiet)
        assert platform.describe()["scale"] == {} and len(platform.room()["slots"]["blue"][service]) == 1
        assert stand.answers() == "blue"

    def test_what_is_kept_is_told_and_can_be_removed(self, stand: Stand) -> None:
        platform, one, two, three = stand.platform, *(stand.release(f"1.{minor}.0") for minor in range(3))
        bring(stand, "blue", one)
        bring(stand, "green", two, one["id"])
        platform.retire("blue")
        bring(stand, "blue", three, two["id"])
        seen = platform.stock()
        assert set(seen) == {"at", "keep", "releases", "runs", "images"} and set(seen["keep"]) == {
            "releases",
            "runs",
            "days",
        }
        assert set(seen["releases"]) == {one["id"], two["id"], three["id"]}
        assert all(set(entry) == {"bytes", "time", "images", "used"} for entry in seen["releases"].values())
        assert [name for name, entry in seen["releases"].items() if not entry["used"]] == [one["id"]]
        twice(stand, "discard", "release", [one["id"]])
        assert set(platform.describe()["releases"]) == {two["id"], three["id"]}
        twice(stand, "discard", "image", ["registry/nobody@sha256:" + "0" * 64], tells=False)
        assert stand.answers() == "blue"

    def test_a_slot_is_stopped_started_again_and_removed(self, stand: Stand) -> None:
        platform, one, two = stand.platform, stand.release("1.0.0"), stand.release("1.1.0")
        bring(stand, "blue", one)
        bring(stand, "green", two, one["id"])
        twice(stand, "halt", "blue")
        seen = platform.describe()["slots"]["blue"]
        assert (seen["release"], seen["state"], seen["ready"]) == (one["id"], "stopped", False)
        assert seen["warm_until"] is None and stand.running("blue") == set()
        platform.stage("blue", one, quiet)
        assert platform.describe()["slots"]["blue"]["ready"]
        twice(stand, "retire", "blue")
        seen = platform.describe()
        assert (seen["slots"]["blue"]["release"], seen["slots"]["blue"]["state"]) == (None, "absent")
        assert one["id"] in seen["releases"], "a release that is gone can be started again"
        assert stand.answers() == "green" and stand.running("green") == set(ROLES)
        platform.stage("blue", one, quiet)
        assert platform.describe()["slots"]["blue"]["ready"]
        assert not stand.wrong()

    def test_a_release_that_never_becomes_ready_is_told_and_touches_nobody(self, stand: Stand) -> None:
        bring(stand, "blue", stand.release("1.0.0"))
        bad = stand.release("1.1.0", fails=True)
        stand.platform.prepare(bad)
        with pytest.raises(StepFailed):
            stand.platform.stage("green", bad, quiet)
        assert stand.answers() == "blue"
        assert not stand.platform.describe()["slots"]["green"]["ready"]
        stand.platform.halt("green")
        assert stand.platform.describe()["slots"]["green"]["release"] == bad["id"], "kept to be looked at"
        assert isinstance(stand.platform.logs("green", 0.0), list)

    def test_a_job_runs_once_a_release(self, stand: Stand) -> None:
        one = stand.release("1.0.0")
        stand.platform.prepare(one)
        stand.platform.base(one, quiet)
        assert twice(stand, "run_job", one, "migrate", quiet)["changed"]
        seen = stand.platform.describe()
        assert seen["releases"][one["id"]]["jobs_done"] == ["migrate"]
        assert seen["jobs"] == []
        twice(stand, "end_jobs", 5.0, quiet)

    def test_nothing_serves_after_close(self, stand: Stand) -> None:
        bring(stand, "blue", stand.release("1.0.0"))
        twice(stand, "close")
        assert stand.platform.describe()["live"] is None and not stand.answers()

    def test_what_is_only_asked_for_changes_nothing(self, stand: Stand) -> None:
        platform = stand.platform
        bring(stand, "blue", stand.release("1.0.0"))
        before = state(platform)
        assert set(platform.counters()) == set(contract.SLOTS)
        assert all({"requests", "errors"} <= set(counted) for counted in platform.counters().values())
        assert platform.source("blue", 1.0).sample("blue").errors >= 0
        now = platform_now(stand)
        assert all(sample.requests >= sample.errors for sample in platform.history("blue", now - 10, now))
        assert {"host", "port", "path", "mode", "tls"} <= set(platform.entrances()[0])
        assert platform.probe_token() == platform.probe_token() != ""
        assert platform.health("blue")[0] is True
        assert state(platform) == before

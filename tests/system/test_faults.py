# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on a real host: each ends in one whole release, and users notice nothing of it.

`make test` takes a sample of the places where a fault can strike; `make prove` (STEADY_PROVE=1) takes all of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.tests.system import services
from ansible_collections.steady.runbooks.tests.system.acting import FAULTY, Acting
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole
from ansible_collections.steady.runbooks.tests.system.runner import PATH
from ansible_collections.steady.runbooks.tests.system.scenario import Scenario, Tally, end
from ansible_collections.steady.runbooks.tests.system.serving import SETTINGS, serving, unnoticed
from ansible_collections.steady.runbooks.tests.system.slow_engine import SlowEngine

PROVE = os.environ.get("STEADY_PROVE") == "1"
SAMPLE = 6  # of the points of one kind, in make test


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A service that serves 1.0.0; each test leaves a whole release."""
    with serving(tmp_path_factory.mktemp("faults"), "k-faults") as one:
        yield one


# -- at every point of a run ------------------------------------------------------------------------------------------


def points(scenario: Scenario, folder: Path, *kinds: str) -> list[tuple[str, int]]:
    """(name, occurrence) of the points of these kinds that an undisturbed run passes; the first two of equal ones."""
    log = folder / "points"
    log.unlink(missing_ok=True)
    scenario.prepare()
    result = scenario.acting.start(scenario.plan(), FAULTY, {"log": str(log)}).wait()
    assert result["outcome"] == "done", result
    passed = Counter(line for line in log.read_text().splitlines() if line.split()[0] in kinds)
    found = [(name, number) for name, count in passed.items() for number in range(1, min(count, 2) + 1)]
    return found if PROVE else sorted(random.Random(1).sample(found, min(SAMPLE, len(found))))


def strike(scenario: Scenario, tally: Tally, faults: dict[str, Any]) -> None:
    """One run with *faults*; recover.yml where it died or got stuck."""
    scenario.prepare()
    act = scenario.acting.start(scenario.plan(), FAULTY, faults)
    outcome = act.wait().get("outcome") or ("dead" if scenario.acting.status()["run"] else "dead, but not at work")
    wrong = end(scenario.acting, act) if outcome in ("dead", "stuck") else []
    wrong += not_whole(scenario.acting)
    tally.kills += 1
    tally.converged += not wrong
    tally.outcomes[outcome] += 1
    tally.wrong += [f"{scenario.runbook} with {faults}: {outcome}: {one}" for one in wrong]


RUNBOOKS = (
    [("apply_update", "alone"), ("rollback", "cold"), ("retire", "warm")] if PROVE else [("apply_update", "alone")]
)


def strike_everywhere(
    acting: Acting, folder: Path, tell: Callable[[str], None], kinds: tuple[str, ...], **faults: Any
) -> None:
    tally, begun = Tally(), time.monotonic()
    with unnoticed(acting):
        for runbook, state in RUNBOOKS:
            scenario = Scenario(acting, runbook, state)
            for name, occurrence in points(scenario, folder, *kinds):
                strike(scenario, tally, {"point": name, "occurrence": occurrence, **faults})
    told = f"{faults} at {', '.join(kinds)}: {tally.kills} times, {tally.converged} converged"
    tell(f"{told} {dict(tally.outcomes)} in {time.monotonic() - begun:.0f} s")
    assert not tally.wrong, "\n".join(tally.wrong)


@pytest.mark.parametrize("still", [False, True], ids=["once", "for good"])
def test_the_disk_is_full_at_a_write(acting: Acting, tmp_path: Path, tell: Callable[[str], None], still: bool) -> None:
    strike_everywhere(acting, tmp_path, tell, ("write",), do="fail", still=still)


def test_docker_fails_once(acting: Acting, tmp_path: Path, tell: Callable[[str], None]) -> None:
    strike_everywhere(acting, tmp_path, tell, ("docker", "engine", "edge"), do="fail")


@pytest.mark.parametrize("do", ["kill", "kill after"])
def test_killed_around_an_effect(acting: Acting, tmp_path: Path, tell: Callable[[str], None], do: str) -> None:
    """Just before and just after each write and each command: between two effects that belong together."""
    strike_everywhere(acting, tmp_path, tell, ("write", "docker", "edge"), do=do)


# -- the state directory ----------------------------------------------------------------------------------------------


def mounted(*words: str) -> None:
    said = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip(f"nothing can be mounted here: {said.stderr}")


@pytest.mark.parametrize("free", [0, 8, 64, 400], ids=lambda kib: f"{kib} KiB")
def test_a_real_disk_is_full(tmp_path: Path, free: int) -> None:
    """A file system of its own with so much left: refused or undone, and all is well when there is room again."""
    hello = services.overlapping(tmp_path, "k-disk", **SETTINGS)
    acting = Acting(hello)
    hello.remove()
    hello.state.mkdir(mode=0o700, parents=True)
    mounted("-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(hello.state))
    try:
        acting.done("apply_update", "1.0.0")
        acting.done("apply_update", "1.1.0")
        filler = hello.state / "filler"
        with unnoticed(acting):
            for runbook, version in (("apply_update", "1.2.0"), ("rollback", "")):
                fill(filler, free * 1024)
                try:
                    act = acting.start(acting.plan(runbook, version))
                    outcome = act.wait().get("outcome") or ("dead" if acting.status()["run"] else "refused")
                except Refused as error:
                    outcome = "refused"
                    assert (error.code, "disk" in error.next_step) == ("state_not_written", True), error.detail
                filler.unlink()
                assert outcome in ("refused", "undone", "done", "dead", "stuck")
                if outcome in ("dead", "stuck"):
                    assert end(acting, act) == []
                assert not_whole(acting) == []
    finally:
        subprocess.run(["umount", "--lazy", str(hello.state)], capture_output=True, check=False)
        hello.remove()


def fill(filler: Path, free: int) -> None:
    """Take all of a disk but so many bytes."""
    with filler.open("wb", buffering=0) as stream:
        with contextlib.suppress(OSError):
            while stream.write(bytes(4096)):
                pass
        stream.truncate(max(0, os.fstat(stream.fileno()).st_size - free))


def test_the_state_directory_is_read_only(acting: Acting) -> None:
    """Runbooks that act refuse, and say why; those that tell go on telling."""
    state = str(acting.hello.state)
    mounted("--bind", state, state)
    subprocess.run(["mount", "-o", "remount,bind,ro", state], check=True)
    try:
        before = acting.hello.snapshot()
        for runbook, version in (("apply_update", "1.2.0"), ("retire", "")):
            refusal = acting.refused(runbook, version)
            assert refusal.code == "no_go"
            assert f"{state} cannot be written" in refusal.detail
            assert "mounted read-only" in refusal.next_step
        assert acting.status()["live"]
        assert acting.hello.snapshot() == before
    finally:
        subprocess.run(["umount", state], check=True)
    with unnoticed(acting):
        Scenario(acting, "apply_update", "alone").prepare()


def test_the_state_directory_is_of_another_format(acting: Acting) -> None:
    """Fields that we do not know, as a newer version may leave, and fields that we lack, as an older one did."""
    scenario = Scenario(acting, "rollback", "warm")
    scenario.prepare()
    with unnoticed(acting):
        for path in acting.hello.state.glob("slots/*/slot.json"):
            record = json.loads(path.read_text())
            record.pop("warm_until", None)
            path.write_text(json.dumps({**record, "from_the_future": {"a": [1]}}))
        for path in acting.hello.state.glob("releases/*/release.json"):
            record = json.loads(path.read_text())
            for name in ("commit", "notes", "base", "type", "changes"):
                record.pop(name, None)
            path.write_text(json.dumps({**record, "from_the_future": True}))
        base = acting.hello.state / "base/base.json"
        base.write_text(json.dumps({"services": json.loads(base.read_text())["services"]}))
        seen = acting.status()
        assert seen["live"]["version"] in seen["text"]
        assert acting.start(scenario.plan()).wait()["outcome"] == "done"
        acting.done("apply_update", "1.2.0")


def test_a_dead_run_of_a_newer_format(acting: Acting) -> None:
    """What we cannot know the meaning of is not ended by guessing."""
    scenario = Scenario(acting, "apply_update", "alone")
    with unnoticed(acting):
        act = scenario.start()
        act.reach(lambda: len(act.titles()) >= 3)
        act.kill()
        path = act.directory / "intent.json"
        intent = path.read_text()
        path.write_text(json.dumps({**json.loads(intent), "format": 99}))
        refusal = acting.refused("recover")
        assert refusal.code == "newer_format"
        assert "newer version" in refusal.detail + refusal.next_step
        assert acting.refused("rollback").code == "dead_run"
        path.write_text(intent)
        assert end(acting, act) == []


# -- the clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clock",
    [[[0, 3600]], [[0, -3600]], [[1.0, -7200]], [[1.0, 7200]], [[1.0, -600], [2.0, 1200], [3.0, -600]]],
    ids=["an hour ahead", "an hour late", "goes back", "jumps ahead", "to and fro"],
)
def test_the_clock_is_wrong(acting: Acting, clock: list[list[float]]) -> None:
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    with unnoticed(acting):
        begun = time.monotonic()
        result = acting.start(scenario.plan(), FAULTY, {"clock": clock}).wait()
        took = time.monotonic() - begun
        assert result["outcome"] == "done", result
        assert 0 < result["seconds"] <= took
        assert all(0 <= step["seconds"] <= took for step in result["steps"])
        assert Ledger(acting.files).verify()["head"]["seq"] == result["head"]["seq"]
        # whenever it thinks that the warm window ends: the release that serves is never the one that is stopped
        assert acting.done("rollback", release=result["from"]["version"])


# -- Docker -----------------------------------------------------------------------------------------------------------


def test_docker_answers_slowly(acting: Acting, tmp_path: Path) -> None:
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    with SlowEngine(tmp_path, delay=0.25) as engine, unnoticed(acting):
        acting.environment = engine.environment
        try:
            result = acting.start(scenario.plan()).wait()
        finally:
            acting.environment = {}
        assert result["outcome"] == "done", result
        assert engine.count > 20


@pytest.mark.parametrize("number", [1, 6, 15, 30])
def test_the_engine_hangs_up_once(acting: Acting, tmp_path: Path, number: int) -> None:
    """Before the first change it is refused; after it the run is undone."""
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    before = scenario.live
    with SlowEngine(tmp_path, hangs_up=number) as engine, unnoticed(acting):
        acting.environment = engine.environment
        try:
            result = acting.start(scenario.plan()).wait()
        finally:
            acting.environment = {}
        assert engine.count >= number
        assert result["outcome"] in ("refused", "undone", "done"), result
        if result["outcome"] != "done":
            assert result["failure"]["next_step"]
            assert scenario.live == before


WRAPPER = """\
#!/usr/bin/env bash
# Fails, or is slow, the NUMBERth time that Compose is called.
if [[ $1 == compose ]]; then
  exec 9>>"{folder}/count"; flock 9; echo >&9
  if (($(wc -l <"{folder}/count") == {number})); then {what}; fi
  flock -u 9; exec 9>&-
fi
exec "{docker}" "$@"
"""


@pytest.mark.parametrize(
    "what", ["sleep 5", "echo 'Error response from daemon: on purpose' >&2; exit 1"], ids=["slow", "fails"]
)
@pytest.mark.parametrize("number", [2, 4])
def test_compose_once(acting: Acting, tmp_path: Path, what: str, number: int) -> None:
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    before = scenario.live
    wrapper = tmp_path / "docker"
    wrapper.write_text(WRAPPER.format(folder=tmp_path, number=number, what=what, docker=shutil.which("docker")))
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    with unnoticed(acting):
        acting.environment = {"PATH": f"{tmp_path}:{PATH}"}
        try:
            result = acting.start(scenario.plan()).wait()
        finally:
            acting.environment = {}
        assert result["outcome"] == ("done" if "sleep" in what else "undone"), result
        assert (scenario.live == before) == ("exit" in what)

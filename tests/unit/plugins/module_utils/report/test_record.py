# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed
from ansible_collections.steady.runbooks.plugins.module_utils.report.record import write_missing
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.verify.mask import Mask

Make = Callable[[], dict[str, Any]]
RUN = "20300317T174640-apply_update-0a1b2c"


class Witness:
    """A platform that answers from a recording, or does not answer."""

    def __init__(self, timeline: Any) -> None:
        self.recorded = timeline
        self.asked: list[tuple[float, float]] = []

    def timeline(self, since: float, until: float) -> Any:
        self.asked.append((since, until))
        if self.recorded is None:
            raise CommandFailed("docker is not there", code="docker_failed", next_step="Start it.")
        return self.recorded

    def logs(self, slot: str, since: float, lines: int) -> list[str]:
        return [f"{slot} said hunter2-secret"]


class Late(Clock):
    """A clock long after the run."""

    def now(self) -> float:
        return 2_000_000_000.0


def keep(files: Files, raw: dict[str, Any], run: str = RUN) -> None:
    """The run's files as the engine leaves them."""
    files.write_json(f"runs/{run}/intent.json", raw["intent"])
    files.write_json(f"runs/{run}/result.json", {**raw["result"], "run": run})
    for event in raw["events"]:
        files.append(f"runs/{run}/steps.jsonl", json.dumps(event).encode() + b"\n")


def report(files: Files, witness: Witness, mask: Mask | None = None) -> None:
    write_missing(files, witness, lambda release: {"commit": f"of {release}"}, Late(), mask or Mask())


def test_a_run_gets_its_report_once(tmp_path: Path, done: Make) -> None:
    files, witness = Files(str(tmp_path)), Witness(done()["timeline"])
    keep(files, done())
    report(files, witness)
    report(files, witness)
    assert len(witness.asked) == 1
    assert files.names(f"runs/{RUN}") == ["intent.json", "report.html", "result.json", "summary.json"]
    assert files.read_json(f"runs/{RUN}/summary.json")["headline"].startswith("shop: 1.1.0 replaced 1.0.0")
    assert b"of 1.0.0-aaaaaaaa" in (files.read(f"runs/{RUN}/report.html") or b"")
    assert os.stat(tmp_path / "runs" / RUN / "report.html").st_mode & 0o777 == 0o600


def test_what_was_undone_gets_an_incident_record_too(tmp_path: Path, undone: Make) -> None:
    files = Files(str(tmp_path))
    keep(files, undone())
    report(files, Witness(undone()["timeline"]))
    assert {"incident.json", "incident.md", "report.html"} <= set(files.names(f"runs/{RUN}"))
    assert files.read_json(f"runs/{RUN}/summary.json")["incident"] is True


def test_secrets_are_masked_wherever_they_come_from(tmp_path: Path, done: Make) -> None:
    files, raw = Files(str(tmp_path)), done()
    raw["result"].update(runbook="rollback", rolled_back=True, reason="because of hunter2-secret")
    raw["intent"]["plan"]["notes"] = ["hunter2-secret"]
    keep(files, raw)
    report(files, Witness(raw["timeline"]), Mask(["hunter2-secret"]))
    for name in ("report.html", "incident.md", "incident.json", "summary.json"):
        content = files.read(f"runs/{RUN}/{name}") or b""
        assert b"hunter2" not in content
        assert name == "summary.json" or b"said ********" in content or name == "report.html"


def test_it_does_without_the_platform(tmp_path: Path, undone: Make) -> None:
    files = Files(str(tmp_path))
    keep(files, undone())
    report(files, Witness(None))
    page = (files.read(f"runs/{RUN}/report.html") or b"").decode()
    assert "log could not be read" in page


def test_figures_of_the_runs_before_and_after_are_left_out(tmp_path: Path, done: Make) -> None:
    files, witness = Files(str(tmp_path)), Witness(done()["timeline"])
    for run, begun in (
        ("20300317T174620-apply_update-0a1b2c", -20.0),
        (RUN, 0.0),
        ("20300317T174649-rollback-0a1b2c", 9.0),
    ):
        raw = done()
        raw["result"].update(started=1.9e9 + begun, ended=1.9e9 + begun + 7.0)
        raw["intent"]["started"] = 1.9e9 + begun
        keep(files, raw, run)
    report(files, witness)
    assert witness.asked[1] == (1.9e9 - 13.0, 1.9e9 + 9.0)


def test_a_run_that_is_at_work_is_left_alone(tmp_path: Path, done: Make) -> None:
    files = Files(str(tmp_path))
    files.write_json(f"runs/{RUN}/intent.json", done()["intent"])
    report(files, Witness(None))
    assert files.names(f"runs/{RUN}") == ["intent.json"]


@pytest.mark.parametrize("steps", [b"not json\n", b'{"event": "step"'])
def test_a_damaged_step_log_costs_no_report(tmp_path: Path, done: Make, steps: bytes) -> None:
    files = Files(str(tmp_path))
    keep(files, done())
    files.append(f"runs/{RUN}/steps.jsonl", steps)
    report(files, Witness(done()["timeline"]))
    assert files.exists(f"runs/{RUN}/report.html")

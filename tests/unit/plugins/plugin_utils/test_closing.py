# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.plugin_utils.closing import Kept, closing

HEAD = {"seq": 4, "hash": "77b1" * 16}
ENDED = {
    "run": "r-1",
    "service": "shop",
    "runbook": "apply_update",
    "outcome": "done",
    "from": {"version": "1.0.0", "slot": "blue"},
    "to": {"version": "1.1.0", "slot": "green"},
    "seconds": 5.09,
    "head": HEAD,
}
SUMMARY = {
    "headline": "shop: 1.1.0 replaced 1.0.0. Users noticed nothing",
    "users": {"noticed": "no", "say": "None of 27 probes failed."},
    "undo": {"word": "Run this", "say": "Back to 1.0.0:", "command": "ansible-playbook playbooks/rollback.yml"},
}


def test_a_short_block() -> None:
    assert closing(ENDED, SUMMARY, "/runs/r-1/report.html", "") == [
        "shop: 1.1.0 replaced 1.0.0. Users noticed nothing",
        "1.0.0 (blue) -> 1.1.0 (green) in 5.1 s, run r-1",
        "users: None of 27 probes failed.",
        "undo: Back to 1.0.0:",
        "      ansible-playbook playbooks/rollback.yml",
        f"ledger head: 4:{HEAD['hash']}",
        "report: /runs/r-1/report.html on the host",
    ]


def test_without_a_summary_it_is_told_from_the_result() -> None:
    lines = closing({**ENDED, "from": None}, {}, "", "")
    assert lines[0] == "shop: 1.1.0 serves; it is the first release here"
    assert lines[1].startswith("nothing -> 1.1.0 (green)")
    assert not any(line.startswith("report:") for line in lines)


def test_a_refusal_has_less_to_tell() -> None:
    lines = closing({"run": "r-1", "runbook": "rollback", "outcome": "refused"}, {}, "", "")
    assert lines[0].endswith("rollback was refused; nothing was changed")
    assert len(lines) == 3


class Host:
    """Answers the commands as a shell there would."""

    def __init__(self, files: dict[str, bytes], broken: bool = False) -> None:
        self.files = files
        self.broken = broken

    def __call__(self, command: str, executable: str) -> dict[str, Any]:
        if self.broken:
            return {"rc": 1, "stdout": "", "stderr": "No space left on device"}
        if command.startswith("base64"):
            content = self.files[command.rsplit("/", 1)[1].strip("'")]
            return {"rc": 0, "stdout": base64.encodebytes(content).decode()}
        summary = self.files.get("summary.json", b"").decode() if "report.html" in self.files else ""
        return {"rc": 0, "stdout": "\n".join(self.files) + "\n" + summary}


def test_the_report_is_brought_here(tmp_path: Path) -> None:
    host = Host({"report.html": b"<p>\xe2\x80\x9c", "incident.md": b"# I", "summary.json": b'{"headline": "x"}'})
    kept = Kept(host, "/runs/it's")
    assert kept.wait(7) == {"headline": "x"}
    assert kept.report == "/runs/it's/report.html"
    assert kept.fetch(str(tmp_path / "new"), "web-1-r-1") == str(tmp_path / "new" / "web-1-r-1.html")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["web-1-r-1.html", "web-1-r-1.incident.md"]
    assert (tmp_path / "new" / "web-1-r-1.html").read_bytes() == b"<p>\xe2\x80\x9c"


def test_a_run_without_a_report() -> None:
    kept = Kept(Host({"result.json": b"{}"}), "/runs/r-1")
    assert (kept.wait(0), kept.report) == ({}, "")


def test_what_goes_wrong_there_is_said() -> None:
    with pytest.raises(ValueError, match="No space left"):
        Kept(Host({}, broken=True), "/runs/r-1").wait(0)

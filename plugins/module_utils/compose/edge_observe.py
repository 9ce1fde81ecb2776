# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the edge is and does, and what of it is not as we left it; read only."""

from __future__ import annotations

from typing import Any, Callable

from ..errors import Refused, StepFailed
from ..run.files import Files
from .edge_config import MAP, digest_said, digest_true
from .edge_container import EdgeContainer, dead_ports, published
from .edge_install import CONFIG_NAMES
from .edge_runtime import Runtime
from .edge_spec import Traffic


def observe(files: Files, runtime: Runtime, container: EdgeContainer, written: Callable[[], Traffic]) -> dict[str, Any]:
    """See :meth:`Edge.observe`. *written* reads the map file; it raises :class:`Refused` for one that is not ours."""
    seen = container.inspect()
    drift: list[str] = []
    traffic = None
    try:
        traffic = written()
    except Refused as error:
        drift.append(f"the edge's map was changed by hand: {error.detail}")
    config = {name: (files.read(f"config/{name}") or b"").decode(errors="replace") for name in CONFIG_NAMES}
    said = digest_said(config["haproxy.cfg"])
    if seen and said != digest_true(config):
        drift.append("the edge's configuration was changed by hand")
    answer: dict[str, Any] = {
        "state": "absent" if not seen else "running" if seen["State"]["Running"] else "stopped",
        "traffic": traffic.as_dict() if traffic else None,
        "running_traffic": None,
        "config": said,
        "running_config": "",
        "image": seen["Config"]["Image"] if seen else "",
        "ports": [list(pair) for pair in published(seen)],
        "old_workers": 0,
        "drift": drift,
    }
    if answer["state"] == "running":
        _observe_process(runtime, answer, drift, traffic)
    return answer


def _observe_process(runtime: Runtime, answer: dict[str, Any], drift: list[str], traffic: Traffic | None) -> None:
    try:
        workers = runtime.workers()
        current = runtime.current()
        answer["running_config"] = runtime.info(current).get("description", "")
        entries = runtime.map(MAP, current)
    except StepFailed as error:
        answer["state"] = "broken"
        drift.append(f"the edge runs, but {error.detail}")
        return
    answer["old_workers"] = sum(worker.old for worker in workers)
    for where in dead_ports(answer["ports"]):
        answer["state"] = "broken"
        drift.append(f"the edge runs, but nothing listens on {where}: maintenance.yml -e state=keep mends it")
    if answer["running_config"] != answer["config"]:
        drift.append("the edge runs another configuration than the one on the disk")
    try:
        answer["running_traffic"] = Traffic.from_entries(entries).as_dict()
    except Refused as error:
        drift.append(f"the edge's running map was changed by hand: {error.detail}")
    if traffic is None:
        answer["state"] = "broken"
    elif answer["running_traffic"] != answer["traffic"]:
        drift.append(f"the edge sends traffic by {entries}, but its map file says {traffic.entries()}")

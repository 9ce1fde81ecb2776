# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept on a host, who needs it, and what is left when some of it is removed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import stock
from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import Host
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import process_identity

from .conftest import ScriptedDocker

A, B, C = (f"reg/app:1.{number}@sha256:{str(number) * 64}" for number in range(3))


class Engine:
    """Containers, and images by their reference without a tag: id, tags."""

    def __init__(self, containers: dict[str, str], images: dict[str, tuple[str, list[str]]]) -> None:
        self.listed = [{"ImageID": image, "Names": [f"/{name}"]} for name, image in containers.items()]
        self.images = images

    def containers(self, *_labels: str) -> list[dict[str, Any]]:
        return [{"Name": "/shop-blue-web-1", "Config": {"Labels": {"steady.release": "one"}}}]

    def json(self, _method: str, path: str) -> tuple[int, Any]:
        if path.startswith("/containers/"):
            return 200, self.listed
        name = unquote(path[len("/images/") : -len("/json")])
        if name not in self.images:
            return 404, None
        identity, tags = self.images[name]
        return 200, {"Id": identity, "RepoTags": tags, "Size": 100}


class Docker(ScriptedDocker):
    engine: Any = None


@pytest.fixture
def host(tmp_path: Path) -> Host:
    plain = {f"reg/app@sha256:{str(n) * 64}": (f"sha256:id{n}", ["mine:1"] if n == 2 else []) for n in range(3)}
    docker = Docker((["image", "rm"], 0, "", ""))
    docker.engine = Engine({"db": "sha256:id1"}, plain)
    settings = {"name": "shop", "keep_releases": 5, "keep_runs": 50, "keep_days": 30}
    made = Host(settings, {}, docker, Files(str(tmp_path / "shop")), Clock())
    for name, image in (("one", A), ("two", B), ("three", C)):
        made.save_release({"id": name, "version": name, "images": {"web": image}, "live_since": 5.0})
    return made


def test_each_image_says_who_needs_it(host: Host) -> None:
    found = stock.stock(host)
    assert found["keep"] == {"releases": 5, "runs": 50, "days": 30}
    assert {name: one["used"] for name, one in found["images"].items()} == {
        A: "",
        B: "container db has it",
        C: "it is tagged mine:1",
    }
    assert found["releases"]["two"] == {"bytes": 4096, "time": 5.0, "images": [B], "used": ""}
    assert found["releases"]["one"]["used"] == "container shop-blue-web-1"


def test_an_image_of_another_service_of_ours_is_needed(host: Host) -> None:
    beside = Files(os.path.join(host.files.root, "..", "beside"))
    beside.write_json("releases/x/release.json", {"id": "x", "images": {"app": A.replace(":1.0@", ":9@")}})
    assert stock.stock(host)["images"][A]["used"] == "beside has it"


def test_images_are_removed_by_digest_alone_and_what_is_needed_by_now_stays(host: Host) -> None:
    gone = f"reg/app@sha256:{'9' * 64}"
    said = stock.discard(host, "image", [A, B, gone])
    assert (said["changed"], said["removed"], list(said["stay"])) == (True, [A], [B])
    assert [call["words"] for call in host.docker.calls] == [("image", "rm", f"reg/app@sha256:{'0' * 64}")]
    assert "container db has it" in said["say"]


def test_an_image_that_the_engine_keeps_is_no_failure(host: Host) -> None:
    host.docker.script = ((["image", "rm"], 1, "", "conflict: it has children"),)
    said = stock.discard(host, "image", [A])
    assert not said["changed"] and "conflict" in said["say"]


def test_only_runs_that_have_ended_are_told_and_one_that_still_waits_stays(host: Host) -> None:
    for name, process in (("ended", {"pid": 0}), ("warm", process_identity()), ("begun", None)):
        host.files.write(f"runs/{name}/report.html", "x" * 5000)
        if process is not None:
            host.files.write_json(f"runs/{name}/process.json", process)
            host.files.write_json(f"runs/{name}/result.json", {"outcome": "done"})
    found = stock.stock(host)["runs"]
    # Whether a process still waits changes at any time, and must not change a plan.
    assert sorted(found) == ["ended", "warm"] and found["ended"]["bytes"] >= 5000
    said = stock.discard(host, "run", ["ended", "warm"])
    assert said["removed"] == ["ended"] and "warm stays" in said["say"]
    assert host.files.names("runs") == ["begun", "warm"]


def test_what_is_removed_is_gone_at_once_and_the_second_time_nothing_happens(host: Host) -> None:
    said = stock.discard(host, "release", ["one", "two"])
    assert (said["changed"], said["removed"]) == (True, ["one", "two"])
    assert host.files.names("releases") == ["three"] and json.dumps(sorted(host.releases())) == '["three"]'
    said = stock.discard(host, "release", ["one"])
    assert (said["changed"], said["removed"]) == (False, [])

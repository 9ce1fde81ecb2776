# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""prune.yml: what nobody needs goes, with exactly the images that nobody else has; everything else stays."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole, recorded
from ansible_collections.steady.runbooks.tests.system.scenario import end

MINORS = range(6)
KEEP = {"service_keep_releases": 2, "service_keep_days": 0, "service_keep_runs": 3}


def image(minor: int) -> str:
    """The digest of an image of a test's own, which is here without any tag, as a pull by digest leaves it."""
    name = f"127.0.0.1:5000/lv-prune:{minor}"
    made = f"FROM 127.0.0.1:5000/hello:1\nENV PRUNED={minor}\n"
    subprocess.run(["docker", "build", "-q", "-t", name, "-"], input=made, text=True, check=True, capture_output=True)
    docker("push", "-q", name)
    (digest,) = json.loads("".join(docker("image", "inspect", "-f", "{{json .RepoDigests}}", name)))
    docker("image", "rm", name)
    return str(digest)


def here(reference: str) -> bool:
    return not subprocess.run(["docker", "image", "inspect", reference], capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Acting, list[str]]]:
    """Six releases, each with an image of its own; 1.5.0 serves and 1.4.0 is warm."""
    lab.up(["haproxy:3.0"])
    shop.provide_hello()
    hello = Hello(tmp_path_factory.mktemp("prune"), "lv-prune", service_watch={"seconds": 0}, **KEEP)
    hello.remove()
    images = [image(minor) for minor in MINORS]
    one = Acting(hello)
    try:
        for minor in MINORS:
            version = f"1.{minor}.0"
            hello.write(f"releases/{version}.yml", f'version: "{version}"\nimages: {{web: "{images[minor]}"}}\n')
            one.done("apply_update", version)
        yield one, images
    finally:
        hello.remove()
        shop.gone("container", "lv-holds")
        for reference in images:
            if here(reference):
                docker("image", "rm", reference)


def kept(acting: Acting) -> list[str]:
    return sorted(record["version"] for record in acting.platform.host.releases().values())


def test_what_goes_is_listed_first_and_nothing_else_goes(service: tuple[Acting, list[str]]) -> None:
    acting, images = service
    hello = acting.hello
    # 1.0.0's image has somebody's container, 1.1.0's has somebody's tag.
    shop.gone("container", "lv-holds")
    docker("create", "--name", "lv-holds", images[0])
    docker("tag", images[1], "lv-prune-mine:1")
    told = hello.done("prune", "--check", "--diff")
    for minor in (0, 1, 2):
        assert f"Remove release 1.{minor}.0-" in told and "KiB)" in told
    assert "1.3.0-" not in [line for line in told.splitlines() if "Remove release" in line]
    assert f"Remove image {images[2]}" in told and "MiB)" in told
    assert f"Image {images[0]}" in told and "container lv-holds has it" in told
    assert f"Image {images[1]}" in told and "tagged lv-prune-mine:1" in told
    assert "runs with their reports" in told
    assert len(kept(acting)) == len(MINORS) and all(map(here, images))

    hello.done("prune")
    assert kept(acting) == ["1.3.0", "1.4.0", "1.5.0"], "what serves, the other slot, and what a rollback from it needs"
    assert [here(reference) for reference in images] == [True, True, False, True, True, True]
    assert len([run for run in hello.runs() if (run / "result.json").exists()]) <= 3 + 2  # and those still at work
    assert "ledger" in hello.done("history", "-e", "verify=true")
    assert not_whole(acting) == []
    again = acting.plan("prune", stays=False)["plan"]["steps"]
    assert {step["args"]["kind"] for step in again} <= {"run"}, "the runs of this test go on"
    docker("rm", "lv-holds")
    docker("rmi", "lv-prune-mine:1")

    acting.done("rollback")
    assert hello.version() == "1.4.0"
    acting.done("rollback", release="1.3.0")
    assert hello.version() == "1.3.0", "cold, from an image that had to stay"


def test_an_image_of_another_service_of_ours_stays(service: tuple[Acting, list[str]], tmp_path: Path) -> None:
    acting, images = service
    beside = Path(acting.state_directory) / "lv-prune-beside" / "releases" / "1.0.0-0"
    beside.mkdir(parents=True)
    try:
        record = {"id": "1.0.0-0", "version": "1.0.0", "images": {"app": images[5]}}
        (beside / "release.json").write_text(json.dumps(record))
        stock = acting.platform.stock()
        assert stock["images"][images[5]]["used"]
        assert "lv-prune-beside has it" in str(acting.platform.discard("image", [images[5]]))
    finally:
        acting.platform.host.files.remove("../lv-prune-beside")


@pytest.mark.parametrize("way", ["finish", "back"])
def test_a_prune_that_died_is_finished(service: tuple[Acting, list[str]], way: str) -> None:
    acting, _images = service
    for version in ("1.0.0", "1.2.0", "1.4.0"):
        acting.done("apply_update", version)
    acting.done("retire")
    act = acting.start(acting.plan("prune"))
    act.reach_step("discard")
    act.kill()
    if not recorded(acting, act):
        assert end(acting, act, way) == []
    assert not [name for name in acting.files.names("releases") if name.startswith(".")]
    assert not_whole(acting) == []

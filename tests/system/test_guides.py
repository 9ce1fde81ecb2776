# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every guide, followed to the letter: its files are written and its commands typed, one after the other.

Images of registry.example.com come from the lab's registry. Nothing else of a guide is changed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop as examples
from ansible_collections.steady.runbooks.tests.system.conftest import Service
from ansible_collections.steady.runbooks.tests.system.hello import Started, wait_until
from ansible_collections.steady.runbooks.tests.system.runner import ENVIRONMENT, ROOT

pytestmark = pytest.mark.usefixtures("alone_with_the_shop")

GUIDES = ROOT / "docs" / "docsite" / "rst"
NO_GUIDES = ("compose", "faults")  # tables that are held to their tests by others
REGISTRY = "127.0.0.1:5000"
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n(?:  :caption: (.+)\n)?\n((?:  .*\n|\n)+)", re.MULTILINE)
Person = Callable[..., "subprocess.CompletedProcess[str]"]


def blocks(guide: str) -> list[tuple[str, str, str]]:
    """(language, file that it is to be written to or "", text) of the blocks of a guide, in order."""
    text = (GUIDES / f"{guide}.rst").read_text().replace("registry.example.com", REGISTRY)
    return [
        (language, caption, re.sub(r"(?m)^  ", "", body).strip() + "\n")
        for language, caption, body in BLOCK.findall(text)
    ]


def commands(guide: str) -> list[str]:
    return [line for language, _file, text in blocks(guide) if language == "shell" for line in text.splitlines()]


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Types commands into one shell in the checkout; her files are in a home of her own, which notes/ stands for."""
    for guide in all_guides():
        for _language, file, text in blocks(guide):
            if file:
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / file).write_text(text)

    def types(command: str) -> subprocess.CompletedProcess[str]:
        command = command.replace(" notes/", f" {tmp_path}/notes/")
        return subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**ENVIRONMENT, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    yield types


def all_guides() -> list[str]:
    return sorted(path.stem for path in GUIDES.glob("*.rst") if path.stem not in NO_GUIDES)


def follow(guide: str, person: Person, before: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """Type all commands of a guide; what each printed. *before* has what happens before one that has a word."""
    said = {}
    for command in commands(guide):
        for word in [word for word in before if word in command]:
            before.pop(word)()
        typed = person(command)
        assert typed.returncode == 0, f"{command}\n{typed.stdout}{typed.stderr}"
        said[command] = typed.stdout
    assert said
    assert not before, f"the guide has no command with {list(before)}"
    return said


def test_quick_start(person: Person) -> None:
    """With the demo itself: what it promises in its end is true."""
    try:
        said = follow("quick_start", person, {})
        demo = said["make demo"]
        assert "Done in" in demo
        assert "users:  0 of" in demo
        assert Service("shop", "http://127.0.0.1:8080").get("/")[:2] == (200, "1.1.1")
    finally:
        examples.remove("shop")


def test_how_a_run_works(person: Person, shop: Service) -> None:
    shop.ensure("1.1.0", beside="1.0.0")
    said = follow("how_a_run_works", person, {})
    assert any(re.search(r"plan [0-9a-f]{16}", text) for text in said.values())
    assert shop.answers() == "1.1.0"


def test_something_went_wrong(person: Person, shop: Service, tmp_path: Path) -> None:
    shop.ensure("1.1.0", beside="1.0.0")

    def die() -> None:
        """As when the host goes down in the middle of an update."""
        shop.ensure("1.1.0", beside="1.0.0")
        runs = Path("/var/lib/steady", shop.name, "runs")
        before = set(runs.iterdir())
        update = ["ansible-playbook", "playbooks/apply_update.yml", "-e", "env=local", "-e", "version=1.1.1"]

        def stages() -> bool:
            logs = [run / "steps.jsonl" for run in set(runs.iterdir()) - before]
            return any(log.exists() and '"do": "stage"' in log.read_text() for log in logs)

        with Started(update) as controller:
            wait_until(stages, "the new release is started", 120)
            (run,) = set(runs.iterdir()) - before
            os.kill(json.loads((run / "process.json").read_text())["pid"], signal.SIGKILL)
            assert controller.wait() != 0

    follow("something_went_wrong", person, {"recover.yml -e env=local --check": die})
    assert shop.answers() == "1.1.0"
    assert shop.status()["run"] == {}


def test_awx_and_ci(person: Person, shop: Service) -> None:
    shop.ensure("1.1.0", beside="1.0.0")
    said = follow("awx_and_ci", person, {})
    assert "1.1.1" in list(said.values())[-1]
    assert shop.ledger()[-1]["reason"] == "pipeline"


def test_own_service(person: Person) -> None:
    lab.up(["redis:8"])
    examples.provide_hello()
    examples.remove("notes")
    try:
        follow("own_service", person, {})
        assert Service("notes", "http://127.0.0.1:8095").get("/")[0] == 200
    finally:
        examples.remove("notes")


def test_every_guide_is_followed() -> None:
    assert {f"test_{guide}" for guide in all_guides()} <= set(globals())

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some of the bad input through the real ansible-playbook: one error, no change, and no secret shown.

All of it is played in one process by tests/unit/corpus.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.tests.corpus.case import SECRET, Case
from ansible_collections.steady.runbooks.tests.corpus.classes import CLASSES
from ansible_collections.steady.runbooks.tests.system import runner, shop

PLAYED = {
    "extra_vars": ["version: a template", "version: Cyrillic", "a name that is nearly one", "env: misspelled"],
    "names": ["name: a path", "compose_files: a string", "edge_maintenance: a path out"],
    "values": ["secrets: empty", "secrets: a mapping inside", "registries: an address"],
    "services": ["roles: misspelled", "schema: another statement"],
    "runs": ["warm_seconds: negative", "watch: p99 below p95", "watch: normal is a number"],
    "smoke_tests": ["a secret that is not there"],
    "manifests": ["aliases that grow", "a call of Python"],
    "compose": ["aliases that grow", "interpolation: a secret in a port", "a link out of the source"],
}
CASES = {f"{kind}-{case.name}": case for kind, own in PLAYED.items() for case in CLASSES[kind] if case.name in own}
Said = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Said]]]:
    """All of them, two at a time: most of a run is waiting."""
    shop.remove("t-corpus")
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(play, case, tmp_path_factory.mktemp("corpus")) for name, case in CASES.items()}


def play(case: Case, root: Path) -> Said:
    case.write(root)
    variables = {**case.host(root), "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    local = {"vars": {"runbooks_environment": "local"}, "hosts": {"hello": variables}}
    inventory = root / "inventory.yml"
    inventory.write_text(json.dumps({"local": local}))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    extra = json.dumps({"env": case.env, **case.extra})
    return subprocess.run(
        [program, "-i", str(inventory), f"playbooks/{case.runbook}.yml", "-e", extra],
        cwd=runner.ROOT,
        env=runner.ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def test_each_class_is_played() -> None:
    assert set(PLAYED) == set(CLASSES)
    assert len(CASES) == sum(map(len, PLAYED.values())) >= 20


@pytest.mark.parametrize("name", sorted(CASES))
def test_is_refused(played: dict[str, Future[Said]], name: str) -> None:
    case, said = CASES[name], played[name].result()
    told = said.stdout
    assert said.returncode != 0, told
    assert not re.search(r"Traceback|WARNING|DEPRECAT|Unexpected|Task failed: (?!Module|Action)", told), told
    assert told.count("fatal: [") + (0 if "TASK [" in told else told.count("ERROR")) == 1, told
    assert "changed=0" in told or "TASK [" not in told, told
    text = " ".join(told.split()).replace("''", "'")
    for sentence in case.says:
        assert sentence.replace("\n", "\\n") in text, told
    assert SECRET not in told
    assert not Path("/var/lib/steady/t-corpus").exists()
    assert not shop.docker("ps", "--all", "--quiet", "--filter", "name=^t-corpus").split()

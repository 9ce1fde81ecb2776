# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input, class by class: one clear error that names the field and the next step, no change, and no secret in it."""

from __future__ import annotations

import hashlib
import os
import resource
import tempfile
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.tests.corpus import valid
from ansible_collections.steady.runbooks.tests.corpus.case import SECRET, Case
from ansible_collections.steady.runbooks.tests.corpus.classes import CLASSES

from . import pipeline

SECONDS = 2.0  # of computing, with what it starts


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that everything is in, temporary files too."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return tmp_path


def computed() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def digests(root: Path) -> dict[str, str]:
    """Everything that is there, but what a plan unpacks for itself."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name != b"scratch"]
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            content = b"" if not os.path.isfile(path) or os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()
            found[ascii(path)] = hashlib.sha256(content).hexdigest()
    return found


def check(refused: Refused, case: Case) -> None:
    told = f"{refused.detail}. {refused.next_step}"
    for sentence in case.says:
        assert sentence in told
    assert refused.code and refused.next_step
    # What was typed is shown escaped: a terminal must not be made to say something else.
    assert refused.detail.isprintable() and refused.next_step.isprintable(), told
    assert len(told) < 1500
    assert SECRET not in str(refused.as_dict())
    assert "internal" not in refused.code and "Traceback" not in told


def parameters(*classes: str) -> list[object]:
    return [pytest.param(case, id=f"{name}-{case.name}") for name in classes for case in CLASSES[name]]


@pytest.mark.parametrize("case", parameters(*CLASSES))
def test_is_refused(case: Case, root: Path) -> None:
    case.write(root)
    before, began = digests(root), computed()
    with pytest.raises(Refused) as refused:
        pipeline.play(case, root)
    assert computed() - began < SECONDS
    check(refused.value, case)
    if refused.value.code == "invalid_setting":
        with pytest.raises(Refused):  # and no run is started with such settings, planned or not
            pipeline.start(case, root)
    assert digests(root) == before


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in valid.CASES])
def test_is_accepted(case: Case, root: Path) -> None:
    case.write(root)
    before, began = digests(root), computed()
    planned = pipeline.play(case, root)
    assert computed() - began < 2 * SECONDS
    assert planned["plan"]["steps"] and planned["plan"]["to"]
    assert SECRET not in str(planned)
    assert digests(root) == before


def test_there_are_enough() -> None:
    assert sum(map(len, CLASSES.values())) >= 260
    assert len(valid.CASES) >= 40
    for name, cases in {**CLASSES, "valid": valid.CASES}.items():
        assert len({case.name for case in cases}) == len(cases), name
        assert all(bool(case.says) == (name != "valid") for case in cases), name

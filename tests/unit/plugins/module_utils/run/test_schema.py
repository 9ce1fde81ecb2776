# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which release can live with which state of the database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.run.schema import lives_with, survives


def record(name: str, revision: str | None = None, compatible: Any = None, additive_to: Any = ()) -> dict[str, Any]:
    schema = {"revision": revision, "compatible": compatible or [revision], "additive_to": list(additive_to)}
    return {"id": name, "version": name, "schema": schema if revision else {}}


ONE = record("one", "r1")
TWO = record("two", "r2", additive_to=["r1"])
THREE = record("three", "r3", additive_to=["r2"])
CONTRACT = record("contract", "r4", compatible=["r3", "r4"])
KNOWN = [ONE, TWO, THREE, CONTRACT]


@pytest.mark.parametrize(
    ("release", "revision", "lives"),
    [
        (ONE, "r1", True),
        (ONE, "r2", True),  # an expansion that the older code does not notice
        (ONE, "r3", True),  # and one more upon it
        (ONE, "r4", False),
        (TWO, "r1", False),
        (CONTRACT, "r3", True),
        (CONTRACT, "r2", False),
        (ONE, "unknown", False),
        (ONE, None, True),  # no database says anything
        (record("none"), "r1", True),  # nor does the release
        ({"id": "older", "schema": None}, "r1", True),
    ],
)
def test_lives_with(release: dict[str, Any], revision: str | None, lives: bool) -> None:
    assert lives_with(release, revision, KNOWN) is lives


def test_revisions_that_name_each_other_end() -> None:
    circle = [record("a", "x", additive_to=["y"]), record("b", "y", additive_to=["x"])]
    assert lives_with(circle[0], "y", circle)
    assert not lives_with(circle[0], "z", circle)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))), max_size=6), st.randoms())
def test_the_order_of_what_is_known_does_not_matter(additions: list[tuple[str, set[str]]], dice: Any) -> None:
    known = [record(name, name, additive_to=to) for name, to in additions]
    mixed = list(known)
    dice.shuffle(mixed)
    for revision in "abcdef":
        assert lives_with(record("me", "a"), revision, known) == lives_with(record("me", "a"), revision, mixed)


@pytest.mark.parametrize(
    ("schema", "jobs", "lives"),
    [
        ("r1", [], True),
        ("r1", ["two"], True),  # what it will leave is additive
        ("r1", ["contract"], False),  # what it will leave is not
        ("r1", ["gone"], True),  # a job of a release of which nothing is known any more
        ("r4", ["two"], False),
    ],
)
def test_a_job_that_is_at_work_counts_as_what_it_will_leave(schema: str, jobs: list[str], lives: bool) -> None:
    observed = {
        "schema": schema,
        "releases": {one["id"]: one for one in KNOWN},
        "jobs": [{"release": name, "service": "migrate"} for name in jobs],
    }
    assert survives(ONE, observed) is lives


def test_the_release_of_a_dead_run_need_not_be_kept_here_yet() -> None:
    observed = {"schema": "r1", "releases": {"one": ONE}, "jobs": [{"release": "new", "service": "migrate"}]}
    assert not survives(ONE, observed, record("new", "r9"))

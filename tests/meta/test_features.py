# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of compose features is the one that its tests make, and names tests that there are."""

from __future__ import annotations

import re

from ansible_collections.steady.runbooks.tests.corpus.features import PAGE, features, recorded, table
from ansible_collections.steady.runbooks.tests.meta import tree


def test_the_table_and_the_recordings_are_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run tests/checks/features"
    assert {one.id: one.digest for one in features()} == {name: made["digest"] for name, made in recorded().items()}


def test_each_test_of_a_row_is_there() -> None:
    for named in {one.system for one in features() if one.system}:
        file, _colons, name = named.partition("::")
        assert re.search(rf"^def {name}\(", (tree.ROOT / "tests/system" / file).read_text(), re.MULTILINE), named

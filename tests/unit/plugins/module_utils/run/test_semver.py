# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import semver

# The order that semver.org gives, item 11.
ORDERED = (
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-0",
    "2.0.0",
)


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations(ORDERED, 2)))
def test_order(low: str, high: str) -> None:
    assert semver.compare(low, high) == -1
    assert semver.compare(high, low) == 1


def test_build_metadata_takes_no_part() -> None:
    assert semver.compare("1.0.0+linux.5", "1.0.0+2") == 0
    assert semver.change("1.0.0", "1.0.0+7") == "same"


@pytest.mark.parametrize("text", ["1.0.0", "0.0.0", "1.2.3-a.b-c.1+d.001", "1.0.0--", "10.20.30", "1.0.0-0a"])
def test_versions(text: str) -> None:
    assert semver.is_version(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "1.0.0-a..b", " 1.0.0", "1.0.0\n",
     "1.0.0-ä", "１.0.0", "latest", "../1.0.0", "9999999999.0.0"],
)  # fmt: skip
def test_no_versions(text: str) -> None:
    assert not semver.is_version(text)
    with pytest.raises(Refused) as caught:
        semver.parse(text)
    assert caught.value.code == "invalid_version"
    assert "MAJOR.MINOR.PATCH" in caught.value.next_step


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("1.0.0", "1.0.1", "hotfix"),
        ("1.0.9", "1.1.0", "minor"),
        ("1.9.9", "2.0.0", "major"),
        ("1.0.0", "3.1.4", "major"),
        ("0.1.0", "0.2.0", "minor"),
        ("1.1.0", "1.0.9", "downgrade"),
        ("1.0.0", "1.0.0-rc.1", "downgrade"),
        ("1.0.0", "1.0.0", "same"),
        ("1.0.1-rc.1", "1.0.1", "hotfix"),
        ("1.1.0-rc.1", "1.1.0-rc.2", "minor"),
        ("2.0.0-rc.1", "2.0.0", "major"),
        ("1.9.0", "2.0.0-rc.1", "major"),
    ],
)
def test_change(old: str, new: str, kind: str) -> None:
    assert semver.change(old, new) == kind


@pytest.mark.parametrize(
    ("version", "text", "inside"),
    [
        ("1.0.0", ">=1.0.0 <2.0.0", True),
        ("1.99.0", ">=1.0.0 <2.0.0", True),
        ("2.0.0", ">=1.0.0 <2.0.0", False),
        ("0.9.9", ">=1.0.0 <2.0.0", False),
        ("2.0.0-rc.1", "<2.0.0", False),
        ("2.0.0-rc.1", "<2.0.0-rc.2", True),
        ("1.1.0-rc.1", ">=1.0.0 <2.0.0", True),
        ("1.0.0-rc.1", ">=1.0.0", False),
        ("1.0.0", "1.0.0", True),
        ("1.0.0", "=1.0.1", False),
        ("1.0.0", ">1.0.0", False),
        ("1.0.0", "<=1.0.0", True),
    ],
)
def test_range(version: str, text: str, inside: bool) -> None:
    assert semver.in_range(version, text) is inside


@pytest.mark.parametrize(
    "text", ["", " ", "1.x", "^1.0.0", "~1.0.0", ">= 1.0.0", ">=1.0.0,<2.0.0", ">=1.0.0 || 2.0.0", "*"]
)
def test_no_range(text: str) -> None:
    with pytest.raises(Refused) as caught:
        semver.check_range(text)
    assert caught.value.code == "invalid_range"
    assert ">=1.0.0 <2.0.0" in caught.value.next_step

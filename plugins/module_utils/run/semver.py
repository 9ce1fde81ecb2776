# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Semantic Versioning 2.0.0: order, ranges, and what kind of change lies between two versions."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import Refused
from .variables import SEMVER, shown

CHANGES = ("hotfix", "minor", "major")
_COMPARATOR = re.compile(rf"(>=|<=|>|<|=|)({SEMVER})")


class Version(NamedTuple):
    """A parsed version. Build metadata is no part of it, because it does not take part in the order."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...]

    @property
    def core(self) -> tuple[int, int, int]:
        return self[:3]


def is_version(text: str) -> bool:
    return re.fullmatch(SEMVER, text) is not None


def parse(text: str) -> Version:
    """Parse ``MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD]``, or refuse."""
    match = re.fullmatch(SEMVER, text)
    if not match:
        raise Refused(
            f"{shown(text)} is no SemVer version",
            code="invalid_version",
            next_step="Write MAJOR.MINOR.PATCH, for example 1.1.0 or 2.0.0-rc.1.",
        )
    major, minor, patch, prerelease, _build = match.groups()
    return Version(int(major), int(minor), int(patch), tuple(prerelease.split(".")) if prerelease else ())


def precedence(text: str) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
    """A key that sorts versions by their precedence: a prerelease before its release, numbers before words."""
    version = parse(text)
    identifiers = tuple(
        (False, int(part), "") if part.isdigit() else (True, 0, part) for part in version.prerelease
    )  # fmt: skip
    return version.core, not version.prerelease, identifiers


def compare(one: str, other: str) -> int:
    """-1, 0 or 1: *one* comes before, is as high as, or comes after *other*."""
    left, right = precedence(one), precedence(other)
    return (left > right) - (left < right)


def change(old: str, new: str) -> str:
    """The kind of change from *old* to *new*: ``hotfix``, ``minor``, ``major``, ``downgrade`` or ``same``.

    Between prereleases of one version, and from one to the release, it is the kind of that version itself: from
    2.0.0-rc.1 to 2.0.0 is major, because 2.0.0-rc.1 is not trusted to be a 2.0.0.
    """
    order = compare(old, new)
    if order == 0:
        return "same"
    if order > 0:
        return "downgrade"
    before, after = parse(old), parse(new)
    if before.core == after.core:
        return "hotfix" if after.patch else "minor" if after.minor else "major"
    if before.major != after.major:
        return "major"
    return "minor" if before.minor != after.minor else "hotfix"


def check_range(text: str) -> None:
    """Refuse a range that is not made of comparators like ``>=1.0.0 <2.0.0``."""
    _comparators(text)


def in_range(version: str, text: str) -> bool:
    """Tell whether *version* meets every comparator of the range *text* (``>=1.0.0 <2.0.0``).

    ``<2.0.0`` leaves out 2.0.0-rc.1 as well: who excludes a release does not want its prereleases. Otherwise
    prereleases follow the order.
    """
    return all(_meets(version, operator, bound) for operator, bound in _comparators(text))


def _meets(version: str, operator: str, bound: str) -> bool:
    order = compare(version, bound)
    if operator == "<":
        one, other = parse(version), parse(bound)
        return order < 0 and not (one.prerelease and not other.prerelease and one.core == other.core)
    return {">=": order >= 0, "<=": order <= 0, ">": order > 0}.get(operator, order == 0)


def _comparators(text: str) -> list[tuple[str, str]]:
    found = [_COMPARATOR.fullmatch(word) for word in text.split()]
    matches = [match for match in found if match]
    if not matches or len(matches) < len(found):
        raise Refused(
            f"{shown(text)} is no range of versions",
            code="invalid_range",
            next_step='Write comparators that must all hold, for example ">=1.0.0 <2.0.0".',
        )
    return [(match.group(1), match.group(2)) for match in matches]

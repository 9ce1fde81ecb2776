# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which release can live with which state of the database. Revisions are names, not numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Record = Mapping[str, Any]


def lives_with(release: Record, revision: str | None, known: Iterable[Record]) -> bool:
    """Whether *release* works on a database at *revision*.

    It does with the revisions that it names itself, and with those that another known release declares to be
    ``additive_to`` one of these (an expansion, which the older code does not notice). A release that names no
    revision and a database that has none are left alone.
    """
    own = release.get("schema") or {}
    accepted = set(own.get("compatible") or ([own["revision"]] if own.get("revision") else []))
    if revision is None or not accepted:
        return True
    additions = [record.get("schema") or {} for record in known]
    grown = True
    while grown:
        grown = False
        for addition in additions:
            name = addition.get("revision")
            if name and name not in accepted and accepted & set(addition.get("additive_to") or []):
                accepted.add(name)
                grown = True
    return revision in accepted


def survives(release: Record, observed: Mapping[str, Any], *known: Record) -> bool:
    """Whether *release* can serve on the database as it is observed, and as the jobs that still run will leave it."""
    records = {**observed["releases"], **{record["id"]: record for record in known}}
    coming = [(records.get(job["release"]) or {}).get("schema") or {} for job in observed.get("jobs") or []]
    revisions = [observed["schema"], *(schema["revision"] for schema in coming if schema.get("revision"))]
    return all(lives_with(release, revision, records.values()) for revision in revisions)

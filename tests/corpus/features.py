# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What compose files can contain, as data: each feature with a snippet, what happens, and what that is seen by.

The snippets are in ``compose_features/``; what Docker Compose made of them is recorded in ``models.json`` there, so
that they can be played where there is no Compose. ``tests/checks/features`` records them anew and writes the table of
the documentation from them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.compose.config import render_source
from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Model
from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import check_settings
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

FOLDER = Path(__file__).parent / "compose_features"
RECORDED = FOLDER / "models.json"
PAGE = Path(__file__).parents[2] / "docs/docsite/rst/compose.rst"
SOURCE = "/srv/source"
OUTCOMES = {
    "works": "works",
    "note": "works, and says what is different",
    "exclusive": "never runs twice: requests are held while it is switched",
    "refused": "is refused before anything changes",
}
# What a snippet has unless it says otherwise: one web service, said to be ready by its healthcheck.
WEB = {"image": "registry.example.com/app:1", "ports": ["8080:80"], "healthcheck": {"test": ["CMD", "check"]}}


@dataclass(frozen=True)
class Feature:
    """One feature. *files* are those of the source; *settings* are of the target (without their prefix).

    *says* is what the finding, the reason or the refusal contains; *roles*, *slot*, *base* and *job* are parts of what
    is understood and rendered. *declare* are settings that allow what is refused, or lift what is exclusive.
    """

    section: str
    name: str
    happens: str
    outcome: str
    files: Mapping[str, str]
    settings: Mapping[str, Any]
    says: tuple[str, ...]
    roles: Mapping[str, str]
    slot: Mapping[str, Any]
    base: Mapping[str, Any]
    job: Mapping[str, Any]
    declare: Mapping[str, Any]
    system: str

    @property
    def id(self) -> str:
        return re.sub(r"[^a-z0-9_]+", "-", self.name.lower()).strip("-")

    @property
    def digest(self) -> str:
        """Of all that Compose reads: a recording of something else is stale."""
        names = ("compose_files", "profiles", "environment")
        read = [sorted(self.files.items()), [self.settings.get(name) for name in names]]
        return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]

    def settings_with(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """As the code gets them: checked, with every default."""
        return {**check_settings({"name": "app", **self.settings, **more}), "source_files": sorted(self.files)}

    def record(self) -> dict[str, Any]:
        """What Docker Compose makes of it: ``{"digest", "model"}``, or ``refused`` with the reason."""
        settings = self.settings_with({})
        with tempfile.TemporaryDirectory() as folder:
            for name, text in self.files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            rules = (settings["compose_files"], settings["profiles"], settings["project"], settings["environment"])
            try:
                model: Model = render_source(Docker({}), folder, *rules)
            except Refused as refused:
                return {"digest": self.digest, "refused": [f"{refused.detail}.", refused.next_step]}
            return {"digest": self.digest, "model": json.loads(json.dumps(model).replace(folder, SOURCE))}


def features() -> list[Feature]:
    """All of them, section by section, as they stand in the table."""
    return [one for path in sorted(FOLDER.glob("*.yml")) for one in _section(yaml.safe_load(path.read_text()))]


def recorded() -> dict[str, Any]:
    return dict(json.loads(RECORDED.read_text(encoding="utf-8")))


def _section(content: Mapping[str, Any]) -> Iterator[Feature]:
    for case in content["features"]:
        files = dict(case.get("files") or {})
        if "compose.yaml" not in files:
            services = {"web": {**WEB, **(case.get("web") or {})}, **(case.get("services") or {})}
            services["web"] = {key: value for key, value in services["web"].items() if value is not None}
            files["compose.yaml"] = yaml.safe_dump({"services": services, **(case.get("top") or {})}, sort_keys=False)
        says = case.get("says") or ()
        yield Feature(
            section=content["section"],
            name=case["feature"],
            happens=case["happens"],
            outcome=case.get("outcome", "works"),
            files=files,
            settings=case.get("settings") or {},
            says=(says,) if isinstance(says, str) else tuple(says),
            system=case.get("system", ""),
            **{part: case.get(part) or {} for part in ("roles", "slot", "base", "job", "declare")},
        )


HEAD = """\
..
  Copyright (c) 2026, the steady.runbooks authors
  GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. Written by tests/checks/features from tests/corpus/compose_features: change it there.

.. _ansible_collections.steady.runbooks.docsite.compose:

What happens to a compose file
==============================

A service is put under the runbooks as it is: its compose files are read by Docker Compose itself, and each release is
rendered from them into a slot of its own. What cannot run twice is said before anything is done, and so is the
declaration that would help. What is not known here is refused by name, never guessed.

The outcome of each row is what its test sees. Rows without a test of their own are those of
``tests/unit/plugins/module_utils/compose/test_features.py``, which plays the snippet of every row (in
``tests/corpus/compose_features``) as Docker Compose understood it; the others are seen on real containers as well.
"""


TAIL = """
Room for two
------------

Before a release is started beside another, its room is looked at: memory (what the present slot uses now, within the
limits and above the reservations of the compose file), processors, disk for images that have to be fetched, the
engine's address pools, and the connections of each PostgreSQL of the service (what the present slot holds now, beside
what is kept for superusers; it is asked read-only, in its own container). ``preflight.yml`` tells all of it, and so
does the plan of an update. What is missing is refused with its numbers and the exclusive way, ``service_switch: hold``,
in which requests wait while one release stops and the other starts. ``tests/system/test_headroom.py`` plays it.
"""


def table() -> str:
    """The page of the documentation."""
    parts, section = [HEAD], ""
    for one in features():
        if one.section != section:
            section = one.section
            parts.append(f"\n{section}\n{'-' * len(section)}\n\n.. list-table::\n  :header-rows: 1\n")
            parts.append("  :widths: 22 14 42 22\n\n")
            parts.append(_row("In the compose file", "Outcome", "What happens", "Test"))
        test = f"``{one.system}``" if one.system else f"``[{one.id}]``"
        parts.append(_row(_literal(one.name), one.outcome, _literal(one.happens) + _declaration(one), test))
    return "".join([*parts, TAIL])


def _row(first: str, *others: str) -> str:
    return f"  * - {first}\n" + "".join(f"    - {other}\n" for other in others)


def _literal(text: str) -> str:
    return " ".join(text.replace("`", "``").split())


def _declaration(one: Feature) -> str:
    if not one.declare:
        return ""
    words = "; ".join(f"service_{name}: {json.dumps(value)}" for name, value in one.declare.items())
    return f" Allowed by ``{words}``." if one.outcome == "refused" else f" Otherwise with ``{words}``."


def main() -> None:
    """Record every snippet, and write the table."""
    models = {one.id: one.record() for one in features()}
    RECORDED.write_text(json.dumps(models, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()

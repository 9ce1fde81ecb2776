# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The corpus of input: what a case is, and the ordinary service that each case spoils in one place.

A case is data. tests/unit/corpus plays all of them in one process, tests/system/test_corpus.py some through
ansible-playbook.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Planted wherever a secret belongs: no error may show it.
SECRET = "s3cr3t-Pa55word"
SECRETS = {"DB_PASSWORD": SECRET, "TOKEN": f"{SECRET}-2"}

COMPOSE = """\
services:
  web:
    image: 127.0.0.1:5000/hello:${VERSION}
    ports: ["${PORT}:8000"]
    environment: {PASSWORD: "${DB_PASSWORD}"}
    depends_on: [db]
  db:
    image: 127.0.0.1:5000/postgres:17
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
    volumes: ["db:/var/lib/postgresql/data"]
volumes:
  db:
"""
MANIFEST = """\
version: "1.1.0"
changes: [Say hello twice]
images: {web: "127.0.0.1:5000/hello:1.1.0"}
"""
FILES: dict[str, Any] = {"source/compose.yaml": COMPOSE, "releases/1.1.0.yml": MANIFEST}
VARIABLES: dict[str, Any] = {
    "service_name": "t-corpus",
    "service_environment": {"PORT": "18099"},
    "service_secrets": SECRETS,
    "service_registries": [{"registry": "127.0.0.1:5000", "username": "me", "password": SECRET}],
    "service_ready": {"web": {"path": "/", "port": 8000}},
    "service_edge_image": "127.0.0.1:5000/haproxy:3.0",
}


@dataclass(frozen=True)
class Link:
    """A file that is a symbolic link."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """A file that is a named pipe."""


@dataclass(frozen=True)
class Case:
    """What is other than in the ordinary service, and what the one error has to say; nothing when it is accepted.

    *variables* are those of the inventory's host, *extra* what is said with ``-e`` (version 1.1.0 unless given),
    *files* are by path (None: not there), *groups* is the inventory: group -> host -> its ``runbooks_environment``.
    """

    name: str
    says: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[Any, Any] = field(default_factory=lambda: {"version": "1.1.0"})
    files: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"local": {"hello": "local"}})
    runbook: str = "apply_update"
    env: Any = "local"
    code: str = ""

    def write(self, root: Path) -> None:
        """Make the directories ``source`` and ``releases`` of the case."""
        for part in ("source", "releases"):
            (root / part).mkdir()
        for name, content in {**FILES, **self.files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.target)
            elif isinstance(content, Pipe):
                os.mkfifo(path)
            elif content is not None:
                path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))

    def host(self, root: Path) -> dict[str, Any]:
        """The variables of the inventory's host."""
        own = {"service_source": str(root / "source"), "service_manifests": str(root / "releases")}
        return {**VARIABLES, **own, **self.variables}


def inventory(name: str, /, *says: str, **variables: Any) -> Case:
    """A case of inventory variables, given without the prefix that all have."""
    return Case(name, says, variables={f"service_{key}": value for key, value in variables.items()})

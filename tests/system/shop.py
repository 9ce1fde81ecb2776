# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples on this machine: their images into the lab's registry, and all of a service away again."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.steady.runbooks.tests.lab import lab

ROOT = Path(__file__).resolve().parents[2]
BASES = ("haproxy:3.0", "python:3.13-slim", "postgres:17", "redis:8", "nginx:1")
# A mix as of people: pages, what the pages ask the backend for, and orders.
USERS = (
    "30 GET /",
    "30 GET /api/version",
    "20 GET /api/orders/1",
    '20 POST /api/orders {"item": "book", "quantity": 1}',
)


def provide_images(*releases: str) -> None:
    """Registry, base images and the shop's releases; quick when they are there."""
    lab.up(list(BASES))
    missing = [release for release in releases if not _built(release)]
    if missing:
        run(str(ROOT / "examples/shop/build"), *missing)


def _built(release: str) -> bool:
    return all(lab.pushed(f"shop-{part}:{release}") for part in ("backend", "frontend"))


def provide_hello() -> None:
    """The images of the smallest example."""
    lab.up(["haproxy:3.0", "python:3.13-slim"])
    if not all(lab.pushed(f"hello:{number}") for number in (1, 2)):
        run(str(ROOT / "examples/hello/build"))


def remove(*services: str) -> None:
    """Everything of these services on this machine: containers, networks, volumes and state; images stay."""
    run(str(ROOT / "examples/remove"), *services)


def gone(kind: str, name: str) -> None:
    """Nothing of this name is on the engine; a session that was killed may have left it."""
    docker(kind, "rm", "--force", *(["--volumes"] if kind == "container" else []), name)


def docker(*words: str) -> str:
    return run("docker", *words)


def run(*words: str) -> str:
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if said.returncode:
        raise lab.LabError(f"{' '.join(words[:3])}: {(said.stderr or said.stdout).strip()[-2000:]}")
    return said.stdout

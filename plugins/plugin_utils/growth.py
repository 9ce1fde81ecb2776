# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML whose aliases grow without bound: Compose expands them until the host has no memory left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

MOST = 100_000  # nodes of a file, each alias counted as what it stands for
LARGEST = 4 * 1024 * 1024  # bytes of a file that is looked at
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_growth(directory: str) -> None:
    """Refuse a YAML file below *directory* that is small and means something very large. What is no YAML is not ours
    to say: Compose does."""
    for path in _files(directory):
        with open(path, "rb") as file:
            content = file.read(LARGEST)
        if b"*" in content and _nodes(content) > MOST:
            name = os.path.relpath(path, directory)
            raise Refused(
                f"{name} has aliases that grow to more than {MOST} values",
                code="source_invalid",
                last_seen={"file": name},
                next_step=f"Write {name} in service_source without aliases of aliases.",
            )


def _files(directory: str) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name != ".git"]
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith((".yml", ".yaml")) and os.path.isfile(path) and not os.path.islink(path):
                yield path


def _nodes(content: bytes) -> int:
    """How many nodes there are once each alias is what it stands for; counted without expanding any."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]

    def add(size: int) -> None:
        anchor, before = open_nodes[-1]
        # Enough is enough: the numbers themselves must not grow.
        open_nodes[-1] = anchor, min(before + size, MOST + 1)

    try:
        for event in yaml.parse(content, Loader=LOADER):
            if isinstance(event, yaml.AliasEvent):
                add(sizes.get(str(event.anchor), 1))
            elif isinstance(event, yaml.ScalarEvent):
                add(1)
            elif isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((_name(event), 1))
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, size = open_nodes.pop()
                if anchor:
                    sizes[anchor] = size
                add(size)
    except (yaml.YAMLError, ValueError):
        pass  # what came before counts
    return sum(size for _anchor, size in open_nodes)


def _name(event: Any) -> str | None:
    return event.anchor if isinstance(event.anchor, str) else None

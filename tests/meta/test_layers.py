# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may import whom."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.tests.meta import tree

UTILS = tree.PLUGINS / "module_utils"
INSIDE = f"ansible_collections.{tree.NAME}.plugins.module_utils."
# What knows no platform. Every other package is a platform or a store.
PURE = {"carried", "errors", "report", "run", "verify"}
CARRIED = re.compile(r"""carried\(module, "([\w.]+)"\)""")


def own(path: Path) -> set[str]:
    """The packages (or single files) of module_utils that a file imports."""
    return {name.removeprefix(INSIDE).split(".")[0] for name in tree.imports(path) if name.startswith(INSIDE)}


def sources(folder: Path) -> list[str]:
    return sorted(tree.relative(path) for path in folder.rglob("*.py"))


@pytest.mark.parametrize("source", sources(UTILS))
def test_module_utils_need_nothing_but_python(source: str) -> None:
    """A target has only Python; and a domain that knew AnsibleModule could not be tested without one."""
    outside = {name for name in tree.imports(tree.ROOT / source) if not name.startswith(INSIDE)}
    strange = [name for name in outside if name.split(".")[0] not in sys.stdlib_module_names]
    # Ansible ships its own client of HTTP with the module.
    assert not [name for name in sorted(strange) if not name.startswith("ansible.module_utils.urls.")]
    assert not [name for name in outside if name.startswith("importlib.import_module")], "AnsiballZ would not ship it"


@pytest.mark.parametrize("source", sources(UTILS))
def test_the_run_knows_no_platform(source: str) -> None:
    path = tree.ROOT / source
    package = path.relative_to(UTILS).parts[0].removesuffix(".py")
    if package in PURE:
        assert own(path) <= PURE


@pytest.mark.parametrize("source", sources(tree.PLUGINS / "modules"))
def test_a_module_knows_one_platform(source: str) -> None:
    carried = CARRIED.findall((tree.ROOT / source).read_text())
    assert not [name for name in carried if not UTILS.joinpath(*name.split(".")).with_suffix(".py").is_file()]
    platforms = own(tree.ROOT / source) | {name.split(".")[0] for name in carried}
    assert len(platforms - PURE) <= 1, sorted(platforms)


@pytest.mark.parametrize("source", sources(tree.PLUGINS))
def test_only_modules_import_ansible_module(source: str) -> None:
    if not source.startswith("plugins/modules/"):
        assert not [name for name in tree.imports(tree.ROOT / source) if name.startswith("ansible.module_utils.basic")]

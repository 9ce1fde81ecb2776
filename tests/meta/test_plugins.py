# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules, actions and lookups are documented, say what they can do, and are tested."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.tests.meta import tree

MODULES = tree.plugins("modules")
EVERYTHING = [
    (folder, name)
    for folder in ("modules", "action", "lookup", "filter", "test", "callback")
    for name in tree.plugins(folder)
]


def _options_without_description(options: dict, prefix: str = "") -> list[str]:
    missing = []
    for name, option in (options or {}).items():
        if not option.get("description"):
            missing.append(prefix + name)
        missing += _options_without_description(option.get("suboptions"), f"{prefix}{name}.")
    return missing


@pytest.mark.parametrize(("kind", "name"), tree.documented())
def test_is_documented(kind: str, name: str) -> None:
    content = tree.documentation(kind).get(name)
    assert content, f"ansible-doc finds no documentation of {name}"
    doc = content["doc"]
    for key in ("short_description", "description", "author"):
        assert doc.get(key), f"{key} is missing"
    assert not _options_without_description(doc.get("options")), "options without a description"
    assert content.get("examples"), "EXAMPLES are missing"
    assert content.get("return"), "RETURN is missing"


@pytest.mark.parametrize("name", MODULES)
def test_says_what_it_supports(name: str) -> None:
    attributes = tree.documentation("module")[name]["doc"].get("attributes") or {}
    for attribute in ("check_mode", "diff_mode", "idempotent"):
        claim = attributes.get(attribute)
        assert claim, f"attribute {attribute} is not documented"
        assert claim.get("support") in ("full", "partial", "none", "N/A"), f"{attribute}: {claim.get('support')}"
        assert claim["support"] != "partial" or claim.get("details"), f"{attribute}: partial, but not what is missing"


@pytest.mark.parametrize("name", tree.plugins("action"))
def test_action_has_a_documented_module(name: str) -> None:
    assert name in MODULES


@pytest.mark.parametrize(("folder", "name"), EVERYTHING)
def test_has_unit_tests(folder: str, name: str) -> None:
    # An action's module is documentation only: the tests of the action are its tests.
    folders = {folder, "action"} if folder == "modules" and name in tree.plugins("action") else {folder}
    wanted = [tree.ROOT / "tests" / "unit" / "plugins" / each / f"test_{name}.py" for each in sorted(folders)]
    assert any(path.is_file() for path in wanted), " or ".join(tree.relative(path) for path in wanted)


@pytest.mark.parametrize(("folder", "name"), EVERYTHING)
def test_runs_on_a_real_host(folder: str, name: str) -> None:
    assert ("plugins", name) in tree.exercised(), (
        "no integration target names it, and no role or playbook that is tested"
    )


def test_action_group_has_every_module() -> None:
    runtime = tree.load(tree.ROOT / "meta" / "runtime.yml")
    assert runtime["action_groups"] == {"steady": MODULES}

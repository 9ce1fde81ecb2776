# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role can be used from its documentation alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import SETTINGS
from ansible_collections.steady.runbooks.tests.meta import tree

ROLES = tree.roles()
TYPES = {"str": str, "path": str, "list": list, "dict": dict, "raw": (dict, list), "int": int}


def specs(role: str) -> dict[str, Any]:
    path = tree.ROOT / "roles" / role / "meta" / "argument_specs.yml"
    assert path.is_file(), tree.relative(path)
    return tree.load(path)["argument_specs"]


def defaults(role: str) -> dict[str, Any]:
    path = tree.ROOT / "roles" / role / "defaults" / "main.yml"
    return (tree.load(path) or {}) if path.is_file() else {}


def incomplete(options: dict[str, Any], prefix: str = "") -> list[str]:
    """What is missing in the specification of options, as 'name: what'."""
    found = []
    for name, option in (options or {}).items():
        path = prefix + name
        found += [f"{path}: {key}" for key in ("description", "type") if not option.get(key)]
        if option.get("type") == "list" and not option.get("elements"):
            found.append(f"{path}: elements")
        found += incomplete(option.get("options"), f"{path}.")
    return found


@pytest.mark.parametrize("role", ROLES)
def test_specification_is_complete(role: str) -> None:
    for entry, spec in specs(role).items():
        assert spec.get("short_description"), f"{entry}: short_description"
        assert spec.get("description"), f"{entry}: description"
        assert not incomplete(spec.get("options"), f"{entry}.")
        strange = [name for name in spec.get("options") or {} if not name.startswith(f"{role}_")]
        assert not strange, f"{entry}: options that are not named after the role"


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    declared: dict[str, Any] = {}
    known = set()
    for entry, spec in specs(role).items():
        for name, option in (spec.get("options") or {}).items():
            known.add(name)
            if "default" in option:
                assert declared.setdefault(name, option["default"]) == option["default"], f"{entry}: {name}"
    # A default of the role that no option has would be a setting that nobody can find.
    assert defaults(role) == declared
    assert set(defaults(role)) <= known


def test_what_the_target_checks_is_what_is_documented() -> None:
    """The playbooks leave the check of settings to the target, whose errors are one sentence."""
    documented = specs("service")["verify"]["options"]
    told = tree.load(tree.ROOT / "roles/service/vars/main.yml")["__service_settings"]
    assert set(told) == set(SETTINGS)
    for name, (default, _check) in SETTINGS.items():
        option = documented[f"service_{name}"]
        assert option.get("required", False) is (default is None), name
        assert option.get("default") == default, name
        assert default is None or isinstance(default, TYPES[option["type"]]), name


def test_playbooks_leave_the_check_of_settings_to_the_target() -> None:
    for path in (tree.ROOT / "playbooks").glob("*.yml"):
        for play in tree.load(path):
            for task in play.get("tasks") or []:
                role = task.get("ansible.builtin.import_role") or {"rolespec_validate": False}
                assert role.get("rolespec_validate") is False, path.name


@pytest.mark.parametrize("role", ROLES)
def test_entry_points_and_task_files_agree(role: str) -> None:
    tasks = {path.stem: path for path in (tree.ROOT / "roles" / role / "tasks").glob("*.yml")}
    entries = set(specs(role))
    assert entries <= set(tasks), "entry points without tasks"
    text = "".join(path.read_text() for path in tasks.values())
    alone = [name for name in set(tasks) - entries if not re.search(rf"\b{re.escape(name)}\.yml\b", text)]
    assert not alone, "task files that are no entry point and that no other file includes"


def made(node: Any) -> set[str]:
    """Names that tasks set themselves."""
    names: set[str] = set()
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "register" or key == "loop_var":
                names.add(str(value))
            elif key in ("vars", "ansible.builtin.set_fact") and isinstance(value, dict):
                names |= set(value)
            names |= made(value)
    elif isinstance(node, list):
        for each in node:
            names |= made(each)
    return names


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_an_option(role: str) -> None:
    folder = tree.ROOT / "roles" / role
    known = {name for spec in specs(role).values() for name in spec.get("options") or {}}
    used: set[str] = set()
    for path in [*folder.glob("tasks/**/*.yml"), *folder.glob("handlers/*.yml")]:
        known |= made(tree.load(path))
    for path in folder.glob("vars/*.yml"):
        known |= set(tree.load(path) or {})
    for path in [*folder.glob("tasks/**/*.yml"), *folder.glob("handlers/*.yml"), *folder.glob("templates/**/*")]:
        if path.is_file():
            text = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
            used |= set(re.findall(rf"(?<![.\w/-]){role}_[a-z0-9_]+(?![\w.]*\.ya?ml)", text))
    assert not used - known, "variables that are neither an option nor set by the role"


@pytest.mark.parametrize("role", ROLES)
def test_readme_tells_every_option_or_where_they_are(role: str) -> None:
    readme = tree.ROOT / "roles" / role / "README.md"
    assert readme.is_file(), tree.relative(readme)
    text = readme.read_text()
    if f"ansible-doc -t role {tree.NAME}.{role}" not in text:
        options = {name for spec in specs(role).values() for name in spec.get("options") or {}}
        assert not [name for name in options if f"`{name}`" not in text]


@pytest.mark.parametrize("role", ROLES)
def test_ansible_doc_answers(role: str) -> None:
    said = tree.run("ansible-doc", "--type", "role", f"{tree.NAME}.{role}")
    assert said.returncode == 0, said.stderr
    assert not tree.warnings(said.stderr)
    assert "not found" not in said.stderr


@pytest.mark.parametrize("role", ROLES)
def test_runs_on_a_real_host(role: str) -> None:
    assert ("roles", role) in tree.exercised(), "no integration target, molecule scenario or tested playbook uses it"

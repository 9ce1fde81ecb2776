# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import VARIABLES
from ansible_collections.steady.runbooks.plugins.plugin_utils import guard

COLLECTION = Path(guard.__file__).parents[2]
TAKES = ("version", "images", "approved_plan")
OPTIONS = guard.documented_options(COLLECTION)

GROUPS = {
    "all": ["p1", "p2", "s1", "d1", "d2", "t1", "u1"],
    "ungrouped": ["u1"],
    "production": ["p1", "p2"],
    "staging": ["s1"],
    "web": ["p1", "s1"],
    "empty": [],
    "demo": ["d1", "d2"],
    "testing": ["t1"],
    "templated": ["t1"],
}
MARKS: dict[str, Any] = {"p1": "production", "p2": "production", "s1": "staging", "d1": "demo", "t1": "{{ env }}"}


def refusal(*arguments: Any, **named: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        guard.check_variables(*arguments, **named)
    return caught.value


def environment_refusal(value: Any, groups: Any = None, marks: Any = None, limited: Any = None) -> Refused:
    with pytest.raises(Refused) as caught:
        guard.check_environment(value, groups or GROUPS, (MARKS if marks is None else marks).get, limited)
    assert caught.value.code == "environment"
    assert caught.value.detail.isprintable()
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("name", ["production", "staging"])
def test_environments(name: str) -> None:
    assert guard.check_environment(name, GROUPS, MARKS.get, GROUPS["all"]) == name
    assert guard.check_environment(name, GROUPS, MARKS.get) == name


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no environment is given"),
        ("", "no environment is given"),
        (1, "env must be a string, not a number"),
        (True, "env must be a string, not a boolean"),
        (["production"], "env must be a string, not a list"),
        ({"a": 1}, "env must be a string, not a mapping"),
        ("all", "env=all is no environment"),
        ("ungrouped", "env=ungrouped is no environment"),
        ("prod*", "env='prod*' is a pattern"),
        ("production:staging", "is a pattern"),
        ("production,staging", "is a pattern"),
        ("!staging", "is a pattern"),
        ("&staging", "is a pattern"),
        ("~prod.*", "is a pattern"),
        ("production[0]", "is a pattern"),
        ("production ", "is a pattern"),
        ("production\n", "env contains the character U+000A (a control character)"),
        ("prod\x1b[2J", "env contains the character U+001B"),
        ("production\u200b", "env contains the character U+200B (ZERO WIDTH SPACE)"),
        ("prοduction", "env contains the character U+03BF (GREEK SMALL LETTER OMICRON)"),
        ("prodution", "unknown environment 'prodution' (did you mean 'production'?)"),
        ("Production", "unknown environment 'Production' (did you mean 'production'?)"),
        ("p1", "unknown environment 'p1'"),
        ("x" * 500, "unknown environment 'xxx"),
        ("empty", "environment 'empty' is empty"),
        ("web", "group 'web' is no environment"),
        ("testing", "group 'testing' is no environment"),
        ("demo", "host 'd2' is in group 'demo' but does not have runbooks_environment"),
    ],
)
def test_refused_environments(value: Any, said: str) -> None:
    error = environment_refusal(value)
    assert said in error.detail
    assert len(error.detail) < 200


def test_the_environments_are_named() -> None:
    assert "Environments of this inventory: demo, production, staging." in environment_refusal(None).next_step
    assert "group_vars/NAME/" in environment_refusal(None, marks={}).next_step


@pytest.mark.parametrize("name", ["production", "staging"])
@pytest.mark.parametrize("mark", ["production", "staging"])
def test_a_host_of_two_environments(name: str, mark: str) -> None:
    groups = {**GROUPS, "all": [*GROUPS["all"], "x"], "production": ["p1", "x"], "staging": ["s1", "x"]}
    error = environment_refusal(name, groups, {**MARKS, "x": mark})
    other = {"production": "staging", "staging": "production"}[name]
    assert error.detail == f"host 'x' belongs to two environments: '{name}' and '{other}'"
    assert "ansible_host" in error.next_step


def test_a_host_that_says_it_belongs_elsewhere() -> None:
    error = environment_refusal("production", marks={**MARKS, "p2": "staging"})
    assert error.detail == "host 'p2' belongs to two environments: 'production' and 'staging'"
    error = environment_refusal("production", marks={**MARKS, "p2": "prod"})
    assert error.detail == "host 'p2' is in group 'production' but has runbooks_environment='prod'"
    error = environment_refusal("production", marks={**MARKS, "p2": "{{ env }}"})
    assert error.detail == "host 'p2' is in group 'production' but has a template as runbooks_environment"


def test_a_limit_that_leaves_nothing() -> None:
    error = environment_refusal("production", limited=["s1"])
    assert error.detail == "--limit leaves no host of environment 'production'"
    assert error.next_step == "Its hosts are: p1, p2."


@pytest.mark.parametrize(
    "extra",
    [
        {"env": "production"},
        {"env": "x", "version": "1.1.0", "images": {"backend": "nginx"}},
        {
            "service_version": "1.1.0",
            "service_drain_seconds": "5",
            "service_watch": {"seconds": 1},
            "host_install": "auto",
        },
        {"ansible_user": "root", "awx_job_id": 1, "tower_user_name": "x"},
        {"version": "", "approved_plan": None},
    ],
)
def test_known_variables(extra: dict[str, Any]) -> None:
    guard.check_variables(extra, TAKES, OPTIONS | {"host_install"})


@pytest.mark.parametrize(
    ("extra", "said", "step"),
    [
        ({"verison": "1"}, "unknown extra variable 'verison' (did you mean 'version'?)", "approved_plan, env, images"),
        ({"environment": "x"}, "unknown extra variable 'environment' (did you mean 'env'?)", "takes"),
        ({"service_drian_seconds": 1}, "(did you mean 'service_drain_seconds'?)", "ansible-doc -t role"),
        ({"runbooks_environment": "x"}, "unknown extra variable 'runbooks_environment'", "takes"),
        ({"groups": {}}, "unknown extra variable 'groups'", "takes"),
        ({"hosts": "all"}, "unknown extra variable 'hosts'", "takes"),
        ({"a\x1b[2J": 1}, "unknown extra variable 'a\\x1b[2J'", "takes"),
        ({1: 2}, "unknown extra variable 1", "takes"),
        ({"_raw_params": "production"}, "an argument of -e is not of the form name=value", "-e env=production"),
        ({"release": "1.0.0"}, "this runbook does not take 'release'", "takes approved_plan, env, images, version"),
        ({"service_release": "1.0.0"}, "this runbook does not take 'service_release'", "takes"),
        ({"service_env": "x"}, "this runbook does not take 'service_env'", "takes"),
    ],
)
def test_unknown_variables(extra: dict[Any, Any], said: str, step: str) -> None:
    error = refusal({"env": "production", **extra}, TAKES, OPTIONS)
    assert error.code == "unknown_variable"
    assert said in error.detail
    assert step in error.next_step


@pytest.mark.parametrize("name", ["env", "version", "service_watch", "service_secrets", "ansible_user"])
@pytest.mark.parametrize("value", ["{{ hunter2 }}", {"a": ["{% hunter2 %}"]}, ["#jinja2: hunter2"]])
def test_templates_are_refused_by_name(name: str, value: Any) -> None:
    error = refusal({name: value}, TAKES, OPTIONS)
    assert error.code == "template"
    assert error.detail == f"the value of extra variable '{name}' contains a template"
    assert "hunter2" not in str(error.as_dict())


@pytest.mark.parametrize("name", ["version", "service_version"])
def test_values_are_checked_under_both_names(name: str) -> None:
    error = refusal({name: "../x"}, TAKES, OPTIONS)
    assert error.code == "invalid_variable"


def test_both_names_at_once() -> None:
    error = refusal({"version": "1.0.0", "service_version": "1.0.0"}, TAKES, OPTIONS)
    assert error.detail == "both version and service_version are given"


def test_a_playbook_that_takes_what_is_no_variable() -> None:
    error = refusal({}, ("verison",), OPTIONS)
    assert error.code == "invalid_playbook"
    assert "version" in error.next_step


def test_request_variables_and_options_of_the_role_agree() -> None:
    """Each request variable is an option of some entry point under its prefix, so that both names are documented."""
    assert {guard.PREFIX + name for name in set(VARIABLES) - {"env"}} <= OPTIONS


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for part in ("plugins/lookup", "roles/service/meta", "playbooks"):
        (root / part).mkdir(parents=True)
    (root / "galaxy.yml").write_text('---\nnamespace: steady\nname: "runbooks"\nversion: 0.1.0\n')
    (root / "plugins/lookup/a.py").write_text("one")
    (root / "roles/service/meta/main.yml").write_text("two")
    return root


def copy_of(checkout: Path) -> Path:
    copy = checkout.parent / "there" / "ansible_collections" / "steady" / "runbooks"
    shutil.copytree(checkout, copy)
    return copy


def test_the_checkout_itself_through_a_link(checkout: Path) -> None:
    (checkout / "link").symlink_to("..")
    guard.check_same_collection(checkout / "link" / "checkout", checkout / "playbooks")


def test_an_equal_copy(checkout: Path) -> None:
    copy = copy_of(checkout)
    (copy / "galaxy.yml").unlink()
    (copy / "plugins/lookup/__pycache__").mkdir()
    (copy / "plugins/lookup/__pycache__/a.cpython-311.pyc").write_text("x")
    guard.check_same_collection(copy, checkout / "playbooks")


@pytest.mark.parametrize("side", ["copy", "checkout"])
@pytest.mark.parametrize("what", ["changed", "added", "missing"])
def test_a_stale_copy(checkout: Path, what: str, side: str) -> None:
    copy = copy_of(checkout)
    root = copy if side == "copy" else checkout
    name = "plugins/lookup/a.py" if what != "added" else "roles/service/meta/new.yml"
    if what == "missing":
        (root / name).unlink()
    else:
        (root / name).write_text("three")
    with pytest.raises(Refused) as caught:
        guard.check_same_collection(copy, checkout / "playbooks")
    error = caught.value
    assert error.code == "stale_collection"
    assert error.detail == (
        f"the playbook is of the checkout {checkout}, but the collection was loaded from {copy}, where {name} differs"
    )
    assert f"--force --no-deps -p {checkout.parent / 'there'} {checkout}`" in error.next_step


def test_a_playbook_of_somebody_else(checkout: Path) -> None:
    copy = copy_of(checkout)
    (copy / "plugins/lookup/a.py").write_text("three")
    for text in ("namespace: other\nname: runbooks\n", None):
        (checkout / "galaxy.yml").unlink()
        if text:
            (checkout / "galaxy.yml").write_text(text)
        guard.check_same_collection(copy, checkout / "playbooks")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.utils.context_objects import CLIArgs
from ansible.utils.vars import load_extra_vars

from ansible_collections.steady.runbooks.plugins.lookup import environment

NAME = "steady.runbooks.environment"
INVENTORY = """
all:
  children:
    production: {hosts: {p1: , p2: }, vars: {runbooks_environment: production}}
    staging: {hosts: {s1: }, vars: {runbooks_environment: staging}}
    web: {hosts: {p1: , s1: }}
"""
GROUPS = {
    "all": ["p1", "p2", "s1"],
    "ungrouped": [],
    "production": ["p1", "p2"],
    "staging": ["s1"],
    "web": ["p1", "s1"],
}


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the guard as Ansible does, after a command line with these ``-e`` arguments."""
    options = yaml.safe_load(environment.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions("lookup", NAME, options)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)

    def call(
        *extra: str, terms: tuple[Any, ...] = (), takes: Any = "version images", syntax: bool = False, **named: Any
    ) -> Any:
        args = {"extra_vars": extra, "inventory": (str(inventory),), "syntax": syntax, "flush_cache": False}
        monkeypatch.setattr(context, "CLIARGS", CLIArgs(args))
        monkeypatch.setattr(load_extra_vars, "extra_vars", {}, raising=False)
        plugin = environment.LookupModule(loader=DataLoader())
        plugin._load_name = NAME
        variables = {"groups": GROUPS, "playbook_dir": str(tmp_path / "playbooks"), **named}
        return plugin.run(list(terms), variables, takes=takes)

    return call


def test_returns_the_group(guard: Any) -> None:
    assert guard("env=production") == ["production"]


def test_extra_variables_come_from_everywhere(guard: Any, tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text('images: {backend: "nginx:1"}\n')
    assert guard('{"env": "staging"}', f"@{tmp_path / 'more.yml'}", "version=1.1.0") == ["staging"]


@pytest.mark.parametrize("takes", ["version images", ["version", "images"], ["version images"], "version,images"])
def test_takes_may_be_words_or_a_list(guard: Any, takes: Any) -> None:
    assert guard("env=production", "version=1.1.0", takes=takes) == ["production"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ((), "no environment is given"),
        (("env=all",), "env=all is no environment"),
        (("env=web",), "group 'web' is no environment"),
        (("env={{ lookup('pipe', 'touch executed') }}",), "extra variable 'env' contains a template"),
        (("env=production", "verison=1"), "unknown extra variable 'verison'"),
        (("env=production", "version=1"), "version is malformed: '1'"),
        (("production",), "not of the form name=value"),
    ],
)
def test_refusals_are_one_sentence_and_a_step(guard: Any, extra: tuple[str, ...], said: str) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        guard(*extra)
    message = str(caught.value)
    assert said in message
    assert message.endswith(".")
    assert "\n" not in message


def test_hosts_outside_the_limit(guard: Any) -> None:
    assert guard("env=production", ansible_play_hosts_all=["p2", "s1"]) == ["production"]
    with pytest.raises(AnsibleLookupError, match="--limit leaves no host of environment 'production'"):
        guard("env=production", ansible_play_hosts_all=["s1"])


@pytest.mark.parametrize("name", ["promote_from", "service_promote_from"])
def test_the_environment_to_promote_from(guard: Any, name: str) -> None:
    assert guard("env=production", f"{name}=staging", takes="promote_from") == ["production"]
    for value, said in (
        ("production", f"{name} is the environment that is acted on, production"),
        ("all", f"{name}=all is no environment"),
        ("web", "group 'web' is no environment"),
        ("stagign", "unknown environment 'stagign' (did you mean 'staging'?)"),
    ):
        with pytest.raises(AnsibleLookupError) as caught:
            guard("env=production", f"{name}={value}", takes="promote_from")
        assert said in str(caught.value)


def test_a_syntax_check_needs_no_environment(guard: Any) -> None:
    assert guard(syntax=True) == ["localhost"]
    assert guard("env=staging", syntax=True) == ["staging"]
    with pytest.raises(AnsibleLookupError, match="unknown environment"):
        guard("env=nowhere", syntax=True)


def test_a_term_would_be_rendered_first(guard: Any) -> None:
    with pytest.raises(AnsibleLookupError, match="hands a term to the guard"):
        guard("env=production", terms=("production",))

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a target: what is filled in, what is converted, and that they are those of the role.

What is refused is in tests/corpus.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.compose import settings
from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import (
    SETTINGS,
    check_registries,
    check_secrets,
    check_settings,
    checked,
)
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

ROLE = Path(settings.__file__).parents[3] / "roles" / "service"


def role(file: str) -> Any:
    path = ROLE / file
    if not path.is_file():
        pytest.skip("the role is not where the modules are tested")
    return yaml.safe_load(path.read_text())


def test_they_are_what_the_role_tells_a_target() -> None:
    assert list(role("vars/main.yml")["__service_settings"]) == list(SETTINGS)


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"name"}))
def test_a_default_is_the_documented_one(name: str) -> None:
    option = role("meta/argument_specs.yml")["argument_specs"]["verify"]["options"][f"service_{name}"]
    assert check_settings({"name": "shop", "project": "p"})[name] == option["default"] or name == "project"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_value_is_of_the_documented_type(name: str) -> None:
    option = role("meta/argument_specs.yml")["argument_specs"]["verify"]["options"][f"service_{name}"]
    wrong: dict[str, Any] = {"int": 1.5, "str": ["x"], "dict": "x", "list": "x", "raw": 5}
    with pytest.raises(Refused) as refused:
        check_settings({"name": "shop", name: wrong[option["type"]]})
    assert refused.value.detail.startswith(f"service_{name}")
    for word in option.get("choices", []):
        assert check_settings({"name": "shop", name: word})[name] == word


def test_everything_but_the_name_has_a_default() -> None:
    found = check_settings({"name": "shop", "roles": None, "project": ""})
    assert set(found) == set(SETTINGS)
    assert (found["project"], found["roles"], found["hold_seconds"]) == ("shop", {}, 60)
    assert check_settings({"name": "shop"})["shared"] is not check_settings({"name": "shop"})["shared"]


def test_a_number_in_quotes_is_one_where_ansible_takes_it_for_one() -> None:
    found = check_settings({"name": "shop", "warm_seconds": "60", "edge_tcp_ports": ["5432"]})
    assert (found["warm_seconds"], found["edge_tcp_ports"]) == (60, [5432])
    own = {"certificate": "/etc/letsencrypt/live/x/fullchain.pem"}
    assert check_settings({"name": "shop", "edge_tls": {443: own}})["edge_tls"] == {"443": own}
    assert check_settings({"name": "shop", "environment": {"PORT": 8080}})["environment"] == {"PORT": "8080"}


def test_what_was_checked_is_taken_again() -> None:
    """The module checks, and so does the act that it starts."""
    once = checked({"settings": {"name": "shop"}, "secrets": {"KEY": 12}, "registries": []})
    assert checked(once) == once
    assert once["secrets"] == {"KEY": "12"}


def test_references_to_secrets_are_checked_where_secrets_are_handed_in() -> None:
    tests = [{"name": "one", "path": "/", "headers": {"Authorization": "Bearer ${secret:TOKEN}"}}]
    params = {"settings": {"name": "shop", "smoke_tests": tests}, "secrets": {"TOKN": "x"}}
    with pytest.raises(Refused, match="'TOKEN', which is not declared .did you mean 'TOKN'"):
        checked(params)
    assert checked(params, references=False)["settings"]["smoke_tests"] == tests


@pytest.mark.parametrize("value", ["", None, ["s3cret"], {"a": "s3cret"}, "s3cret\0", True, 1.5, "s3cret" * 10_000])
def test_a_secret_is_refused_without_being_shown(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        check_secrets({"KEY": value})
    assert refused.value.detail.startswith("service_secrets.KEY ")
    assert "s3cret" not in str(refused.value.as_dict())
    login = {"registry": "registry.example.com", "username": "me", "password": value}
    with pytest.raises(Refused) as refused:
        check_registries([login])
    assert refused.value.detail.startswith("service_registries[0].password ")
    assert "s3cret" not in str(refused.value.as_dict())

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role service documents is what the code reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import VARIABLES
from ansible_collections.steady.runbooks.plugins.module_utils.verify import settings, smoke_data
from ansible_collections.steady.runbooks.plugins.plugin_utils import guard

ROLE = Path(guard.__file__).parents[2] / "roles" / "service"
SPECS: dict[str, Any] = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
ENTRIES = {name: spec["options"] for name, spec in SPECS.items() if name != "main"}
SHARED = ENTRIES["verify"]


@pytest.mark.parametrize("entry", sorted(ENTRIES))
def test_an_entry_point_has_all_settings_and_beside_them_only_request_variables(entry: str) -> None:
    assert set(SHARED) <= set(ENTRIES[entry])
    assert set(ENTRIES[entry]) - set(SHARED) <= {guard.PREFIX + name for name in VARIABLES}


def test_no_setting_is_a_request_variable() -> None:
    assert not set(SHARED) & {guard.PREFIX + name for name in VARIABLES}


def test_each_option_has_one_default() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    documented = {
        name: option["default"]
        for options in ENTRIES.values()
        for name, option in options.items()
        if "default" in option
    }
    assert documented == defaults
    without = {name for options in ENTRIES.values() for name, option in options.items() if "default" not in option}
    assert without == {"service_name"}


def test_the_watch_is_documented_as_it_is_read() -> None:
    watch = SHARED["service_watch"]["options"]
    assert set(watch) == set(settings.KEYS)
    assert set(watch["normal"]["options"]) == set(settings.LIMITS)
    assert watch["seconds"]["default"] == settings.DEFAULT_SECONDS
    assert watch["checkpoints"]["default"] == list(settings.DEFAULT_CHECKPOINTS)
    for name in settings.LIMITS:
        assert watch[name].get("default") == getattr(settings.RELEASE, name)
        assert watch["normal"]["options"][name].get("default") == getattr(settings.NORMAL, name)


def test_smoke_tests_are_documented_as_they_are_read() -> None:
    options = SHARED["service_smoke_tests"]["options"]
    assert set(options) == set(smoke_data.KEYS)
    assert set(options["expect"]["options"]) == set(smoke_data.EXPECTED)
    assert options["method"]["choices"] == list(smoke_data.METHODS)


def test_secrets_are_declared_as_such() -> None:
    assert SHARED["service_secrets"]["no_log"] is True
    assert SHARED["service_registries"]["options"]["password"]["no_log"] is True

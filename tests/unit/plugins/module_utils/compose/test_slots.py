# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a slot whose network the engine does not let go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import slots
from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import Host
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files

from .conftest import ScriptedDocker

# As Engine 20.10.24 and Compose 2.26.1 said it; the engine wrote "Fixing inconsistent endpoint_cnt" when started anew.
MISCOUNTED = (
    " Network 0-shop-blue-default  Error\n"
    "failed to remove network 0-shop-blue-default: Error response from daemon: error while removing network: "
    "network 0-shop-blue-default id aa590172cae7 has active endpoints\n"
)
LEFT = [{"Id": "c1"}]


def host(directory: Path, listed: list[dict[str, str]], said: str) -> Host:
    container = {"Id": "c1", "Name": "/shop-blue-web-1", "State": {"Status": "running"}}
    docker = ScriptedDocker(
        (["GET", "/containers/json"], 200, json.dumps(listed), ""),
        (["GET", "/containers/c1/json"], 200, json.dumps(container), ""),
        (["compose", "down"], 1, "", said),
    )
    made = Host({"name": "shop"}, {}, docker, Files(str(directory / "shop")), Clock())
    made.files.write_json("slots/blue/compose.json", {})
    made.save_slot("blue", {"release": "one"})
    return made


def test_a_network_that_the_engine_miscounts_keeps_no_slot(tmp_path: Path) -> None:
    here = host(tmp_path, [], MISCOUNTED)
    evidence = slots.retire(here, "blue")
    assert evidence["changed"] and "an empty network to be in use" in evidence["say"]
    assert not here.files.exists("slots/blue")


@pytest.mark.parametrize(("listed", "said"), [(LEFT, MISCOUNTED), ([], "Cannot connect to the Docker daemon\n")])
def test_anything_else_fails_and_the_slot_is_known(tmp_path: Path, listed: list[dict[str, str]], said: str) -> None:
    here = host(tmp_path, listed, said)
    with pytest.raises(CommandFailed, match="compose down of shop-blue failed"):
        slots.retire(here, "blue")
    assert here.files.exists("slots/blue/slot.json")

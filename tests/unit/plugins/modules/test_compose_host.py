# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module hands its options on, and a refusal becomes one clear message."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.modules import compose_host

DONE = {
    "changes": [{"what": "live-restore", "before": "off", "after": "on"}],
    "warnings": ["look here"],
    "engine": "26.1.5",
    "compose": "2.26.1",
    "live_restore": True,
}


class Ended(Exception):
    pass


class Module:
    """As much of AnsibleModule as the module uses."""

    check_mode = True
    said: list = []

    def __init__(self, argument_spec, supports_check_mode):
        assert supports_check_mode
        self.params = {name: option["default"] for name, option in argument_spec.items()}
        self.params["repository"] += "/"

    def warn(self, text):
        self.said.append(("warn", text))

    def exit_json(self, **result):
        self.said.append(("exit", result))

    def fail_json(self, **result):
        self.said.append(("fail", result))
        raise Ended


@pytest.fixture(name="run")
def _run(monkeypatch):
    def run(prepare):
        Module.said = []
        monkeypatch.setattr(compose_host, "AnsibleModule", Module)
        monkeypatch.setattr(compose_host, "prepare", prepare)
        compose_host.main()
        return Module.said

    return run


def test_a_result(run):
    asked = []

    def prepare(wish, clock, *, dry):
        asked.append((wish, dry))
        return dict(DONE)

    warned, ended = run(prepare)
    assert warned == ("warn", "look here")
    assert ended[1]["changed"] is True
    assert ended[1]["diff"] == {"before": "live-restore: off\n", "after": "live-restore: on\n"}
    assert ended[1]["engine"] == "26.1.5"
    wish, dry = asked[0]
    assert dry is True
    assert (wish.install, wish.repository, wish.directory) == (
        True,
        "https://download.docker.com/linux",
        "/var/lib/steady",
    )


def test_nothing_to_do_is_no_change(run):
    ended = run(lambda wish, clock, *, dry: {**DONE, "changes": [], "warnings": []})[-1]
    assert ended[1]["changed"] is False


def test_a_refusal(run):
    def prepare(wish, clock, *, dry):
        raise Refused("no compose here", code="docker_missing", next_step="Install it.")

    with pytest.raises(Ended):
        run(prepare)
    kind, result = Module.said[-1]
    assert (kind, result["msg"]) == ("fail", "no compose here. Install it.")
    assert result["failure"]["code"] == "docker_missing"

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's code is brought to the target when it has none, and only then."""

from __future__ import annotations

import zipfile

import pytest

from ansible_collections.steady.runbooks.plugins.action import compose_run as action
from ansible_collections.steady.runbooks.plugins.module_utils.carried import HERE, digest

NAME = "steady.runbooks.compose_info"
ASKED = {"settings": {"name": "hello"}, "verify": True}


def test_the_target_has_the_code(run, target):
    target.answers["info"] = {"changed": False, "text": "all is well"}
    assert run(action, name=NAME, **ASKED)["text"] == "all is well"
    ((name, args),) = target.modules
    assert name == NAME
    assert {**args, "code": 0} == {**ASKED, "code": 0}
    assert args["code"].keys() == {"digest"}


def test_the_target_wants_the_code(run, target, here):
    answers = iter([{"changed": False, "code_wanted": True}, {"changed": False, "text": "all is well"}])

    def module(module_name, module_args, task_vars):
        target.modules.append((module_name, module_args))
        return next(answers)

    target.module = module
    told = run(action, name=NAME, **ASKED)
    assert (told["text"], "code_wanted" in told) == ("all is well", False)
    (_name, first), (name, second) = target.modules
    assert (name, {**second, "code": 0}) == (NAME, {**ASKED, "code": 0})
    assert second["code"]["digest"] == first["code"]["digest"]
    with zipfile.ZipFile(second["code"]["archive"]) as archive:
        sent = {name: archive.read(name) for name in archive.namelist()}
    assert {f"{HERE}/carried.py", f"{HERE}/compose/act.py"} < sent.keys()
    assert digest({name.removeprefix(f"{HERE}/"): source for name, source in sent.items()}) == first["code"]["digest"]
    assert not list(here.iterdir()), "the archive is left behind on the controller"


@pytest.mark.parametrize("check", [False, True])
def test_what_the_module_says_is_the_result(run, target, check):
    target.answers["info"] = {"failed": True, "msg": "no. Do this.", "failure": {"code": "docker_down"}}
    told = run(action, check=check, name=NAME, **ASKED)
    assert (told["failed"], told["failure"]["code"]) == (True, "docker_down")

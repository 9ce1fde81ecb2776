# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import variables

DIGEST = "sha256:" + "0123456789abcdef" * 4

GOOD: dict[str, list[Any]] = {
    "env": ["production", "eu_1", "blue-team"],
    "version": ["1.1.0", "2.0.0-rc.1"],
    "image": [
        "nginx",
        "library/nginx:1.27",
        "127.0.0.1:5000/shop/backend:1.1.0",
        f"registry.example.com/a/b@{DIGEST}",
        f"[::1]:5000/a:1@{DIGEST}",
        "a__b/c-d.e",
    ],
    "images": [{"backend": f"shop@{DIGEST}", "front.end-1": "nginx:1"}, {}],
    "commit": ["9fceb02", "0" * 64],
    "approved_plan": ["4f1c2ab09d3e5a67"],
    "promote_from": ["staging"],
    "accept_one_way": [True, "true", "False", "yes", "no"],
    "release": ["1.1.0-5f0c2a91", "1.0.0"],
    "reason": ["Fehler an der Kasse: ½ der Aufträge"],
    "direction": ["auto", "finish", "back"],
    "variable": ["LOG_LEVEL", "_x1"],
    "value": ["debug", "a 'b' \"c\" $d größer", "5"],
    "secret": ["api_token", "api-token.v2"],
    "unset": [True, "yes"],
    "service": ["backend", "front.end-1"],
    "replicas": ["3", 3, "64"],
    "cpus": ["0.5", 0.5, 2, "16"],
    "memory": ["512m", "1g", "1.5GiB", "268435456"],
    "command": ["ls -l", "echo 'größer' | cat"],
    "state": ["on", "off"],
    "format": ["human", "json"],
    "verify": [False, "true"],
    "head": ["17:" + "0123456789abcdef" * 4],
    "limit": [20, "1"],
    "since": ["2030-01-31", "2030-01-31T02:00Z", "2030-01-31T02:00:59"],
}
BAD: dict[str, list[Any]] = {
    "env": ["pro duction", "1st", "a" * 64],
    "version": [
        "1.1",
        1.1,
        2,
        True,
        ["1.1.0"],
        "../../etc/passwd",
        "1.1.0;reboot",
        "1.1.0\n",
        "1.1.0 ",
        "１.1.0",
        "1.1.0-" + "a" * 60,
    ],
    "image": [
        "Nginx",
        "a b",
        "nginx:",
        "nginx@sha256:123",
        "-v/:/x",
        "$(id)",
        "a:{{x}}",
        "a//b",
        "http://a/b",
        "nginx\x1b[2J",
    ],
    "images": ["backend=nginx", ["nginx"], {"backend": 1}, {"back end": "nginx"}, {1: "nginx"}, {"backend": "Nginx"}],
    "commit": ["9fceb0", "HEAD", "9FCEB02", 1234567, "0" * 65],
    "approved_plan": ["4f1c", "4F1C2AB09D3E5A67", "yes", 4515155],
    "promote_from": ["*", "all,staging"],
    "accept_one_way": ["maybe", 2, "on"],
    "release": ["../1.0.0", ".hidden", "a/b", "a" * 81, "-rf"],
    "reason": ["two\nlines", "\x1b[31mred", "\u202eevil", "a" * 501, " ", 5],
    "direction": ["forwards", "back "],
    "variable": ["1X", "A-B", "A=B", "A B", "Ä", "a" * 129, 5],
    "value": ["two\nlines", "\x00", "a" * 4097, 5, True],
    "secret": ["${api}", "1x", "a b"],
    "unset": ["perhaps"],
    "service": ["../web", "web blue", "-v"],
    "replicas": [0, "0", "-1", "many", 1.5, "100", True],
    "cpus": ["0", 0, "-1", "0,5", "half", "0.555"],
    "memory": ["0", "m", "lots", "1t", "-1g", 5],
    "command": [" ", "two\nlines", 5, "x" * 4097],
    "state": ["maybe", True, "On"],
    "format": ["xml"],
    "verify": ["perhaps"],
    "head": ["17", "x:0123456789abcdef"],
    "limit": [0, "-1", "many", True, 1.5, 10**9],
    "since": ["yesterday", "2030-1-1", 2030],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_accepted(name: str, value: Any) -> None:
    variables.check_value(name, value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_refused(name: str, value: Any) -> None:
    with pytest.raises(Refused) as caught:
        variables.check_value(name, value)
    error = caught.value
    assert error.code == "invalid_variable"
    assert error.detail.startswith(name)
    assert "for example `-e '" in error.next_step
    assert error.detail.isprintable()
    assert len(error.detail) < 200


def test_every_variable_is_tried_and_described() -> None:
    assert set(GOOD) == set(BAD) == set(variables.VARIABLES)
    for name, variable in variables.VARIABLES.items():
        assert variable.description, name
        if variable.kind == "text":
            variables.check_value(name, variable.example)


@pytest.mark.parametrize("name", sorted(variables.VARIABLES))
def test_an_unanswered_question_is_no_value(name: str) -> None:
    variables.check_value(name, "")
    variables.check_value(name, None)


def test_a_look_alike_is_named() -> None:
    with pytest.raises(Refused, match=r"U\+03BF \(GREEK SMALL LETTER OMICRON\)"):
        variables.check_value("promote_from", "prοduction")


@pytest.mark.parametrize(
    "value",
    [
        "{{ x }}",
        "a {% if x %}",
        "{# x #}",
        "#jinja2: variable_start_string:'[%'\n[% x %]",
        ["a", ["{{ x }}"]],
        ("{{ x }}",),
        {"a": {"b": [1, {"c": "{{ x }}"}]}},
        {"{{ x }}": 1},
    ],
)
def test_templates_are_found(value: Any) -> None:
    assert variables.template_in(value)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "", "{ }", "}}", "a{b}c", [1, {"a": "b"}], "x #jinja2:"])
def test_no_templates(value: Any) -> None:
    assert not variables.template_in(value)


@pytest.mark.parametrize(
    ("word", "found"), [("verison", "version"), ("ENV", "env"), ("environment", "env"), ("zebra", ""), ("e", "")]
)
def test_near(word: str, found: str) -> None:
    assert variables.near(word, ["version", "env", "images"]) == found

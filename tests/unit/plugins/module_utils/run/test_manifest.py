# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.manifest import check_manifest, check_type

DIGEST = "sha256:" + "0123456789abcdef" * 4
FULL = {
    "version": "1.1.0",
    "type": "minor",
    "changes": ["Orders carry a note.", "One\nof two lines"],
    "images": {"backend": f"registry.example.com/backend:1.1.0@{DIGEST}"},
    "commit": "9fceb02",
    "schema": {"revision": "0002", "compatible": ["0001", "0002"], "additive_to": "0001"},
    "required_actions": [{"job": "migrate"}, {"restart": "worker"}],
    "order": ["backend", "worker"],
    "environment": {"WORKERS": 4, "MODE": "yes"},
    "from": ">=1.0.0 <2.0.0",
}


def test_normal_form() -> None:
    assert check_manifest(FULL, "1.1.0") == {
        **FULL,
        "schema": {"revision": "0002", "compatible": ["0001", "0002"], "additive_to": ["0001"]},
        "environment": {"WORKERS": "4", "MODE": "yes"},
    }


def test_only_the_version_is_needed() -> None:
    assert check_manifest({"version": "1.0.0", "images": None}, "1.0.0") == {
        "version": "1.0.0",
        "type": "",
        "changes": [],
        "images": {},
        "commit": "",
        "schema": {},
        "required_actions": [],
        "order": [],
        "environment": {},
        "from": "",
    }


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"verison": "1"}, "'verison'", "did you mean 'version'?"),
        ({1: "x"}, "1", "is unknown"),
        ({"version": None}, "version", "is missing"),
        ({"version": 1.1}, "version", "must be a string, not a number: quote it"),
        ({"version": "1.1"}, "version", "SemVer"),
        ({"version": "1.2.0"}, "version", "is 1.2.0, but the file is named 1.1.0.yml"),
        ({"type": "hotfx"}, "type", "did you mean 'hotfix'?"),
        ({"type": ["minor"]}, "type", "must be one of hotfix, minor, major"),
        ({"changes": "one"}, "changes", "must be a list, not a string"),
        ({"changes": [5]}, "changes[0]", "not a number"),
        ({"changes": ["\x1b[2J"]}, "changes[0]", "cannot be seen"),
        ({"changes": ["x" * 501]}, "changes[0]", "the limit is 500"),
        ({"changes": ["x"] * 201}, "changes", "the limit is 200"),
        ({"images": ["nginx"]}, "images", "must be a mapping, not a list"),
        ({"images": {"backend": "a b"}}, "images.backend", "image reference"),
        ({"images": {"backend": "{{ x }}"}}, "images.backend", "image reference"),
        ({"images": {"backend": "a@sha256:12"}}, "images.backend", "image reference"),
        ({"images": {"../x": "nginx"}}, "images", "'../x', which is no name"),
        ({"images": {True: "nginx"}}, "images", "True, which is no name"),
        ({"commit": 1234567}, "commit", "quote it"),
        ({"commit": "main"}, "commit", "hex digits"),
        ({"schema": "0002"}, "schema", "must be a mapping"),
        ({"schema": {"compatible": ["0001"]}}, "schema.revision", "is missing"),
        ({"schema": {"revision": 2}}, "schema.revision", "quote it"),
        ({"schema": {"revision": "a'; drop"}}, "schema.revision", "name of a schema revision"),
        ({"schema": {"revision": "0002", "compatible": ["0001"]}}, "schema.compatible", "own revision 0002"),
        ({"schema": {"revision": "0002", "minimum": "0001"}}, "schema.'minimum'", "did you mean 'min'?"),
        ({"schema": {"revision": "2", "compatible": ["2"], "max": "2"}}, "schema.max", "beside compatible"),
        ({"required_actions": [{"job": "a", "restart": "b"}]}, "required_actions[0]", "one action"),
        ({"required_actions": ["migrate"]}, "required_actions[0]", "one action"),
        ({"required_actions": [{"jobs": "a"}]}, "required_actions[0].'jobs'", "did you mean 'job'?"),
        ({"required_actions": [{"job": True}]}, "required_actions[0].job", "must be a string"),
        ({"order": ["a", "b", "a"]}, "order[2]", "a second time"),
        ({"order": ["-rf"]}, "order[0]", "compose service"),
        ({"environment": {"DEBUG": True}}, "environment.DEBUG", "a boolean: quote it"),
        ({"environment": {"V": 1.10}}, "environment.V", "a number: quote it"),
        ({"environment": {"A B": "x"}}, "environment", "no name"),
        ({"environment": {"A": "\0"}}, "environment.A", "null character"),
        ({"from": "1.x"}, "from", "no range"),
        ({"from": 1.0}, "from", "quote it"),
    ],
)
def test_refused(change: dict[Any, Any], field: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        check_manifest({**FULL, **change}, "1.1.0")
    error = caught.value
    assert error.code == "manifest_invalid"
    assert error.detail.startswith(f"manifest 1.1.0.yml: {field} ")
    assert said in error.detail
    assert error.next_step
    assert error.detail.isprintable()


@pytest.mark.parametrize("data", [None, "text", ["version"], 5])
def test_no_mapping(data: Any) -> None:
    with pytest.raises(Refused, match=r"manifest 1\.1\.0\.yml: must be a mapping"):
        check_manifest(data, "1.1.0")


HISTORY = ("0001", "beta", "0003", "alpha")


@pytest.mark.parametrize(
    ("schema", "compatible"),
    [
        ({"revision": "beta"}, ["beta"]),
        ({"revision": "beta", "max": "0003"}, ["beta", "0003"]),
        ({"revision": "beta", "min": "0001"}, ["0001", "beta"]),
        ({"revision": "beta", "min": "0001", "max": "alpha"}, list(HISTORY)),
        ({"revision": "new", "min": "alpha"}, ["alpha", "new"]),
    ],
)
def test_min_and_max_are_a_stretch_of_the_history(schema: dict[str, str], compatible: list[str]) -> None:
    manifest = check_manifest({"version": "1.1.0", "schema": schema}, "1.1.0", HISTORY)
    assert manifest["schema"]["compatible"] == compatible


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"revision": "beta", "min": "0003"}, "schema.min is 0003, after the release's own revision beta"),
        ({"revision": "beta", "max": "0001"}, "schema.max is 0001, before the release's own revision beta"),
        ({"revision": "beta", "max": "0009"}, "schema.max is 0009, which no manifest of the directory"),
    ],
)
def test_min_and_max_must_be_ordered(schema: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as caught:
        check_manifest({"version": "1.1.0", "schema": schema}, "1.1.0", HISTORY)
    assert said in caught.value.detail


def manifest_of(**given: Any) -> dict[str, Any]:
    return check_manifest({"version": "1.1.0", **given}, "1.1.0")


@pytest.mark.parametrize(
    ("given", "live", "kind"),
    [
        ({"type": "minor"}, "1.0.5", "minor"),
        ({}, "1.0.5", "minor"),
        ({"type": "minor"}, "1.1.0", "same"),
        ({"from": "<1.0.0"}, "1.1.0", "same"),
        ({"type": "major"}, "", "unknown"),
        ({"type": "major"}, "image-5f0c2a91", "unknown"),
        ({}, "1.2.0", "downgrade"),
    ],
)
def test_type_of_the_change(given: dict[str, Any], live: str, kind: str) -> None:
    assert check_type(manifest_of(**given), live) == kind


@pytest.mark.parametrize(
    ("given", "live", "said", "step"),
    [
        ({"type": "hotfix"}, "1.0.5", "type is hotfix, but 1.0.5 to 1.1.0 is a minor", "Correct the type"),
        ({"type": "minor"}, "1.2.0", "1.2.0 to 1.1.0 is a downgrade", "rollback.yml"),
        ({"from": ">=1.0.5"}, "1.0.0", 'from ">=1.0.5" leaves out the live version 1.0.0', "version in between"),
    ],
)
def test_type_that_does_not_match(given: dict[str, Any], live: str, said: str, step: str) -> None:
    with pytest.raises(Refused) as caught:
        check_type(manifest_of(**given), live)
    assert caught.value.code == "manifest_invalid"
    assert said in caught.value.detail
    assert step in caught.value.next_step

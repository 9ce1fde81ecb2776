# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins and answers of registries."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import registry_of, repository
from ansible_collections.steady.runbooks.plugins.module_utils.compose.registry import digest_of
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed

DIGEST = "sha256:" + "a" * 64
FOUND = (["GET", "/distribution/"], 200, json.dumps({"Descriptor": {"digest": DIGEST}}), "")


@pytest.fixture
def asked(scripted, tmp_path):
    """The login that goes along for a reference with a docker configuration, or None."""

    def ask(reference, config, path=""):
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        docker = scripted(FOUND)
        docker.environment.update(DOCKER_CONFIG=str(tmp_path), PATH=path or os.environ["PATH"])
        assert digest_of(docker, reference) == DIGEST
        (call,) = docker.calls
        return json.loads(base64.urlsafe_b64decode(call["stdin"]["X-Registry-Auth"]))

    return ask


def auth(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_the_login_of_the_registry_goes_along_and_of_no_other(asked):
    hub = "docker.io"
    config = {"auths": {"r.example.com": auth("me", "pa:ss"), f"https://index.{hub}/v1/": auth("hub", "x")}}
    mine = {"username": "me", "password": "pa:ss", "serveraddress": "r.example.com"}
    assert asked("r.example.com/app:1", config) == mine
    assert asked("team/app", config)["username"] == "hub"
    assert asked("localhost:5000/app", config) == {}
    token = {"auths": {"r.example.com": {"identitytoken": "t"}}}
    assert asked("r.example.com/app", token) == {"identitytoken": "t", "serveraddress": "r.example.com"}


@pytest.mark.parametrize("config", ["", "{", {}, {"auths": {"r.io": {}}}, {"auths": {"r.io": {"auth": "%%%"}}}])
def test_without_a_login(asked, config):
    assert asked("r.io/app", config) == {}


def test_logins_of_helpers(asked, tmp_path):
    def helper(name, text):
        path = tmp_path / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\nread -r registry\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    helper("good", """printf '{"Username": "u", "Secret": "of %s"}' "$registry" """)
    helper("token", """echo '{"Username": "<token>", "Secret": "t"}'""")
    helper("broken", "exit 1")
    where = f"{tmp_path}:/usr/bin:/bin"

    def ask(name):
        return asked("r.io/app", {"credHelpers": {"r.io": name}, "auths": {"r.io": auth("file", "x")}}, where)

    assert ask("good")["password"] == "of r.io"
    assert ask("token")["identitytoken"] == "t"
    assert ask("broken")["username"] == "file"
    assert ask("absent")["username"] == "file"


def test_declared_logins_come_first(scripted):
    docker = scripted(FOUND)
    docker.logins = {"r.io": {"registry": "r.io", "username": "u", "password": "p"}}
    digest_of(docker, "r.io/app:1")
    sent = json.loads(base64.urlsafe_b64decode(docker.calls[0]["stdin"]["X-Registry-Auth"]))
    assert sent == {"username": "u", "password": "p", "serveraddress": "r.io"}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, '{"message": "manifest unknown"}', "manifest unknown"),
        (200, "{}", "HTTP status 200"),
        (500, "", "HTTP status 500"),
    ],
)
def test_answers_without_a_digest(scripted, status, body, said):
    with pytest.raises(CommandFailed) as caught:
        digest_of(scripted((["GET"], status, body, "")), "app:1")
    assert said in caught.value.last_seen


def test_a_reference_cannot_add_to_the_request(scripted):
    docker = scripted(FOUND)
    digest_of(docker, "app:1?x=1 HTTP/1.1\r\nX-Evil: 1\r\n")
    assert not set("?= \r\n") & set(docker.calls[0]["words"][1])


@pytest.mark.parametrize(
    ("reference", "registry", "name"),
    [
        ("postgres", "docker.io", "postgres"),
        ("library/postgres:16", "docker.io", "postgres"),
        ("docker.io/library/postgres", "docker.io", "postgres"),
        ("team/app:1@" + DIGEST, "docker.io", "team/app"),
        ("localhost/app", "localhost", "localhost/app"),
        ("r:5000/team/app:1", "r:5000", "r:5000/team/app"),
        ("ghcr.io/team/app", "ghcr.io", "ghcr.io/team/app"),
    ],
)
def test_parts_of_a_reference(reference, registry, name):
    assert (registry_of(reference), repository(reference)) == (registry, name)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""set_env.yml: one variable changes as a release of its own, and stays so; a secret is nowhere but where it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import docker
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole
from ansible_collections.steady.runbooks.tests.system.runner import read_ledger
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.serving import serving, unnoticed

SECRET = "pl4nted-token-77aa"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    with serving(tmp_path_factory.mktemp("env"), "lv-env") as one:
        compose = one.hello.root / "source/compose.yaml"
        text = compose.read_text().replace('VERSION: "${VERSION}"', 'VERSION: "${VERSION}", MODE: "${MODE:-plain}"', 1)
        compose.write_text(text)
        one.hello.set(service_secrets={"api_token": SECRET})
        one.done("apply_update", "1.1.0")
        yield one


def environment(service: Acting, name: str = "web") -> dict[str, str]:
    """The variables of the container that serves."""
    live = service.platform.describe()["live"]
    (words,) = docker("inspect", "-f", "{{json .Config.Env}}", f"{service.hello.name}-{live}-{name}-{live}-1")
    return dict(word.split("=", 1) for word in json.loads(words))


def settings(service: Acting) -> list[str]:
    text = service.status()["text"]
    return [line.split(": ", 1)[1] for line in text.splitlines() if "set by set_env" in line]


def test_a_variable_is_rolled_out_survives_an_update_and_is_taken_back_by_a_rollback(service: Acting) -> None:
    hello = service.hello
    asked = ["-e", "variable=LOG_LEVEL", "-e", "value='very loud'", "-e", "service=web"]
    told = hello.done("set_env", *asked, "--check", "--diff")
    assert "set: LOG_LEVEL=very loud for web" in told and "web: environment +LOG_LEVEL" in told
    assert "Run migrate" not in told
    with unnoticed(service):
        said = hello.done("set_env", *asked)
    assert "the environment of 1.1.0 was changed (set: LOG_LEVEL=very loud for web)" in said and "rollback.yml" in said
    assert environment(service)["LOG_LEVEL"] == "very loud" and hello.version() == "1.1.0"
    assert settings(service) == ["LOG_LEVEL=very loud for web"]
    entry = read_ledger(hello.name)[-1]
    assert (entry["runbook"], entry["release"]["changes"]) == ("set_env", ["set: LOG_LEVEL=very loud for web"])
    assert "is live already" in hello.done("set_env", *asked)

    planned = service.plan("apply_update", "1.2.0")
    assert "LOG_LEVEL=very loud for web, as set_env set it." in planned["text"]
    assert service.start(planned).wait()["outcome"] == "done"
    assert environment(service)["LOG_LEVEL"] == "very loud" and environment(service)["VERSION"] == "1.2.0"

    service.done("rollback")
    service.done("retire")
    first = next(name for name, one in service.status()["observed"]["releases"].items() if not one["overlay"])
    planned = service.plan("rollback", release=first)
    assert "LOG_LEVEL=very loud for web was set by set_env" in planned["text"]
    assert service.start(planned).wait()["outcome"] == "done"
    assert "LOG_LEVEL" not in environment(service) and settings(service) == []
    assert not_whole(service) == []


def test_a_value_of_the_compose_file_and_back(service: Acting) -> None:
    service.done("apply_update", "1.1.0")
    service.done("set_env", variable="MODE", value="$HOME `id` \"q\" '%'")
    assert environment(service)["MODE"] == "$HOME `id` \"q\" '%'"
    service.done("set_env", variable="MODE", unset=True)
    assert environment(service)["MODE"] == "plain" and settings(service) == []
    service.done("set_env", variable="MODE", service="web", unset=True)
    assert "MODE" not in environment(service) and settings(service) == ["MODE unset for web"]
    service.done("set_env", variable="MODE", service="web", unset=True)
    assert environment(service)["MODE"] == "plain" and settings(service) == []
    assert not_whole(service) == []


def test_a_secret_is_named_and_its_value_is_nowhere(service: Acting) -> None:
    hello = service.hello
    said = hello.done("set_env", "-e", "variable=API_TOKEN", "-e", "secret=api_token", "-e", "service=worker", "-vvvv")
    assert environment(service, "worker")["API_TOKEN"] == SECRET
    assert SECRET not in said
    assert settings(service) == ["API_TOKEN=${secret:api_token} for worker"]
    kept = [path for path in hello.state.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert {path.name for path in kept} == {"compose.json"} and not kept[0].stat().st_mode & 0o077
    hello.set(service_secrets={"other": "x"})
    assert service.refused("apply_update", "1.2.0").code == "secret_missing"
    hello.set(service_secrets={"api_token": SECRET})
    service.done("apply_update", "1.2.0")
    assert environment(service, "worker")["API_TOKEN"] == SECRET
    service.done("set_env", variable="API_TOKEN", service="worker", unset=True)
    assert not_whole(service) == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "invalid_variable"),
        ({"variable": "X"}, "invalid_variable"),
        ({"variable": "X", "value": "1", "secret": "api_token"}, "invalid_variable"),
        ({"variable": "NOBODY_READS", "value": "1"}, "nothing_to_change"),
        ({"variable": "X", "value": "1", "service": "wbe"}, "unknown_service"),
        ({"variable": "X", "value": "1", "service": "cache"}, "state_service"),
        ({"variable": "DB_PASSWORD", "value": "hunter2", "service": "web"}, "secret_value"),
        ({"variable": "DB_URL", "value": "postgres://u:hunter2@db/x", "service": "web"}, "secret_value"),
        ({"variable": "X", "secret": "api_tokn", "service": "web"}, "secret_missing"),
        ({"variable": "X", "unset": True}, "not_set"),
    ],
)
def test_what_is_no_change_is_refused_before_anything_is_done(
    service: Acting, asked: dict[str, object], code: str
) -> None:
    error = service.refused("set_env", **asked)
    assert error.code == code and error.next_step and "hunter2" not in str(error.as_dict())


def test_a_change_that_does_worse_is_undone(service: Acting) -> None:
    service.hello.set(service_start_seconds=5)
    try:
        result = service.run("set_env", variable="PYTHONHOME", value="/nowhere", service="web")
    finally:
        service.hello.set(service_start_seconds=30)
    assert result["outcome"] == "undone" and settings(service) == []
    assert "PYTHONHOME" not in environment(service)


@pytest.mark.parametrize("way", ["finish", "back"])
@pytest.mark.parametrize("step", ["prepare", "stage", "shift"])
def test_a_change_that_died_is_ended_either_way(service: Acting, step: str, way: str) -> None:
    service.done("set_env", variable="MODE", value=f"before-{step}-{way}")
    act = service.start(service.plan("set_env", variable="MODE", value=f"after-{step}-{way}"))
    act.reach_step(step)
    act.kill()
    assert end(service, act, way) == []
    assert environment(service)["MODE"] == f"{'after' if way == 'finish' else 'before'}-{step}-{way}"
    assert not_whole(service) == []

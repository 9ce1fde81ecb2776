# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a source is rendered: what is asked, what is refused, and that no value gets out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.config import (
    mounted_texts,
    overlooked,
    render_source,
    secret_values,
    source_files,
)
from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import base_model, job_model, slot_model
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, Refused

SHAPES = os.path.join(os.path.dirname(__file__), "shapes")
VALUES = {"VERSION": "1.0.0", "DB_PASSWORD": "s3cret-db", "API_TOKEN": "s3cret-token"}
GOOD = json.dumps({"name": "p", "services": {"web": {"image": "x", "profiles": ["extra"]}}})


@pytest.fixture
def source(tmp_path):
    (tmp_path / "compose.yaml").write_text("services: {}")
    return str(tmp_path)


def refusal(docker, directory, files=("compose.yaml",), profiles=(), **environment):
    with pytest.raises(Refused) as caught:
        render_source(docker, directory, files, profiles, "p", environment)
    assert caught.value.next_step
    return caught.value


def test_values_go_by_memory_and_never_as_arguments_or_environment(scripted, source, monkeypatch):
    docker = scripted((["config"], 0, GOOD, ""))
    docker.environment["COMPOSE_FILE"] = "of-somebody-else.yaml"
    assert render_source(docker, source, ["compose.yaml"], ["extra"], "p", {"TOKEN": "s3cret", "N": 1})["name"] == "p"
    (call,) = docker.calls
    words = call["words"]
    assert words[words.index("--env-file") + 1].startswith("/proc/self/fd/")
    assert (*words[:5], *words[7:]) == (
        "compose",
        "--project-name",
        "p",
        "--project-directory",
        source,
        "--file",
        f"{source}/compose.yaml",
        "--profile",
        "extra",
        "config",
        "--format",
        "json",
    )
    assert call["variables"] == 'TOKEN="s3cret"\nN="1"\n'
    assert call["environment"] == {"HOME": "/nonexistent", "PWD": source}


def test_composes_own_sentence_without_noise_paths_and_values(scripted, source):
    noise = 'time="2026-01-01T00:00:00Z" level=warning msg="the attribute `version` is obsolete"\n'
    said = f"{noise}validating {source}/compose.yaml: services.web.ports s3cret is no port: invalid compose project\n"
    error = refusal(scripted((["config"], 15, "", said)), source, TOKEN="s3cret")
    assert error.code == "compose_invalid"
    assert error.detail == (
        "compose.yaml cannot be used: validating compose.yaml: services.web.ports ${TOKEN} is no port"
    )


def test_a_line_of_an_env_file_is_not_quoted(scripted, source):
    said = 'failed to read app.env: line 2: unexpected character "-" in variable name "MY-SECRET=hunter2"'
    assert "hunter2" not in refusal(scripted((["config"], 15, "", said)), source).detail


def test_unset_variables_are_named(scripted, source):
    line = 'time="x" level=warning msg="The \\"{}\\" variable is not set. Defaulting to a blank string."\n'
    error = refusal(scripted((["config"], 0, GOOD, line.format("B") + line.format("A") + line.format("B"))), source)
    assert error.code == "variable_unset"
    assert error.detail == "compose.yaml uses variables that are not set: A, B"
    assert error.last_seen == ["A", "B"]


@pytest.mark.parametrize(
    "said", ["docker: unknown command: docker compose", "docker: 'compose' is not a docker command."]
)
def test_without_compose(scripted, source, said):
    assert refusal(scripted((["config"], 1, "", said)), source).code == "compose_missing"


@pytest.mark.parametrize("name", ["../compose.yaml", "/etc/passwd", "a/../../compose.yaml"])
def test_files_outside_of_the_source_are_refused(scripted, source, name):
    assert "inside the source" in refusal(scripted(), source, [name]).detail


def test_a_missing_file_is_told_with_the_near_match(scripted, source):
    error = refusal(scripted(), source, ["compose.yml"])
    assert "Did you mean compose.yaml?" in error.next_step
    assert refusal(scripted(), source + "/nowhere", ["compose.yml"]).code == "compose_invalid"


def test_a_profile_that_no_service_has(scripted, source):
    error = refusal(scripted((["config"], 0, GOOD, "")), source, profiles=["extre"])
    assert (error.code, "Did you mean extra?" in error.next_step) == ("profile_unknown", True)


@pytest.mark.parametrize("out", ["", "[]", "not json"])
def test_an_answer_that_is_no_model(scripted, source, out):
    assert refusal(scripted((["config"], 0, out, "")), source).code == "compose_invalid"


def test_a_slow_engine_is_told_as_such(scripted, source):
    slow = CommandFailed("slow", code="docker_slow")
    with pytest.raises(CommandFailed):
        render_source(scripted((["config"], slow, "", "")), source, ["compose.yaml"], [], "p", {})


def test_secrets_of_the_environment_are_found_wherever_compose_finds_them(scripted, source):
    model = {"secrets": {"a": {"environment": "A"}, "b": {"environment": "B"}, "c": {"environment": "C"}}}
    answer = {"services": {"x": {"environment": {"-0": "of$$file", "+x0": "x", "-1": "", "+x1": ""}}}}
    docker = scripted((["-"], 0, json.dumps(answer), ""))
    assert secret_values(docker, source, model, {"A": "given"}) == {"A": "given", "B": "of$file"}
    assert "given" not in str(docker.calls[0]["words"]) + str(docker.calls[0]["stdin"])


def test_overrides_that_plain_compose_would_read(tmp_path):
    (tmp_path / "compose.override.yaml").write_text("")
    assert overlooked(str(tmp_path), ["compose.yaml"]) == ["compose.override.yaml"]
    assert overlooked(str(tmp_path), ["compose.yaml", "compose.override.yaml"]) == []
    assert overlooked(str(tmp_path), []) == []


def test_files_of_a_source(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("")
    (tmp_path / "c").write_text("")
    assert source_files(str(tmp_path)) == ["a/b", "c"]


def compose_works():
    asking = ["docker", "compose", "version"]
    return shutil.which("docker") and subprocess.run(asking, capture_output=True, check=False).returncode == 0


needs_compose = pytest.mark.skipif(not compose_works(), reason="docker compose is not installed here")


@pytest.fixture
def shape_source(tmp_path):
    def copy(name):
        where = str(tmp_path / name)
        shutil.copytree(os.path.join(SHAPES, name), where, ignore=shutil.ignore_patterns("model.json"))
        return where

    return copy


@needs_compose
@pytest.mark.parametrize("name", sorted(os.listdir(SHAPES)))
def test_recorded_shapes_are_understood_as_what_compose_prints_here(name, shape_source, shape, tmp_path):
    where = shape_source(name)
    settings = {"roles": {"hub": "worker"} if name == "host" else {}}
    model = render_source(Docker(), where, ["compose.yaml"], [], "shape", VALUES)
    found = understand(model, settings, source=where)
    assert found == understand(shape(name), settings, source="/srv/source")


@needs_compose
@pytest.mark.parametrize("name", ["full", "front", "extends", "traefik", "migrate", "host", "binds"])
def test_what_is_rendered_is_a_compose_file(name, shape, paths, tmp_path):
    model = shape(name)
    found = understand(model, {}, source="/srv/source")
    pins = {member: f"registry.example.com/{member}@sha256:{'0' * 64}" for member in found.services}
    common = {"service": "shop", "release": "r1", "pins": pins, "paths": paths}
    documents = [slot_model(model, found, slot=slot, **common) for slot in ("blue", "green")]
    documents += [base_model(model, found, paths=paths, anchor_image="haproxy:3.0")]
    documents += [job_model(model, found, name=member, **common) for member in found.services]
    for number, document in enumerate(documents):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(document))
        where = ("compose", "--project-name", document["name"], "--file", str(file))
        docker = Docker(VALUES)
        said = docker.run(*where, "config", "--format", "json")
        assert (said.returncode, said.stderr) == (0, "")
        again = json.loads(said.stdout)
        assert set(again["services"]) == set(document["services"])
        for service, body in document["services"].items():
            assert again["services"][service].get("environment") == body.get("environment")


@needs_compose
def test_a_literal_dollar_survives_two_renderings(shape_source, paths, tmp_path):
    where = shape_source("full")
    model = render_source(Docker(), where, ["compose.yaml"], [], "shape", {**VALUES, "DB_PASSWORD": "p$a$$b"})
    found = understand(model, {}, source=where)
    base = base_model(model, found, paths=paths, anchor_image="x")
    (tmp_path / "base.json").write_text(json.dumps(base))
    again = render_source(Docker(), str(tmp_path), ["base.json"], [], "shape", {})
    assert again["services"]["db"]["environment"]["POSTGRES_PASSWORD"] == "p$$a$$$$b"


@needs_compose
def test_real_mistakes(tmp_path):
    def error(text, **environment):
        (tmp_path / "compose.yaml").write_text(text)
        return refusal(Docker(), str(tmp_path), **environment)

    assert "yaml" in error("services: [\n").detail
    assert "foo" in error("services: {a: {image: x, foo: 1}}").detail
    assert error("services: {a: {image: 'x:${TAG}', command: '${OTHER}'}}").last_seen == ["OTHER", "TAG"]
    assert "must be there" in error("services: {a: {image: 'x:${TAG:?must be there}'}}").detail
    secret = "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: NOT_SET_ANYWHERE}}"
    assert error(secret).last_seen == ["NOT_SET_ANYWHERE"]
    (tmp_path / ".env").write_text("NOT_SET_ANYWHERE='of$file'\n")
    model = render_source(Docker(), str(tmp_path), ["compose.yaml"], [], "p", {})
    assert secret_values(Docker(), str(tmp_path), model, {}) == {"NOT_SET_ANYWHERE": "of$file"}
    (tmp_path / ".env").unlink()
    planted = error("services: {a: {image: x, ports: ['${TOKEN}']}}", TOKEN="s3cret-planted")
    assert "s3cret" not in json.dumps(planted.as_dict())
    for line in ("A='s3cret planted", "A%=s3cret", "A=${s3cret"):
        (tmp_path / "bad.env").write_text(f"OK=1\n{line}\n")
        planted = error("services: {a: {image: x, env_file: bad.env}}")
        assert "s3cret" not in json.dumps(planted.as_dict())


def test_what_services_mount_is_read_where_it_is_small_text(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/a.conf").write_text("proxy_pass http://api:9000;")
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    mounts = [{"type": "bind", "source": f"{tmp_path}/{name}"} for name in ("conf", "large", "binary", "gone")]
    web = {"volumes": [*mounts, {"type": "bind", "source": "/etc/passwd"}], "configs": [{"source": "inline"}]}
    model = {"services": {"web": web, "api": {}}, "configs": {"inline": {"content": "upstream php:9000"}}}
    found = mounted_texts(model, str(tmp_path))
    assert found["web"].split("\n") == ["upstream php:9000", "proxy_pass http://api:9000;", "", "", ""]
    assert found["api"] == ""

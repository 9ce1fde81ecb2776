# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From references to pins, and having them here."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.images import (
    apply_images,
    ensure_present,
    image_override,
    image_ports,
    image_tests,
    resolve,
)
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, Refused

DIGEST = "sha256:" + "a" * 64
ID = "sha256:" + "1" * 64


FOUND = (["GET", "/distribution/"], 200, json.dumps({"Descriptor": {"digest": DIGEST}}), "")
UNKNOWN = (["GET", "/distribution/"], 404, json.dumps({"message": "manifest unknown"}), "")
GONE = (["GET", "/images/"], 404, json.dumps({"message": "No such image"}), "")


def model(**images):
    return {
        "name": "p",
        "services": {name: {"image": image} if image else {"build": {}} for name, image in images.items()},
    }


def test_tags_become_digests_and_digests_stay(scripted):
    docker = scripted(FOUND)
    tag, pinned = "r.example.com/app:1", f"app@{DIGEST}"
    pins, notes = resolve(docker, model(web=tag, worker=tag, old=pinned), ["web", "worker", "old"])
    assert pins == {"web": f"{tag}@{DIGEST}", "worker": f"{tag}@{DIGEST}", "old": pinned}
    assert notes == []
    assert [call["words"] for call in docker.calls] == [("GET", f"/distribution/{tag}/json")]


@pytest.mark.parametrize(
    ("digests", "pin"), [([f"other@{DIGEST}"], ID), ([f"other@{DIGEST}", f"app@{DIGEST}"], f"app@{DIGEST}"), (None, ID)]
)
def test_an_image_that_is_only_here_is_taken_with_a_note(scripted, digests, pin):
    local = json.dumps({"Id": ID, "RepoDigests": digests})
    pins, notes = resolve(scripted(UNKNOWN, (["GET", "/images/"], 200, local, "")), model(web="app:1"), ["web"])
    assert pins == {"web": pin}
    assert "app:1" in notes[0]
    assert "manifest unknown" in notes[0]


def test_a_service_that_is_only_built_has_composes_default_name(scripted):
    docker = scripted(UNKNOWN, (["GET", "/images/"], 200, json.dumps({"Id": ID}), ""))
    assert resolve(docker, model(web=None), ["web"])[0] == {"web": ID}
    assert any("p-web" in call["words"][1] for call in docker.calls)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("manifest unknown", "typing error"),
        ("unauthorized: authentication required", "service_registries"),
        ("dial tcp: lookup r: no such host", "reaches the registry"),
        ("I am a teapot", "docker pull"),
    ],
)
def test_an_image_that_cannot_be_had(scripted, message, hint):
    docker = scripted((["GET", "/distribution/"], 500, json.dumps({"message": message}), ""), GONE)
    with pytest.raises(Refused) as caught:
        resolve(docker, model(web="app:1", worker="app:1"), ["web", "worker"])
    assert caught.value.code == "image_unavailable"
    assert "app:1 of web, worker" in caught.value.detail
    assert message in caught.value.detail
    assert hint in caught.value.next_step


def test_a_registry_that_hangs_is_waited_for_once(scripted):
    slow = CommandFailed("did not end", code="docker_slow")
    docker = scripted((["GET", "/distribution/"], slow, "", ""), (["GET", "/images/"], 200, json.dumps({"Id": ID}), ""))
    resolve(docker, model(a="r.example.com/a", b="r.example.com/b"), ["a", "b"])
    assert len([call for call in docker.asked("GET") if "/distribution/" in call["words"][1]]) == 1


def test_only_what_is_missing_is_pulled_by_digest(scripted):
    lines = [
        {"status": "Pulling fs layer", "id": "a"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 2**20, "total": 2**22}},
    ]
    docker = scripted(
        (["GET", f"/images/here@{DIGEST}"], 200, json.dumps({"Id": ID}), ""),
        GONE,
        (["POST"], 200, "\n".join(map(json.dumps, lines)), ""),
    )
    gone, said = f"r:5000/x/gone:1@{DIGEST}", []
    assert ensure_present(docker, {"a": f"here:1@{DIGEST}", "b": gone, "c": gone}, said.append) == [gone]
    (pulled,) = docker.asked("POST")
    assert pulled["words"][1].startswith("/images/create?fromImage=r%3A5000%2Fx%2Fgone%40sha256%3Aaaa")
    assert said[0] == "pulling r:5000/x/gone for b, c (1 of 1)"
    assert "1 of 4 MiB" in said[1]


def test_what_cannot_be_pulled(scripted):
    for script, pin in (
        ([GONE, (["POST"], 200, json.dumps({"error": "denied"}), "")], f"x@{DIGEST}"),
        ([GONE, (["POST"], 404, json.dumps({"message": "manifest unknown"}), "")], f"x@{DIGEST}"),
        ([GONE, (["POST"], CommandFailed("did not answer", code="docker_slow"), "", "")], f"x@{DIGEST}"),
        ([GONE], ID),
    ):
        with pytest.raises(Refused) as caught:
            ensure_present(scripted(*script), {"web": pin})
        assert caught.value.code == "image_unavailable"
        assert "of web" in caught.value.detail


def test_healthchecks_of_images(scripted):
    docker = scripted(
        (["GET", "/images/checked"], 200, json.dumps({"Config": {"Healthcheck": {"Test": ["CMD", "true"]}}}), ""),
        (["GET", "/images/plain"], 200, json.dumps({"Config": {}}), ""),
        (["GET", "/images/absent"], 404, json.dumps({"message": "No such image"}), ""),
    )
    assert image_tests(docker, {"a": "checked", "b": "plain", "c": "absent"}) == {"a": ("CMD", "true")}


def test_images_of_a_manifest():
    before = model(web="app:1", db="postgres")
    assert apply_images(before, {"web": "app:2"})["services"]["web"] == {"image": "app:2"}
    assert before["services"]["web"] == {"image": "app:1"}
    with pytest.raises(Refused) as caught:
        apply_images(before, {"wep": "app:2"})
    assert caught.value.next_step == "Did you mean web?"


@pytest.mark.parametrize("reference", ["", "a b", "{{ x }}", "-x", "a\nb", None, "x" * 600, "ümlaut"])
def test_what_is_no_reference(reference):
    with pytest.raises(Refused) as caught:
        image_override(model(web="app:1"), reference)
    assert caught.value.code == "image_invalid"


def chosen(reference, roles=None, **images):
    changed = image_override(model(**images), reference, roles)
    return sorted(name for name, body in changed["services"].items() if body.get("image") == reference)


def test_one_image_for_all_that_share_its_repository():
    assert chosen("docker.io/app:2", web="app:1", worker="library/app:0", db="postgres") == ["web", "worker"]
    assert chosen("r:5000/app:2", web="r:5000/app:1", worker="app:1", db="postgres") == ["web"]


def test_else_for_the_only_web_service_and_what_shares_its_image():
    assert chosen("new:2", {"web": "web"}, web="app:1", worker="app:1", db="postgres") == ["web", "worker"]
    for roles in ({}, {"web": "web", "api": "web"}):
        with pytest.raises(Refused) as caught:
            chosen("new:2", roles, web="app:1", api="api:1")
        assert caught.value.code == "image_ambiguous"
        assert caught.value.last_seen == {"web": "app:1", "api": "api:1"}


def test_ports_of_images(scripted):
    known = json.dumps({"Config": {"ExposedPorts": {"9000/tcp": {}, "53/udp": {}}}})
    assert image_ports(scripted((["GET", "/images/"], 200, known, "")), {"php": ID}) == {"php": (9000,)}
    assert image_ports(scripted(GONE), {"php": ID}) == {"php": ()}


def test_what_is_built_is_built_once_and_only_when_no_registry_has_it(scripted):
    built = []
    builders = {"p-web": lambda: built.append("p-web") or ID, "app:1": lambda: built.append("app:1") or ID}
    pins, notes = resolve(scripted(UNKNOWN, GONE), model(web=None, api="app:1"), ["web", "api"], builders)
    assert pins == {"web": ID, "api": ID} and built == ["app:1", "p-web"]
    assert "manifest unknown" in notes[0] and "was built here" in notes[1]
    docker = scripted(FOUND)
    pins, notes = resolve(docker, model(web=None, api="app:1"), ["web", "api"], builders)
    assert pins["api"] == f"app:1@{DIGEST}"
    assert [call["words"] for call in docker.calls] == [("GET", "/distribution/app:1/json")], "no registry knows p-web"

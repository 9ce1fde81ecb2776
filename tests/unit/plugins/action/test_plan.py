# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller resolves before the target plans: manifest, source, commit; and what it refuses by itself."""

from __future__ import annotations

import tarfile

import pytest

from ansible_collections.steady.runbooks.plugins.action import plan as action

ANSWER = {
    "changed": False,
    "plan": {"steps": [], "hash": "00"},
    "checks": [
        {"name": "disk", "status": "go", "detail": "9 MiB free", "next_step": ""},
        {"name": "ci", "status": "not_configured", "detail": "no CI", "next_step": ""},
        {"name": "drift", "status": "no_go", "detail": "changed by hand", "next_step": "Mend it."},
    ],
    "text": "rollback hello: 1.1.0 -> 1.0.0\n  1. Send all requests to blue\n",
}
SETTINGS = {"settings": {"name": "hello"}}


@pytest.fixture
def service(tmp_path, target):
    """Source and manifests of a service; what the target was sent as its archive is in ``target.archive``."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "compose.yaml").write_text("services: {web: {image: hello}}\n")
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "1.2.0.yml").write_text('version: "1.2.0"\nimages: {web: "hello:2"}\ncommit: abcdef1\n')
    target.answers["run"] = ANSWER

    def send(module_name, module_args, task_vars):
        if module_args.get("archive"):
            with tarfile.open(module_args["archive"]) as tar:
                target.archive = tar.getnames()
        return type(target).module(target, module_name, module_args, task_vars)

    target.module = send
    return {**SETTINGS, "source": str(tmp_path / "source"), "manifests": str(tmp_path / "releases")}


def refusal(told):
    assert told["failed"] is True
    assert told["msg"] == f"{told['failure']['detail']}. {told['failure']['next_step']}"
    return told["failure"]["code"]


@pytest.mark.parametrize("check", [False, True])
def test_a_runbook_about_what_the_host_has(run, target, service, check):
    told = run(action, check=check, runbook="rollback", options={"release": "1.0.0"}, version="1.2.0", **service)
    ((name, args),) = target.modules
    assert name == "steady.runbooks.compose_run"
    assert (args["runbook"], args["options"], args["settings"]) == ("rollback", {"release": "1.0.0"}, {"name": "hello"})
    assert "release" not in args
    assert "archive" not in args
    assert (told["plan"], told["changed"]) == (ANSWER["plan"], False)
    assert told["actor"]["user"]


def test_shows_each_reason_and_the_plan(run, target, service):
    run(action, runbook="rollback", **service)
    assert target.said == [
        "  [hello1] go: disk: 9 MiB free",
        "  [hello1] not configured: ci: no CI",
        "  [hello1] NO GO: drift: changed by hand",
        "  [hello1] rollback hello: 1.1.0 -> 1.0.0",
        "  [hello1]   1. Send all requests to blue",
    ]


def test_a_version_becomes_a_release(run, target, service, here):
    run(action, runbook="apply_update", version="1.2.0", **service)
    args = target.modules[0][1]
    assert args["release"]["version"] == "1.2.0"
    assert args["release"]["images"] == {"web": "hello:2"}
    assert args["release"]["commit"] == "abcdef1"
    assert len(args["release"]["source_digest"]) == 64
    assert target.archive == ["compose.yaml"]
    assert not list(here.iterdir()), "the archive is left behind on the controller"


def test_the_same_source_has_the_same_digest(run, target, service):
    for _again in range(2):
        run(action, runbook="apply_update", version="1.2.0", **service)
    one, two = (args["release"] for _name, args in target.modules)
    assert one == two


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.example.com:5000/backend:1.3.0", "1.3.0"),
        ("registry.example.com:5000/backend", "latest"),
        (f"backend@sha256:{'ab' * 32}", "abababababab"),
    ],
)
def test_an_image_is_named_after_its_tag(run, target, service, image, version):
    run(action, runbook="apply_update", image=image, **service)
    release = target.modules[0][1]["release"]
    assert (release["version"], release["image"], release["manifest"]) == (version, image, {})


def test_what_another_environment_runs(run, target, service):
    promoted = {
        "version": "1.2.0",
        "images": {"web": "hello@sha256:2"},
        "commit": "1234567",
        "manifest": {"type": "minor"},
    }
    run(action, runbook="apply_update", promoted=promoted, **service)
    release = target.modules[0][1]["release"]
    assert (release["version"], release["images"], release["commit"]) == ("1.2.0", promoted["images"], "1234567")
    assert release["manifest"] == {"type": "minor"}


def test_preflight_needs_no_release(run, target, service):
    run(action, runbook="preflight", **service)
    assert "release" not in target.modules[0][1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "no_release"),
        ({"version": "9.9.9"}, "unknown_version"),
        ({"version": "1.2.0", "source": None}, "no_source"),
        ({"version": "1.2.0", "source": "/nonexistent"}, "no_source"),
        ({"version": "1.2.0", "manifests": None}, "no_manifests"),
        ({"version": "1.2.0", "secrets": ["s3cret-value"]}, "invalid_setting"),
        ({"version": "1.2.0", "registries": [{"registry": "r", "pasword": "s3cret-value"}]}, "invalid_setting"),
    ],
)
def test_refusals_without_a_module_call(run, target, service, change, code):
    told = run(action, runbook="apply_update", **{**service, **change})
    assert refusal(told) == code
    assert not target.modules
    assert "s3cret-value" not in str(told)


def test_a_refusal_of_the_target_is_handed_on(run, target, service):
    target.answers["run"] = {"failed": True, "msg": "no. Do this.", "failure": {"code": "dead_run"}}
    told = run(action, runbook="rollback", **service)
    assert (told["failed"], told["msg"]) == (True, "no. Do this.")
    assert not target.said

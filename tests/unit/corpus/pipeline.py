# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case of the corpus from the command line to the rendered files of a slot, in one process and without an engine.

Everything is the real thing, `docker compose config` too, but the engine: it knows no container, and every image of the
registry 127.0.0.1:5000 whose repository is not called `gone`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from ansible_collections.steady.runbooks.plugins.action.plan import ActionModule
from ansible_collections.steady.runbooks.plugins.module_utils.compose import detach, host, planning, platform, status
from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_config import compose_model, config_files
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_spec import EdgePort, EdgeSpec
from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Understanding
from ansible_collections.steady.runbooks.plugins.module_utils.compose.platform import ComposePlatform
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import Paths, base_model, slot_model
from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import check_platform, checked
from ansible_collections.steady.runbooks.plugins.module_utils.run.history import history
from ansible_collections.steady.runbooks.plugins.plugin_utils import guard
from ansible_collections.steady.runbooks.plugins.plugin_utils.source import pack
from ansible_collections.steady.runbooks.tests.corpus.case import Case

COLLECTION = Path(guard.__file__).parents[2]
ROLE = COLLECTION / "roles" / "service"
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
TOLD = list(yaml.safe_load((ROLE / "vars/main.yml").read_text())["__service_settings"])


class Engine:
    """What the engine of a host answers that has images and no container."""

    def containers(self, *_labels: str) -> list[dict[str, Any]]:
        return []

    def json(self, _method: str, path: str, **_options: Any) -> tuple[int, Any]:
        if path == "/info":
            return 200, {"DockerRootDir": ""}
        if path.startswith("/distribution/127.0.0.1:5000/") and "/gone" not in path:
            return 200, {"Descriptor": {"digest": "sha256:" + "d" * 64}}
        if path.startswith("/images/127.0.0.1:5000/") and "/gone" not in path:
            return 200, {"Config": {}}
        return 404, {"message": "manifest unknown"}


class EngineLess(Docker):
    """Docker's command line where there is only Compose."""

    @property
    def engine(self) -> Any:
        return Engine()

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        assert arguments[0] == "compose" and "config" in arguments, arguments
        if not shutil.which("docker"):
            pytest.skip("there is no docker here")
        return super().run(*arguments, **options)


def play(case: Case, root: Path) -> dict[str, Any]:
    """What a runbook would do; raise what it refuses. *root* has the files of the case."""
    _guard(case)
    variables = _variables(case, root)
    check_platform(variables["service_platform"])
    settings = {name: variables.get(f"service_{name}") for name in TOLD}
    params = {
        "runbook": case.runbook,
        "settings": _json({**settings, "project": settings["project"] or settings["name"]}),
        "secrets": _json(variables["service_secrets"]),
        "registries": _json(variables["service_registries"]),
        "state_directory": str(root / "state"),
    }
    with mock.patch.object(platform, "Docker", EngineLess), mock.patch.object(platform, "check_free"):
        if case.runbook == "history":
            asked = {name: variables[f"service_{name}"] for name in ("verify", "head", "since")}
            files = ComposePlatform.open(checked(params, references=False)).host.files
            return history(files, limit=int(variables["service_limit"]), **asked)
        if case.runbook == "status":
            return status.status(params)
        return _plan(params, variables, root)


class Started(Exception):
    """A run would have been started."""


def start(case: Case, root: Path) -> None:
    """What module compose_run does with the same settings, up to the first thing that it would change."""
    variables = _variables(case, root)
    check_platform(variables["service_platform"])  # as actions plan and act do
    settings = {name: variables.get(f"service_{name}") for name in TOLD}
    asked: dict[str, Any] = {"runbook": "rollback", "run": "20300101T000000-rollback-00000a", "plan": "0" * 16}
    handed = {name: _json(variables[f"service_{name}"]) for name in ("secrets", "registries")}
    params = {**asked, **handed, "settings": _json(settings), "state_directory": str(root / "state")}
    with mock.patch.object(detach.Files, "directory", side_effect=Started):
        detach.start_run(params, "no.such.act")


def _guard(case: Case) -> None:
    text = (COLLECTION / f"playbooks/{case.runbook}.yml").read_text()
    takes = re.findall(r"environment',\s*takes='([^']*)'", text)
    guard.check_variables(
        {"env": case.env, **case.extra}, takes[0].split() if takes else [], guard.documented_options(COLLECTION)
    )
    hosts = {host: mark for group in case.groups.values() for host, mark in group.items()}
    groups = {name: list(group) for name, group in case.groups.items()}
    guard.check_environment(case.env, {**groups, "all": list(hosts), "ungrouped": []}, hosts.get)


def _variables(case: Case, root: Path) -> dict[str, Any]:
    """As Ansible has them: the playbooks leave it to the target to check them."""
    extra = {name if name.startswith("service_") else f"service_{name}": value for name, value in case.extra.items()}
    return {**DEFAULTS, **case.host(root), **extra}


def _json(value: Any) -> Any:
    """On its way to the target."""
    return json.loads(json.dumps(value, default=str))


def _plan(params: dict[str, Any], variables: dict[str, Any], root: Path) -> dict[str, Any]:
    asked = {name: variables.get(f"service_{name}") or None for name in ("source", "manifests", "version", "image")}
    asked.update(images=variables.get("service_images") or {}, commit=variables.get("service_commit"), promoted=None)
    release = ActionModule._release(None, {**asked, "runbook": params["runbook"]})
    options = {
        name: variables.get(f"service_{name}")
        for name in ("release", "direction", "approved_plan", "state", "variable", "value", "service")
    }
    params = {**params, "options": options, "release": release, "archive": None}
    scratch = root / "scratch"
    scratch.mkdir()
    if not release:
        return planning.plan_runbook(params, str(scratch), stays=False)
    packed = pack(asked["source"], into=str(scratch))
    release["source_digest"] = packed.digest
    params["archive"] = packed.path
    models: list[dict[str, Any]] = []
    render_source = host.render_source

    def rendered(*words: Any) -> dict[str, Any]:
        models.append(render_source(*words))
        return models[-1]

    with (
        mock.patch.object(planning, "make_plan", wraps=planning.make_plan) as planned,
        mock.patch.object(host, "render_source", rendered),
    ):
        result = planning.plan_runbook(params, str(scratch), stays=False)
    _render(planned.call_args[0][1]["release"], models[-1], checked(params)["settings"], str(scratch / "source"))
    return result


def _render(release: dict[str, Any], model: dict[str, Any], settings: dict[str, Any], source: str) -> None:
    """What the run would write to the host can be written."""
    understanding = Understanding.from_dict(json.loads(json.dumps(release["understanding"])))
    paths = Paths(source, source, "/data")
    common = {"service": settings["name"], "release": release["id"], "pins": release["images"], "paths": paths}
    for slot in ("blue", "green"):
        json.dumps(slot_model(model, understanding, slot=slot, **common))
    json.dumps(base_model(model, understanding, paths=paths, anchor_image="x"))
    ports = [
        EdgePort(port.host_ip, port.published, name, port.target, port.mode) for name, port in understanding.edge_ports
    ]
    spec = EdgeSpec(settings["name"], settings["edge_image"], tuple(ports), "t" * 24, tuple(settings["edge_trusted"]))
    spec.check()
    assert config_files(spec) and compose_model(spec, "/edge")

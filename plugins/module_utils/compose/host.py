# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One service on one Docker host: where its things are, what they are called, and its containers."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..run.clock import Clock
from ..run.contract import SLOTS, Release
from ..run.files import Files
from ..run.overlay import Entry, value_of
from ..verify.mask import Mask
from .cli import compose
from .config import render_source
from .docker import Docker, output
from .hidden import values_to_hide
from .model import Model, escape, services
from .names import LABEL
from .render import Paths


@dataclass
class Host:
    """What every part of the compose platform works with."""

    settings: dict[str, Any]
    secrets: dict[str, str]
    docker: Docker
    files: Files
    clock: Clock
    mask: Mask = field(default_factory=Mask)  # for whatever is told: grows with each model that is read
    models: dict[str, Model] = field(default_factory=dict)  # of kept releases, which do not change

    @property
    def service(self) -> str:
        return str(self.settings["name"])

    @property
    def settings_digest(self) -> str:
        """Tells apart plans that were made with different settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def project(self) -> str:
        """The user's own compose project: state services, networks and volumes keep its name."""
        return str(self.settings.get("project") or self.service)

    def slot_project(self, slot: str) -> str:
        return f"{self.project}-{slot}"

    @property
    def edge_network(self) -> str:
        return f"{self.service}-edge"

    def compose(
        self, project: str, file: str | Model, *words: str, release: Release | None = None, timeout: float = 120
    ) -> str:
        """Run ``docker compose`` on a file of ours, with the values that secrets of *release* may be made of.

        A model instead of a file's name is handed over in memory: what runs once leaves no clear text behind.
        """
        dotenv = self.files.path(f"releases/{release['id']}/source/.env") if release else ""
        said = compose(
            self.docker,
            *("--file", self.files.path(file) if isinstance(file, str) else "-", *words),
            project=project,
            variables=self.variables(release["environment"], release["render"].get("overlay") or []) if release else {},
            env_files=[dotenv] if os.path.isfile(dotenv) else [],
            stdin=None if isinstance(file, str) else json.dumps(file),
            timeout=timeout,
        )
        return output(said, f"compose {words[0]} of {project}")

    def containers(self, *filters: str) -> list[dict[str, Any]]:
        """Inspected containers, running or not, that match all label *filters*; in order of their names."""
        return self.docker.engine.containers(*filters)

    def slot_containers(self, slot: str) -> list[dict[str, Any]]:
        return self.containers(f"{LABEL}.service={self.service}", f"{LABEL}.slot={slot}")

    def base_containers(self) -> list[dict[str, Any]]:
        return self.containers(f"com.docker.compose.project={self.project}")

    def release(self, name: str) -> Release | None:
        """The record of a release that is kept here."""
        record = self.files.read_json(f"releases/{name}/release.json")
        return record if isinstance(record, dict) else None

    def paths(self, release: str) -> Paths:
        """Where a kept release's source is, and the data that lives beside it."""
        source = self.files.path(f"releases/{release}/source")
        return Paths(rendered=source, source=source, data=self.data)

    @property
    def data(self) -> str:
        """Where that is which a compose file has beside it and no release brings: the user's own, once adopted."""
        return str(self.plain.get("data") or self.files.path("base/source"))

    @property
    def plain(self) -> dict[str, Any]:
        """What is recorded of the service as it runs by plain ``docker compose``: see ``plain``."""
        record = self.files.read_json("adopted.json")
        return record if isinstance(record, dict) else {}

    def save_plain(self, **changed: Any) -> dict[str, Any]:
        record = {**self.plain, **changed}
        self.files.write_json("adopted.json", record)
        return record

    def rendered(self, release: Release) -> Model:
        """The user's compose file of a kept release as Compose understands it; a copy, for Compose is asked once."""
        name = release["id"]
        if name not in self.models:
            self.models[name] = self.render(self.paths(name).rendered, release["render"], release["environment"])
        return copy.deepcopy(self.models[name])

    def render(self, directory: str, rules: Mapping[str, Any], environment: Mapping[str, str]) -> Model:
        """The user's compose file in *directory* as Compose understands it, images and all."""
        overlay = rules.get("overlay") or []
        model = render_source(
            self.docker,
            directory,
            rules["compose_files"],
            rules["profiles"],
            self.project,
            self.variables(environment, overlay),
        )
        for entry in overlay:
            if entry["service"] in services(model):
                _overlay(services(model)[entry["service"]], entry["name"], value_of(entry, self.secrets))
        self._hide(model)
        return model

    def variables(self, environment: Mapping[str, str], overlay: Iterable[Entry]) -> dict[str, str]:
        """What Compose interpolates with."""
        values = {one["name"]: value_of(one, self.secrets) for one in overlay if not one["service"]}
        return {**environment, **self.secrets, **{name: value for name, value in values.items() if value is not None}}

    def hide_kept(self) -> None:
        """Hide what the releases that are here have of secrets, as their containers may tell it."""
        for file in ("base/compose.json", *(f"slots/{slot}/compose.json" for slot in SLOTS)):
            self._hide(self.files.read_json(file) or {})

    def _hide(self, model: Mapping[str, Any]) -> None:
        for value in values_to_hide(model):
            self.mask.add(value)

    def releases(self) -> dict[str, Release]:
        found = {name: self.release(name) for name in self.files.names("releases") if not name.startswith(".")}
        return {name: record for name, record in found.items() if record}

    def save_release(self, record: Release) -> None:
        self.files.write_json(f"releases/{record['id']}/release.json", record)

    def slot(self, slot: str) -> dict[str, Any]:
        """What is recorded about a slot: ``release``, ``warm_until``; empty for a free one."""
        record = self.files.read_json(f"slots/{slot}/slot.json")
        return record if isinstance(record, dict) else {}

    def save_slot(self, slot: str, record: Mapping[str, Any]) -> None:
        self.files.write_json(f"slots/{slot}/slot.json", dict(record))


def _overlay(body: dict[str, Any], name: str, value: str | None) -> None:
    """Set one variable of a compose service, or take it away."""
    variables = {key: text for key, text in (body.get("environment") or {}).items() if key != name}
    body["environment"] = variables if value is None else {**variables, name: escape(value)}


def service_of(container: Mapping[str, Any]) -> str:
    """The user's name of the compose service that a container belongs to: in a slot it is called ``backend-blue``."""
    labels = container["Config"]["Labels"] or {}
    name = str(labels.get("com.docker.compose.service") or "")
    slot = labels.get(f"{LABEL}.slot")
    return name[: -len(slot) - 1] if slot and name.endswith(f"-{slot}") else name


def address_on(container: Mapping[str, Any], network: str) -> str | None:
    """A container's IPv4 address on a network, or None when it is not connected or not running."""
    networks = container["NetworkSettings"]["Networks"] or {}
    return (networks.get(network) or {}).get("IPAddress") or None


def is_running(container: Mapping[str, Any]) -> bool:
    return container["State"]["Status"] == "running"


def is_healthy(container: Mapping[str, Any]) -> bool:
    """Running, and not said to be anything but healthy by its own health check."""
    health = (container["State"].get("Health") or {}).get("Status")
    return is_running(container) and health in (None, "none", "healthy", "starting")

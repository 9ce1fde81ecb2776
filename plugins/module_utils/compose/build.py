# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that a compose file builds: built once for a source, on this host, and pinned from then on by their ids."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ..errors import CommandFailed, Refused
from .cli import compose
from .docker import Docker, output
from .images import here
from .model import Model, image_of, services

SECONDS = 3600


def builders(
    docker: Docker,
    model: Mapping[str, Any],
    named: Iterable[str],
    states: Iterable[str],
    release: Mapping[str, Any],
    variables: Mapping[str, str],
    hide: Callable[[Any], Any],
) -> dict[str, Callable[[], str]]:
    """For each image that the compose file builds, what makes it and answers its id; what is here is not built again.

    The image of a service in *named* was chosen by whoever releases, and is not built. Those of *states* keep the name
    that Compose gives them, as their containers are not made anew by each release. *release* is ``{"directory",
    "source_digest", "environment"}``, *variables* those of the environment of the build; *hide* takes secrets out of
    what a build that fails has said.
    """
    found: dict[str, Callable[[], str]] = {}
    for name, body in services(model).items():
        if body.get("build") and name not in named:
            image = image_of(model, name)
            tag = image if name in states else _tag(image, release)
            changed: Model = copy.deepcopy(dict(model))
            changed["services"][name]["image"] = tag
            found[image] = functools.partial(_built, docker, changed, name, tag, release["directory"], variables, hide)
    return found


def _tag(image: str, release: Mapping[str, Any]) -> str:
    """No other image has that name: one that is here already was made from this source with this environment."""
    parts = [release["source_digest"], sorted((key, str(value)) for key, value in release["environment"].items())]
    plain = re.sub(r"[^a-z0-9]+", "-", image.lower()).strip("-")
    return f"{plain}:steady-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def _built(
    docker: Docker,
    model: Model,
    name: str,
    tag: str,
    directory: str,
    variables: Mapping[str, str],
    hide: Callable[[Any], Any],
) -> str:
    if not here(docker, tag):
        _build(docker, model, name, directory, variables, hide)
    return str((here(docker, tag) or {})["Id"])


def _build(
    docker: Docker, model: Model, name: str, directory: str, variables: Mapping[str, str], hide: Callable[[Any], Any]
) -> None:
    """As `docker compose build`. Raise :class:`Refused` with the last lines of what it said."""
    try:
        built = compose(
            docker,
            *("--file", "-", "build", "--quiet", name),
            project=str(model["name"]),
            directory=directory,
            variables=variables,
            stdin=json.dumps(model),
            timeout=SECONDS,
        )
        output(built, f"build of {name}")
    except CommandFailed as failed:
        said = hide(str(failed.last_seen or failed.detail))
        lines = [line for line in said.splitlines() if line.strip()]
        raise Refused(
            f"the image of {name} cannot be built: {lines[-1][:300]}",
            code="build_failed",
            last_seen=lines[-30:],
            next_step=f"`docker compose build {name}` in service_source says the same; or build it elsewhere, push it, "
            "and name it in the manifest's `images`.",
        ) from None

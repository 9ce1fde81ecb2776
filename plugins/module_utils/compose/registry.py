# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to image registries through the engine, which knows mirrors, proxies and certificates.

(`docker compose config --resolve-image-digests` would do, but some versions, 2.26.1 among them, print the tag and no
error; `docker manifest inspect` does not speak to registries without TLS.)
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import quote

from ..errors import CommandFailed, RunbookError
from .docker import Docker
from .model import registry_of

SECONDS = 20
PULL_SECONDS = 900
_HUB = "docker.io"


def digest_of(docker: Docker, reference: str, timeout: float = SECONDS) -> str:
    """``sha256:…`` of *reference*. Raise :class:`CommandFailed` with the registry's answer as ``last_seen``."""
    path = f"/distribution/{quote(reference, safe='/:@')}/json"
    status, body = docker.engine.json("GET", path, headers=_auth(docker, reference), timeout=timeout)
    digest = ((body or {}).get("Descriptor") or {}).get("digest")
    if status != 200 or not digest:
        raise _failed(reference, str((body or {}).get("message") or f"HTTP status {status}"))
    return str(digest)


def pull(docker: Docker, reference: str, progress: Callable[[str], None], timeout: float = PULL_SECONDS) -> None:
    """Pull ``name@digest`` and tell how far it is. Raise :class:`CommandFailed` with what the registry answered."""
    layers: dict[str, tuple[int, int]] = {}
    path = f"/images/create?fromImage={quote(reference, safe='')}"
    with docker.engine.stream("POST", path, _auth(docker, reference), timeout) as answer:
        for line in answer:
            said = json.loads(line) if line.strip() else {}
            if said.get("error") or answer.status != 200:
                raise _failed(
                    reference, str(said.get("error") or said.get("message") or f"HTTP status {answer.status}")
                )
            detail = said.get("progressDetail") or {}
            if detail.get("total"):
                layers[said.get("id", "")] = (int(detail.get("current") or 0), int(detail["total"]))
                have, total = (sum(sizes) / 2**20 for sizes in zip(*layers.values()))
                progress(f"{have:.0f} of {total:.0f} MiB")


def _auth(docker: Docker, reference: str) -> dict[str, str]:
    """The header with the login for the registry of *reference*: the declared one, else that of ``docker login``."""
    registry = registry_of(reference)
    declared = docker.logins.get(registry)
    login = (
        {"username": declared["username"], "password": declared["password"], "serveraddress": registry}
        if declared
        else _login(docker, registry)
    )
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()}


def _failed(reference: str, message: str) -> CommandFailed:
    return CommandFailed(
        f"the registry does not give {reference}: {message}", code="registry_failed", last_seen=message
    )


def _login(docker: Docker, registry: str) -> dict[str, str]:
    """The login of ``docker login``, from the helper or the file that it was put in; empty when there is none."""
    home = docker.environment.get("DOCKER_CONFIG") or os.path.join(docker.environment.get("HOME", "/root"), ".docker")
    try:
        with open(os.path.join(home, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError):
        return {}
    key = f"https://index.{_HUB}/v1/" if registry == _HUB else registry  # as `docker login` has it
    helper = (config.get("credHelpers") or {}).get(key) or config.get("credsStore")
    found = _from_helper(docker, str(helper), key) if helper else {}
    return found or _from_file((config.get("auths") or {}).get(key) or {}, key)


def _from_helper(docker: Docker, helper: str, key: str) -> dict[str, str]:
    try:
        said = Docker(docker.environment, f"docker-credential-{os.path.basename(helper)}")("get", stdin=key, timeout=10)
        login = json.loads(said)
    except (RunbookError, ValueError):
        return {}
    if login.get("Username") == "<token>":
        return {"identitytoken": str(login.get("Secret", "")), "serveraddress": key}
    return {"username": str(login.get("Username", "")), "password": str(login.get("Secret", "")), "serveraddress": key}


def _from_file(entry: Mapping[str, Any], key: str) -> dict[str, str]:
    if entry.get("identitytoken"):
        return {"identitytoken": str(entry["identitytoken"]), "serveraddress": key}
    try:
        user, colon, password = base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")
    except ValueError:
        return {}
    return {"username": user, "password": password.rstrip("\0"), "serveraddress": key} if colon else {}

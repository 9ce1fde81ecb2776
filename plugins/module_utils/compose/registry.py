# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport: which digest a registry has for a tag.

Asked through the engine, which knows mirrors, proxies and certificates, over `docker system dial-stdio`, which follows
contexts and DOCKER_HOST. (`docker compose config --resolve-image-digests` would do, but some versions, 2.26.1 among
them, print the tag and no error; `docker manifest inspect` does not speak to registries without TLS.)
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import socket
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from ..errors import CommandFailed, RunbookError
from .docker import Docker
from .model import registry_of

SECONDS = 20
_HUB = "https://index.docker.io/v1/"


def digest_of(docker: Docker, reference: str, timeout: float = SECONDS) -> str:
    """``sha256:…`` of *reference*. Raise :class:`CommandFailed` with the registry's answer as ``last_seen``."""
    login = _login(docker, registry_of(reference))
    lines = [f"GET /distribution/{quote(reference, safe='/:@')}/json HTTP/1.1", "Host: docker", "Connection: close"]
    if login:
        lines.append("X-Registry-Auth: " + base64.urlsafe_b64encode(json.dumps(login).encode()).decode())
    said = docker("system", "dial-stdio", stdin="\r\n".join([*lines, "", ""]), timeout=timeout)
    status, body = _answer(said)
    digest = (body.get("Descriptor") or {}).get("digest")
    if status != 200 or not digest:
        message = str(body.get("message") or f"HTTP status {status}")
        raise CommandFailed(
            f"the registry does not know {reference}: {message}", code="registry_failed", last_seen=message
        )
    return str(digest)


class _Said:
    """What was printed, as the socket that http.client reads from."""

    def __init__(self, text: str) -> None:
        self.text = text

    def makefile(self, *_mode: Any) -> io.BytesIO:
        return io.BytesIO(self.text.encode())


def _answer(text: str) -> tuple[int, dict[str, Any]]:
    try:
        response = http.client.HTTPResponse(cast(socket.socket, _Said(text)))
        response.begin()
        body = json.loads(response.read() or b"{}")
        return response.status, body if isinstance(body, dict) else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        return 0, {"message": f"the engine gave no answer that could be read ({type(error).__name__})"}


def _login(docker: Docker, registry: str) -> dict[str, str]:
    """The login of ``docker login``, from the helper or the file that it was put in; empty when there is none."""
    home = docker.environment.get("DOCKER_CONFIG") or os.path.join(docker.environment.get("HOME", "/root"), ".docker")
    try:
        with open(os.path.join(home, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError):
        return {}
    key = _HUB if registry == "docker.io" else registry
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

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to image registries through the engine's own interface: logins go by a header of a local request, so they
are in no argument, environment or file, and the engine's mirrors, proxies and trusted registries apply."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
from typing import Any, Callable, Iterable, Mapping
from urllib.parse import quote, urlsplit

from ..errors import CommandFailed
from .docker import Docker

HUB = "https://index.docker.io/v1/"
DIGEST_SECONDS = 20.0
PULL_SECONDS = 900.0


class Registry:
    """Asks registries for digests and pulls. *logins* are ``{"registry", "username", "password"}`` each; for other
    registries the docker command line's own logins are used."""

    def __init__(self, docker: Docker, logins: Iterable[Mapping[str, str]] = ()) -> None:
        self.docker = docker
        self.logins = {login["registry"]: login for login in logins}
        self.endpoint = ""

    def digest(self, image: str) -> str:
        """The digest that the registry has for *image* now. Raise :class:`CommandFailed` with its answer."""
        name = quote(image, safe="/:@")
        answer = self._json("GET", f"/distribution/{name}/json", image, DIGEST_SECONDS)
        return str(answer["Descriptor"]["digest"])

    def pull(self, image: str, progress: Callable[[str], None]) -> None:
        """Pull ``name@digest`` (or a tag), telling how far it is. Raise :class:`CommandFailed` with what went wrong."""
        path = f"/images/create?fromImage={quote(image, safe='')}"
        connection, answer = self._ask("POST", path, image, PULL_SECONDS)
        try:
            if answer.status != 200:
                raise _failed(image, _message(answer.read()))
            layers: dict[str, tuple[int, int]] = {}
            for line in answer:
                said = json.loads(line or b"{}")
                if said.get("error"):
                    raise _failed(image, said["error"])
                detail = said.get("progressDetail") or {}
                if detail.get("total"):
                    layers[said.get("id", "")] = (int(detail.get("current") or 0), int(detail["total"]))
                    have, total = (sum(numbers) / 2**20 for numbers in zip(*layers.values()))
                    progress(f"{have:.0f} of {total:.0f} MiB")
        except (OSError, ValueError) as error:
            raise _failed(image, str(error) or type(error).__name__) from None
        finally:
            connection.close()

    def _json(self, method: str, path: str, image: str, timeout: float) -> Any:
        connection, answer = self._ask(method, path, image, timeout)
        try:
            content = answer.read()
        except OSError as error:
            raise _failed(image, str(error)) from None
        finally:
            connection.close()
        if answer.status != 200:
            raise _failed(image, _message(content))
        return json.loads(content)

    def _ask(
        self, method: str, path: str, image: str, timeout: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._connection(timeout)
        headers = {"X-Registry-Auth": self._header(registry_of(image)), "Host": "docker", "Content-Length": "0"}
        try:
            connection.request(method, path, headers=headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _failed(image, f"the engine did not answer: {str(error) or type(error).__name__}") from None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        self.endpoint = self.endpoint or os.environ.get("DOCKER_HOST") or self._context()
        url = urlsplit(self.endpoint)
        if url.scheme == "unix":
            return _Local(url.path, timeout)
        if url.scheme == "tcp" and url.hostname and not os.environ.get("DOCKER_TLS_VERIFY"):
            return http.client.HTTPConnection(url.hostname, url.port or 2375, timeout=timeout)
        raise CommandFailed(
            f"the engine at {self.endpoint} cannot be asked for images",
            code="engine_endpoint",
            next_step="Run on the host of the engine itself, whose docker context is a unix socket.",
        )

    def _context(self) -> str:
        said = self.docker.run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", timeout=10)
        return said.stdout.strip() or "unix:///var/run/docker.sock"

    def _header(self, registry: str) -> str:
        login = self.logins.get(registry) or _known_login(registry)
        auth = {"username": login["username"], "password": login["password"], "serveraddress": registry} if login else {}
        return base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()


class _Local(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def registry_of(image: str) -> str:
    """The registry's name in an image reference; Docker Hub's has a name of its own in logins."""
    first, slash, _rest = image.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if named and first not in ("docker.io", "index.docker.io") else HUB


def _known_login(registry: str) -> Mapping[str, str] | None:
    """The login that the docker command line has for a registry: stored, or by its credential helper."""
    where = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(os.path.join(where, "config.json"), encoding="utf-8") as stream:
            config = json.load(stream)
    except (OSError, ValueError):
        return None
    helper = (config.get("credHelpers") or {}).get(registry) or config.get("credsStore")
    program = shutil.which(f"docker-credential-{helper}") if helper else None
    if program:
        said = subprocess.run([program, "get"], input=registry, capture_output=True, text=True, timeout=20, check=False)
        if said.returncode == 0:
            found = json.loads(said.stdout)
            return {"username": found["Username"], "password": found["Secret"]}
    stored = ((config.get("auths") or {}).get(registry) or {}).get("auth")
    if not stored:
        return None
    username, _colon, password = base64.b64decode(stored).decode().partition(":")
    return {"username": username, "password": password}


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:300]


def _failed(image: str, why: str) -> CommandFailed:
    return CommandFailed(
        f"{image}: {why.strip()}",
        code="registry_failed",
        last_seen=why.strip(),
        next_step="Check the name and the login (service_registries), and that the host reaches the registry.",
    )

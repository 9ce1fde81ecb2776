# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to the engine's own interface, for what is asked often (a look costs 2 ms here, 60 ms by the command line)
and for what carries a login: a header of a local request is in no argument, environment or file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import CommandFailed

SOCKET = "/var/run/docker.sock"
VERSION = "v1.41"  # of Engine 20.10


class Engine:
    """The engine of this host. *environment* is where DOCKER_HOST and the docker configuration are looked for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.socket = _socket(environment)

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, to be read inside ``with``. Raise :class:`CommandFailed` when none comes."""
        connection = _Local(self.socket, timeout)
        content = b"" if body is None else json.dumps(body).encode()
        told = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
        try:
            connection.request(method, f"/{VERSION}{path}", content, told)
            yield connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            why = "there is no" if isinstance(error, FileNotFoundError) else "nothing listens at"
            raise CommandFailed(
                f"Docker does not run on this host: {why} {self.socket}",
                code="docker_down",
                next_step="Start it (systemctl start docker), or run bootstrap.yml for this environment.",
            ) from None
        except PermissionError:
            raise CommandFailed(
                f"Docker cannot be used on this host: {self.socket} is root's",
                code="docker_denied",
                next_step="Set ansible_become: true for this host.",
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            slow = isinstance(error, socket.timeout)
            why = f"did not answer within {timeout:g} s" if slow else f"broke off: {str(error) or type(error).__name__}"
            raise CommandFailed(
                f"the engine {why}",
                code="docker_slow" if slow else "docker_down",
                next_step="See whether the engine is busy or down: `docker info`, `journalctl -u docker`.",
            ) from None
        finally:
            connection.close()

    def json(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON body of an answer; *options* as those of :meth:`stream`."""
        with self.stream(method, path, **options) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None

    def containers(self, *labels: str) -> list[dict[str, Any]]:
        """Inspected containers, running or not, that have all these labels (``name=value``), by name."""
        return self.matching(label=labels)

    def matching(self, **filters: Iterable[str]) -> list[dict[str, Any]]:
        """Inspected containers, running or not, that match all filters of ``docker ps``, by name."""
        wanted = quote(json.dumps({name: list(values) for name, values in filters.items()}))
        status, listed = self.json("GET", f"/containers/json?all=1&filters={wanted}")
        if status != 200:
            raise CommandFailed(
                f"the engine did not list containers: {(listed or {}).get('message')}",
                code="docker_failed",
                next_step="`docker info` tells whether the engine is well.",
            )
        seen = [self.json("GET", f"/containers/{one['Id']}/json") for one in listed]
        return sorted((one for status, one in seen if status == 200), key=lambda one: str(one["Name"]))

    def execute(self, container: str, words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, as ``docker exec`` does; its words are no argument of a process of ours.

        Raise :class:`CommandFailed` when the container does not run, or when the command says nothing for *timeout*
        seconds or goes on after them.
        """
        until = time.monotonic() + timeout
        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(words)}
        status, made = self.json("POST", f"/containers/{container}/exec", timeout=timeout, body=wanted)
        if status != 201:
            raise _not_run(made)
        where, content = f"/exec/{made['Id']}", b""
        with self.stream("POST", f"{where}/start", timeout=timeout, body={"Detach": False, "Tty": False}) as answer:
            if answer.status != 200:
                raise _not_run(json.loads(answer.read()))
            while more := answer.read1(1 << 16):
                content += more
                if time.monotonic() > until:
                    raise socket.timeout
            # The engine may hear of the end after what was written has ended.
            while (seen := self.json("GET", f"{where}/json")[1])["Running"]:
                if time.monotonic() > until:
                    raise socket.timeout
                time.sleep(0.01)
        out, err = (b"".join(part for number, part in _parts(content) if number == stream) for stream in (1, 2))
        return subprocess.CompletedProcess(
            words, int(seen["ExitCode"]), out.decode(errors="replace"), err.decode(errors="replace")
        )

    def last_exit(self, container: str) -> int | None:
        """The exit code that a container last ended with, while the engine still tells of it."""
        wanted = quote(json.dumps({"container": [container], "event": ["die"]}))
        with self.stream("GET", f"/events?since=1&until={time.time():.9f}&filters={wanted}") as answer:
            ends = [json.loads(line) for line in answer.read().splitlines()] if answer.status == 200 else []
        return int(ends[-1]["Actor"]["Attributes"]["exitCode"]) if ends else None


def _not_run(told: Mapping[str, Any] | None) -> CommandFailed:
    return CommandFailed(
        f"the engine runs no command there: {(told or {}).get('message')}",
        code="docker_failed",
        next_step="docker ps --all tells whether the container runs.",
    )


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """What a command wrote, piece by piece, each after its descriptor and its length (of the API: "Stream format");
    or what the engine says in plain text, when it could not run it."""
    at = 0
    while at < len(content):
        if content[at] > 2:
            yield 2, content[at:]
            return
        length = int.from_bytes(content[at + 4 : at + 8], "big")
        yield content[at], content[at + 8 : at + 8 + length]
        at += 8 + length


class _Local(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _socket(environment: Mapping[str, str]) -> str:
    """Where the engine listens. A target is the host of its engine, so that is a socket."""
    host = environment.get("DOCKER_HOST") or f"unix://{SOCKET}"
    if not host.startswith("unix://"):
        raise CommandFailed(
            f"DOCKER_HOST is {host}: a target has to be the host of its own engine",
            code="engine_elsewhere",
            next_step="Make that host a target of the inventory (ansible_host), and unset DOCKER_HOST.",
        )
    return os.path.realpath(host[len("unix://") :])

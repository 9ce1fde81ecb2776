# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge in Docker with two small servers as its slots."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Edge, EdgePort, EdgeSpec, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock

from .load import Background, Load, Request

HAPROXY = os.environ.get("STEADY_EDGE_IMAGE", "127.0.0.1:5000/haproxy:3.0")
PYTHON = os.environ.get("STEADY_PYTHON_IMAGE", "127.0.0.1:5000/python:3.13-slim")
SERVICE = "edgetest"
SLOTS = ("blue", "green")
TOKEN = "edgetest-token-0123456789"
MIX = (Request(75, "GET", "/"), Request(20, "POST", "/", '{"item": 1}'), Request(5, "GET", "/slow?ms=400"))
docker = Docker()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Bench:
    """The edge with two HTTP ports (the second one is kept for changes) and a TCP port, and its two slots."""

    def __init__(self, directory: Path) -> None:
        self.edge = Edge(str(directory / "edge"), SERVICE, docker, Clock())
        self.http, self.tcp = free_port(), free_port()
        self.spec = EdgeSpec(
            service=SERVICE,
            image=HAPROXY,
            ports=(EdgePort("127.0.0.1", self.http, "web", 8000), EdgePort("127.0.0.1", self.tcp, "raw", 8001, "tcp")),
            probe_token=TOKEN,
        )
        self.url = f"http://127.0.0.1:{self.http}"

    def __enter__(self) -> Bench:
        self.edge.ensure(self.spec)
        for slot in SLOTS:
            self.start(slot)
        return self

    def __exit__(self, *_error: object) -> None:
        docker("rm", "--force", *(f"{SERVICE}-{slot}" for slot in SLOTS), accept=(0, 1))
        self.edge.remove()

    def reset(self) -> None:
        """Both slots run, blue serves, and the edge is as the spec says."""
        self.edge.ensure(self.spec)
        for slot in SLOTS:
            docker("start", f"{SERVICE}-{slot}")
            self.edge.wait_ready(slot, 20)
        self.edge.set_traffic(Traffic("blue"))

    def start(self, slot: str) -> None:
        app = Path(__file__).with_name("edge_app.py")
        docker("rm", "--force", f"{SERVICE}-{slot}", accept=(0, 1))
        docker(
            *("run", "--detach", "--name", f"{SERVICE}-{slot}", "--network", f"{SERVICE}-edge", "--init"),
            *("--network-alias", f"web-{slot}", "--network-alias", f"raw-{slot}", "--env", f"VERSION={slot}"),
            *("--volume", f"{app}:/app.py:ro", "--env", "PYTHONUNBUFFERED=1", PYTHON, "python", "/app.py"),
        )

    def address(self, slot: str) -> str:
        return docker(
            *("inspect", "--format", f'{{{{(index .NetworkSettings.Networks "{SERVICE}-edge").IPAddress}}}}'),
            f"{SERVICE}-{slot}",
        ).strip()

    def load(self, **options: Any) -> Background:
        return Background(
            Load(self.url, **{"requests": MIX, "echo": frozenset({"/"}), "seconds": 60, "timeout": 30, **options})
        )

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
        request = urllib.request.Request(
            self.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, {n.lower(): v for n, v in answer.headers.items()}, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, {n.lower(): v for n, v in error.headers.items()}, error.read().decode()

    def connect(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=30)


def exchange(connection: socket.socket, path: str = "/") -> str:
    """The body of one answer on a connection that stays open."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _blank, body = connection.recv(65536).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200"), head
    return body


def good(result: dict[str, Any], at_least: int) -> None:
    assert result["failed"] == 0, (result["reasons"], result["first_failures"])
    assert result["sent"] >= at_least, result["sent"]


def until(true: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition and return how long it took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "not true in time"
        time.sleep(0.01)
    return time.monotonic() - start

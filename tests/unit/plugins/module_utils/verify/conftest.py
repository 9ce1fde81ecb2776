# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clock without waiting, and a small HTTP server that answers as each test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class VirtualClock:
    """The three calls of the real one; sleeping takes no time."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return 1_700_000_000.0 + self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@dataclass
class Asked:
    """One request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """``answer(asked)`` decides; *asked* holds every request, *connections* how many were opened."""

    address: tuple[str, int]
    answer: Callable[[Asked], Answer] = lambda asked: (200, {}, b"")
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            told.connections += 1

        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            told.asked.append(asked)
            status, fields, body = told.answer(asked)
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = respond

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up are part of the tests."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        told = Server(("127.0.0.1", http.server_address[1]))
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield told
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], tuple[str, int]]]:
    """``raw(talk)`` serves one connection by hand, and answers where."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(talk: Callable[[socket.socket], None]) -> tuple[str, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def once() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(65536)
                talk(connection)

        threads.append(threading.Thread(target=once))
        threads[-1].start()
        return ("127.0.0.1", listener.getsockname()[1])

    yield serve
    for thread in threads:
        thread.join(5)
    for listener in listeners:
        listener.close()

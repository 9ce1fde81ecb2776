# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load of ``load`` by HTTP/2: requests share connections, as those of a browser do.

It does what every client of HTTP/2 has to: a request that the server says it has not begun (GOAWAY, REFUSED_STREAM) is
sent again on another connection, and is counted in ``again``; anything else that is cut has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from typing import Any

from ansible_collections.steady.runbooks.tests.system.load import Load

CONNECTIONS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
REFUSED = 7
OK = 0x88  # `:status: 200` in one byte; nothing else is good


class NotBegun(Exception):
    """The server has done nothing about this request."""


class Connection:
    """One connection; :meth:`get` may be called any number of times at once."""

    def __init__(self, authority: str) -> None:
        self.authority = authority
        self.waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self.status: dict[int, int] = {}
        self.bodies: dict[int, bytes] = {}
        self.next = 1
        self.usable = True

    async def open(self, host: str, port: int, tls: ssl.SSLContext) -> Connection:
        self.reader, self.writer = await asyncio.open_connection(host, port, ssl=tls)
        chosen = self.writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert chosen == "h2", chosen
        self.writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(WINDOW, 0, 0, (2**30).to_bytes(4, "big")))
        self.task = asyncio.create_task(self._read())
        return self

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status (0 when it is not 200) and body."""
        stream, self.next = self.next, self.next + 2
        answer = self.waiting[stream] = asyncio.get_running_loop().create_future()
        block = b"\x82\x87" + literal(4, path) + literal(1, self.authority)
        self.writer.write(frame(HEADERS, END_STREAM | END_HEADERS, stream, block))
        try:
            return await answer
        finally:
            self.waiting.pop(stream, None)
            if not self.usable and not self.waiting:
                self.close()

    def close(self) -> None:
        self.usable = False
        self.task.cancel()
        self.writer.close()

    async def _read(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(9)
                body = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self._frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, body)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.usable = False
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(OSError(f"cut: {type(error).__name__}"))

    def _frame(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        answer = self.waiting.get(stream)
        if kind == SETTINGS and not flags & ACK:
            self.writer.write(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.writer.write(frame(PING, ACK, 0, body))
        elif kind == GOAWAY:
            self.usable = False
            last = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
            for number, later in self.waiting.items():
                if number > last and not later.done():
                    later.set_exception(NotBegun())
            if not self.waiting:
                self.close()
        elif kind == RESET and answer and not answer.done():
            refused = int.from_bytes(body, "big") == REFUSED
            answer.set_exception(NotBegun() if refused else OSError("stream reset"))
        elif kind in (DATA, HEADERS) and answer and not answer.done():
            if kind == HEADERS:
                self.status[stream] = 200 if body[0] == OK else 0
            else:
                self.bodies[stream] = self.bodies.get(stream, b"") + body
                if body:
                    self.writer.write(frame(WINDOW, 0, 0, len(body).to_bytes(4, "big")))
            if flags & END_STREAM:
                answer.set_result((self.status.pop(stream, 0), self.bodies.pop(stream, b"")))


class H2Load(Load):
    """See :class:`Load`; GET requests only, and *url* is ``https://127.0.0.1…``."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        assert self.tls and not self.websockets and all(request.method == "GET" for request in self.requests)
        self.tls.set_alpn_protocols(["h2"])
        self.connections: list[asyncio.Task[Connection]] = []
        self.turn = 0
        self.again = 0

    def result(self) -> dict[str, Any]:
        return {**super().result(), "again": self.again}

    async def run(self) -> dict[str, Any]:
        try:
            return await super().run()
        finally:
            for task in self.connections:
                with contextlib.suppress(OSError):
                    (await task).close()

    async def _exchange(self, which: int) -> tuple[int, str]:
        while True:
            connection = await self._shared()
            try:
                status, body = await connection.get(self.requests[which].path)
            except NotBegun:
                self.again += 1
                continue
            text = body.decode()
            return status, str(json.loads(text)["version"]) if text.startswith("{") else text

    async def _shared(self) -> Connection:
        """The next of the connections in turn; one that takes no more requests is replaced."""
        self.turn += 1
        index = self.turn % CONNECTIONS
        if len(self.connections) <= index:
            index = len(self.connections)
            self.connections.append(self._opening())
        task = self.connections[index]
        connection = await task
        if not connection.usable:
            if self.connections[index] is task:
                self.connections[index] = self._opening()
            connection = await self.connections[index]
        return connection

    def _opening(self) -> asyncio.Task[Connection]:
        assert self.tls
        connection = Connection(f"{self.host}:{self.port}")
        return asyncio.create_task(connection.open(self.host, self.port, self.tls))


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def literal(index: int, value: str) -> bytes:
    """A header that the table has the name of, by its value as it is."""
    text = value.encode()
    assert len(text) < 127
    return bytes([index, len(text)]) + text

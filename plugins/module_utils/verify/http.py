# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tiny HTTP/1.1 client for checks: bounded in time and size, and every failure is one sentence."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import Refused, RunbookError, StepFailed, TimedOut

MAX_BODY = 1024 * 1024
SAFE_IN_TARGET = "/:?#[]@!$&'()*+,;=%-._~"


class Address(NamedTuple):
    """Where something of this target answers, by TLS or without."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Response:
    """What a server answered. Header names are in lower case; *body* holds at most 1 MiB of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: float
    truncated: bool = False

    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")


def request(
    url: str | Address | tuple[str, int],
    method: str = "GET",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    body: str | bytes | None = None,
    timeout: float = 10.0,
    tls: ssl.SSLContext | None = None,
) -> Response:
    """One request on a connection of its own. Redirects are answers like any other: they are never followed.

    *url* is ``http(s)://host[:port]/path`` (then *path* is not used) or an address. *timeout* bounds the whole in
    seconds, from the connect to the last byte. Raises what :meth:`Connection.request` raises.
    """
    if isinstance(url, str):
        address, path, tls = _split(url, tls)
    else:
        address = url[:2]
        tls = tls or (unverified() if Address(*url).tls else None)
    connection = Connection(address, tls)
    try:
        return connection.request(method, path, {"Connection": "close", **(headers or {})}, body, timeout)
    finally:
        connection.close()


def unverified() -> ssl.SSLContext:
    """For our own edge: whether its certificate is right for its name is for those who know the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """A connection that is kept and used again until the server closes it or a request fails."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.tls = tls
        self._http: http.client.HTTPConnection | None = None
        self._socket: _BoundedSocket | None = None

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout: float = 10.0,
    ) -> Response:
        """Send one request and read its answer within *timeout* seconds.

        Raises :class:`TimedOut` when it takes longer, :class:`StepFailed` when there is no whole answer (code
        ``http_refused``, ``http_unreachable``, ``http_reset``, ``http_tls`` or ``http_malformed``), and
        :class:`Refused` when the request itself cannot be sent. The sentences hold method, address and path, never a
        header or body.
        """
        start = time.monotonic()
        what = f"{method} {'https' if self.tls else 'http'}://{_shown(self.address)}{path}"
        try:
            answer = self._exchange(method, path, headers or {}, body, start + timeout)
        except Exception as error:
            self.close()
            raise _sentence(error, what, timeout) from None
        return Response(ms=(time.monotonic() - start) * 1000.0, **answer)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
        self._http = self._socket = None

    def abort(self) -> None:
        """End a request that another thread waits for, with an error there."""
        used = self._socket
        if used is not None:
            used.abort()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: str | bytes | None, deadline: float
    ) -> dict[str, Any]:
        if self._http is None or self._socket is None:
            self._socket = _BoundedSocket(_connect(self.address, self.tls, deadline))
            self._http = http.client.HTTPConnection(*self.address)
            self._http.auto_open = 0
            self._http.sock = self._socket
        self._socket.deadline = deadline
        data = body.encode("utf-8") if isinstance(body, str) else body
        target = urllib.parse.quote(path, safe=SAFE_IN_TARGET)
        self._http.request(method, target, data, {name: value.encode("utf-8") for name, value in headers.items()})
        raw = self._http.getresponse()
        content = _read(raw)
        truncated = len(content) > MAX_BODY
        fields: dict[str, str] = {}
        for name, value in raw.getheaders():
            name = name.lower()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        # A server that was asked to close need not say that it does.
        asked_to = any(name.lower() == "connection" and value.lower() == "close" for name, value in headers.items())
        if truncated or raw.will_close or asked_to:
            self.close()
        return {"status": raw.status, "headers": fields, "body": content[:MAX_BODY], "truncated": truncated}


class _BoundedSocket:
    """What http.client needs of a socket, each call bounded by one deadline.

    A socket's own time-out starts anew with each byte that drips in, so it bounds nothing as a whole.
    """

    def __init__(self, plain: socket.socket) -> None:
        self.plain = plain
        self.deadline = 0.0
        self.readers = 0
        self.closing = False

    def sendall(self, data: bytes) -> None:
        self.plain.settimeout(_left(self.deadline))
        self.plain.sendall(data)

    def receive(self, buffer: Any) -> int:
        self.plain.settimeout(_left(self.deadline))
        return self.plain.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self.readers += 1
        return io.BufferedReader(_Reader(self))

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self.plain.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close as sockets do: http.client closes before the body is read when no second request will follow."""
        self.closing = True
        if not self.readers:
            self.plain.close()

    def read_up(self) -> None:
        self.readers -= 1
        if self.closing:
            self.close()


class _Reader(io.RawIOBase):
    def __init__(self, source: _BoundedSocket) -> None:
        super().__init__()
        self.source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.source.receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.source.read_up()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    return left


def _connect(address: tuple[str, int], tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    """A connected socket; every address that the name has is tried, all within the one deadline."""
    last: OSError = OSError("the name has no address")
    for family, kind, protocol, _name, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(_left(deadline))
            plain.connect(where)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return plain
            plain.settimeout(_left(deadline))
            return tls.wrap_socket(plain, server_hostname=address[0])
        except OSError as error:
            plain.close()
            last = error
    raise last


def _read(raw: http.client.HTTPResponse) -> bytes:
    """The body, one byte over the bound at most, so that a longer one is noticed."""
    content = bytearray()
    while len(content) <= MAX_BODY:
        piece = raw.read(min(65536, MAX_BODY + 1 - len(content)))
        if not piece:
            # http.client tells a short body only when it is read in one piece.
            if raw.length:
                raise http.client.IncompleteRead(b"", raw.length)
            break
        content += piece
    return bytes(content)


def _split(url: str, tls: ssl.SSLContext | None) -> tuple[tuple[str, int], str, ssl.SSLContext | None]:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise Refused(
            "a check's URL must be http://host[:port]/path or https://host[:port]/path, without user and password",
            code="http_url",
            next_step="Correct the URL; hand credentials in as a header.",
        )
    if parts.scheme == "https":
        tls = tls or ssl.create_default_context()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.hostname, port or (443 if parts.scheme == "https" else 80)), path, tls


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _sentence(error: Exception, what: str, timeout: float) -> RunbookError:
    """*error* as ours. Its own text is never passed on: http.client quotes headers, which may be secrets."""
    if isinstance(error, RunbookError):
        return error
    if isinstance(error, socket.timeout):
        return TimedOut(f"{what}: no whole answer within {timeout:g} s", code="http_timed_out")
    if isinstance(error, ssl.SSLError):
        return StepFailed(f"{what}: TLS failed ({error.reason or type(error).__name__})", code="http_tls")
    if isinstance(error, ConnectionRefusedError):
        return StepFailed(f"{what}: connection refused", code="http_refused")
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return StepFailed(f"{what}: the connection was closed before the whole answer came", code="http_reset")
    if isinstance(error, OSError):
        return StepFailed(f"{what}: {error.strerror or 'cannot be reached'}", code="http_unreachable")
    if isinstance(error, (http.client.InvalidURL, ValueError, TypeError)):
        return Refused(f"{what}: the request cannot be sent as it is (path or header)", code="http_request")
    return StepFailed(f"{what}: the answer is not HTTP ({type(error).__name__})", code="http_malformed")

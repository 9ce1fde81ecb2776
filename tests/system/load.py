# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load generator: open loop (a slow server does not slow it down), no retries, bounded, and only against 127.0.0.1.

    python tests/system/load.py --url http://127.0.0.1:8080 --rate 300 --seconds 60 \
        --request '75 GET /' --request '20 POST /orders {"item":1}' --request '5 GET /slow'

Prints one JSON document, see :meth:`Load.result`. In tests::

    with Background(Load("http://127.0.0.1:8080", rate=300, seconds=30)) as load:
        ...                                  # act
        result = load.stop()                 # or load.wait()
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import ipaddress
import json
import math
import os
import random
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_RATE = 5000
MAX_SECONDS = 3600
MAX_OPEN = 2000


@dataclass(frozen=True)
class Request:
    """One kind of request and its weight among all."""

    weight: float
    method: str
    path: str
    body: str = ""

    @classmethod
    def parse(cls, text: str) -> Request:
        """``WEIGHT METHOD PATH [BODY]``"""
        words = text.split(None, 3)
        if len(words) < 3:
            raise ValueError(f"a request is 'WEIGHT METHOD PATH [BODY]', not {text!r}")
        return cls(float(words[0]), words[1], words[2], words[3] if len(words) > 3 else "")


class Load:
    """Sends ``rate`` requests a second for ``seconds``. An answer that is not 2xx or 3xx, none within ``timeout``
    seconds, a cut one, and a POST to a path in *echo* that does not come back as it was, have failed. *ca* is the file
    of the authority for an https *url*."""

    def __init__(
        self,
        url: str,
        *,
        rate: float = 300,
        seconds: float = 10,
        keep_alive: bool = True,
        requests: tuple[Request, ...] = (),
        echo: frozenset[str] = frozenset(),
        headers: dict[str, str] | None = None,
        websockets: int = 0,
        websocket_path: str = "/ws",
        timeout: float = 10,
        seed: int = 1,
        ca: str = "",
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != ("https" if ca else "http") or not _is_loopback(parts.hostname or ""):
            raise ValueError(f"load goes to 127.0.0.1 only, by https with a ca, not to {url}")
        if not 0 < rate <= MAX_RATE or not 0 < seconds <= MAX_SECONDS or not 0 <= websockets <= 200:
            raise ValueError(f"at most {MAX_RATE} requests a second, {MAX_SECONDS} seconds, 200 websockets")
        self.host, self.port = str(parts.hostname), parts.port or 80
        self.tls = ssl.create_default_context(cafile=ca) if ca else None
        self.rate, self.seconds, self.timeout = rate, seconds, timeout
        self.keep_alive = keep_alive
        self.requests = requests or (Request(1, "GET", parts.path or "/"),)
        self.echo = echo
        self.websockets, self.websocket_path = websockets, websocket_path
        self.random = random.Random(seed)
        self.heads = [self._head(request, headers or {}) for request in self.requests]
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.sent = 0
        self.open = 0
        self.reasons: Counter[str] = Counter()
        self.failures: list[tuple[float, str]] = []
        self.latencies: list[float] = []
        self.answers: list[tuple[float, str]] = []
        self.versions: dict[str, dict[str, float]] = {}
        self.seconds_seen: dict[int, Counter[str]] = {}
        self.sockets: list[dict[str, Any]] = []
        self.began = self.ended = 0.0
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> dict[str, Any]:
        """Send everything, wait for the last answer, return the result."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        sockets = [asyncio.create_task(self._websocket()) for _number in range(self.websockets)]
        self.began = time.time()
        tasks: set[asyncio.Task[None]] = set()
        weights = [request.weight for request in self.requests]
        start = self._loop.time()
        for number in range(int(self.rate * self.seconds)):
            due = start + number / self.rate
            delay = due - self._loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if self._stop.is_set():
                break
            which = self.random.choices(range(len(weights)), weights)[0]
            task = asyncio.create_task(self._one(which, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=self.timeout + 1)
        self.ended = time.time()
        for task in sockets:
            task.cancel()
        await asyncio.gather(*sockets, return_exceptions=True)
        for _reader, writer in self.idle:
            writer.close()
        return self.result()

    def stop(self) -> None:
        """Send no more (from any thread)."""
        if self._loop and self._stop:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)

    def result(self) -> dict[str, Any]:
        """What happened; times in epoch seconds.

        ``sent``, ``failed``, ``reasons`` ({reason: number}), ``first_failures`` ([[time, reason]]), ``latency_ms``
        (p50, p95, p99, max; from the moment a request was due), ``longest_gap_ms`` (between two good answers, the
        begin and the end included), ``began``, ``ended``, ``rate`` (as reached), ``versions`` ({X-Version: {count,
        first, last}}), ``timeline`` ([[second, {version: number}]]), ``websockets`` ([{version, opened, closed}],
        ``closed`` None when it was open to the end).
        """
        ordered = sorted(self.latencies)
        marks = [self.began, *sorted(when for when, _version in self.answers), self.ended]
        return {
            "sent": self.sent,
            "failed": sum(self.reasons.values()),
            "reasons": dict(self.reasons),
            "first_failures": [[round(when, 3), reason] for when, reason in self.failures[:20]],
            "latency_ms": {
                name: round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else None
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))
            },
            "longest_gap_ms": round(1000 * max(after - before for before, after in zip(marks, marks[1:])), 1),
            "began": self.began,
            "ended": self.ended,
            "rate": round(self.sent / max(self.ended - self.began, 0.001), 1),
            "versions": self.versions,
            "timeline": [[second, dict(counts)] for second, counts in sorted(self.seconds_seen.items())],
            "websockets": self.sockets,
        }

    def first_after(self, moment: float, version: str) -> float:
        """When the first good answer of *version* after *moment* came (epoch seconds); infinite when none did."""
        return min(
            (when for when, answered in self.answers if answered == version and when >= moment), default=math.inf
        )

    def _head(self, request: Request, headers: dict[str, str]) -> bytes:
        body = request.body.encode()
        lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if not self.keep_alive:
            lines.append("Connection: close")
        if body or request.method == "POST":
            lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _one(self, which: int, due: float) -> None:
        assert self._loop
        self.sent += 1
        if self.open >= MAX_OPEN:
            self._failed("too many open")
            return
        self.open += 1
        try:
            status, version = await asyncio.wait_for(self._exchange(which), self.timeout)
        except asyncio.TimeoutError:
            self._failed("timeout")
        except asyncio.IncompleteReadError as error:
            self._failed("cut" if error.partial else "closed without an answer")
        except OSError as error:
            self._failed(type(error).__name__)
        except ValueError as error:
            self._failed(str(error))
        else:
            if 200 <= status < 400:
                now = time.time()
                self.answers.append((now, version))
                self.latencies.append(self._loop.time() - due)
                self._seen(version, now)
            else:
                self._failed(f"status {status}")
        finally:
            self.open -= 1

    async def _exchange(self, which: int) -> tuple[int, str]:
        reader, writer = await self._connection()
        whole = False
        try:
            writer.write(self.heads[which])
            status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
            request = self.requests[which]
            body = b"" if request.method == "HEAD" or status in (204, 304) else await read_body(reader, headers)
            if request.method == "POST" and request.path in self.echo and body != request.body.encode():
                raise ValueError(f"status {status}, and the body did not come back")
            whole = headers.get("connection", "").lower() != "close"
            return status, headers.get("x-version", "")
        finally:
            if whole and self.keep_alive:
                self.idle.append((reader, writer))
            else:
                writer.close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection that was idle for the shortest time, unless the server has closed it; else a new one."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls)

    def _seen(self, version: str, now: float) -> None:
        entry = self.versions.setdefault(version, {"count": 0, "first": now, "last": now})
        entry["count"] += 1
        entry["last"] = now
        self.seconds_seen.setdefault(int(now), Counter())[version] += 1

    def _failed(self, reason: str) -> None:
        self.reasons[reason] += 1
        self.failures.append((time.time(), reason))

    async def _websocket(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        entry: dict[str, Any] = {"version": "", "opened": None, "closed": None}
        self.sockets.append(entry)
        writer = None
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
            writer.write(
                f"GET {self.websocket_path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: Upgrade\r\n"
                f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
            if status == 101:
                entry.update(version=headers.get("x-version", ""), opened=time.time())
                while await reader.read(4096):
                    pass
            entry["closed"] = time.time()
        except (OSError, asyncio.IncompleteReadError):
            entry["closed"] = time.time()
        finally:
            if writer:
                writer.close()


class Background:
    """A load that runs in a thread of its own. As a context manager it never outlives the block."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._result: dict[str, Any] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def wait(self) -> dict[str, Any]:
        """The result when all was sent."""
        self._thread.join(self.load.seconds + self.load.timeout + 5)
        assert self._result is not None, "the load did not end"
        return self._result

    def stop(self) -> dict[str, Any]:
        """Send no more; the result when the last answer is there."""
        if self._thread.is_alive():
            self.load.stop()
        return self.wait()

    def _run(self) -> None:
        self._result = asyncio.run(self.load.run())


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and the headers (lower case) of an answer."""
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split(" ", 2)[1]), {name.lower(): value.strip() for name, _colon, value in pairs}


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """The body of an answer."""
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.read()
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        piece = await reader.readexactly(size + 2)
        if not size:
            return body
        body += piece[:-2]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Sends requests to 127.0.0.1 and prints what came back as JSON.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--no-keep-alive", action="store_true", help="a connection for each request")
    parser.add_argument("--request", action="append", default=[], metavar="'WEIGHT METHOD PATH [BODY]'")
    parser.add_argument("--echo", action="append", default=[], metavar="PATH", help="its POSTs come back unchanged")
    parser.add_argument("--websockets", type=int, default=0)
    parser.add_argument("--websocket-path", default="/ws")
    parser.add_argument("--timeout", type=float, default=10)
    parser.add_argument("--max-failed", type=int, help="exit 1 when more requests failed")
    given = parser.parse_args(arguments)
    try:
        load = Load(
            given.url,
            rate=given.rate,
            seconds=given.seconds,
            keep_alive=not given.no_keep_alive,
            requests=tuple(Request.parse(text) for text in given.request),
            echo=frozenset(given.echo),
            websockets=given.websockets,
            websocket_path=given.websocket_path,
            timeout=given.timeout,
        )
    except ValueError as error:
        parser.error(str(error))
    result = asyncio.run(load.run())
    print(json.dumps(result, indent=1))
    return 1 if given.max_failed is not None and result["failed"] > given.max_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

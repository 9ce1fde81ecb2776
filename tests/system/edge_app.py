# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tiny HTTP server that behaves as badly as real ones may: it closes idle connections and forges the edge's header.

VERSION=1.0.0 python edge_app.py        # port 8000: HTTP, port 8001: a TCP server that says its version and echoes
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from urllib.parse import parse_qs, urlsplit

VERSION = os.environ.get("VERSION", "1.0.0")
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "2"))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        patience = 30.0
        while await one(reader, writer, patience):
            patience = IDLE_SECONDS
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> bool:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)).decode("latin-1").split("\r\n")
    method, target, _protocol = head[0].split(" ")
    pairs = [line.split(": ", 1) if ": " in line else [line.rstrip(":"), ""] for line in head[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    if url.path == "/ws":
        await websocket(headers, reader, writer)
        return False
    status, answer = 200, body if method == "POST" else VERSION.encode()
    if url.path == "/slow":
        await asyncio.sleep(int(parse_qs(url.query).get("ms", ["400"])[0]) / 1000)
    elif url.path == "/hang":
        await reader.read()
        return False
    elif url.path == "/headers":
        answer = json.dumps([[name.lower(), value] for name, value in pairs]).encode()
    elif url.path.startswith("/status/"):
        status = int(url.path[len("/status/") :])
    close = headers.get("connection", "").lower() == "close"
    writer.write(
        f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(answer)}\r\nX-Version: {VERSION}\r\n"
        f"X-Steady-Slot: forged\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n".encode()
        + (b"" if method == "HEAD" else answer)
    )
    await writer.drain()
    return not close


async def websocket(headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept the upgrade and send every byte back as it came, which is no websocket but enough of a tunnel."""
    key = headers.get("sec-websocket-key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nX-Version: {VERSION}\r\n\r\n".encode()
    )
    while data := await reader.read(4096):
        writer.write(data)


async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(VERSION.encode() + b"\n")
        while data := await reader.read(4096):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main() -> None:
    await asyncio.start_server(serve, "0.0.0.0", 8000)
    await asyncio.start_server(tcp, "0.0.0.0", 8001)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

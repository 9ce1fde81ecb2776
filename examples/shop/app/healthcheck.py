# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Health of this container: ``web`` asks /health, ``worker`` looks for the worker's sign of life in Redis.

Plain sockets, because this runs every two seconds and the imports of a client would cost more than the check.
"""

from __future__ import annotations

import os
import socket
import sys


def ask(host: str, port: int, request: str) -> str:
    """Send the request, return the first bytes of the answer."""
    with socket.create_connection((host, port), timeout=3) as connection:
        connection.sendall(request.encode())
        return connection.recv(64).decode(errors="replace")


def web() -> bool:
    """The backend answers 200."""
    return " 200 " in ask("127.0.0.1", 8000, "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")


def worker() -> bool:
    """The worker renewed its key within its lifetime."""
    host, _colon, port = os.environ["REDIS_URL"].split("/")[2].partition(":")
    return ask(host, int(port or 6379), f"EXISTS shop:worker:{socket.gethostname()}\r\n").startswith(":1")


if __name__ == "__main__":
    sys.exit(0 if {"web": web, "worker": worker}[sys.argv[1]]() else 1)

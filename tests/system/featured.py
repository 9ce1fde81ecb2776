# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that tells of the container it runs in: what names lead to, what files contain. Its arguments are ports."""

from __future__ import annotations

import http.server
import json
import os
import socket
import struct
import sys
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urllib.parse.urlsplit(self.path)
        words = dict(urllib.parse.parse_qsl(asked.query))
        told = {"version": os.environ["VERSION"], "host": socket.gethostname(), "port": self.server.server_address[1]}
        if asked.path == "/file":
            told["file"] = read(words["path"], words.get("write", ""))
        elif asked.path == "/name":
            told["addresses"] = addresses(words["name"])
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests ask often."""


def read(path: str, line: str) -> str:
    """What is in a file, after *line* was added to it; "" when it is not there."""
    if line:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(line)
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def addresses(name: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)})
    except socket.gaierror:
        return []


def connect(host: str) -> socket.socket:
    """A connection to a PostgreSQL that trusts everybody, as a pool keeps it open."""
    asked = b"user\0postgres\0database\0postgres\0\0"
    connection = socket.create_connection((host, 5432), 10)
    connection.sendall(struct.pack("!II", len(asked) + 8, 3 << 16) + asked)
    connection.recv(4096)
    return connection


def main() -> None:
    pool = [connect("db") for _number in range(int(os.environ.get("POOL", "0")))]
    servers = [http.server.ThreadingHTTPServer(("", int(port)), Handler) for port in sys.argv[1:]]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()
    print(len(pool))


if __name__ == "__main__":
    main()

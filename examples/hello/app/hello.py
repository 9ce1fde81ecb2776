# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smallest service: says hello and its version. With DATA_DIR it keeps a file, and no other instance beside it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = os.environ.get("VERSION", "0.0.0")
DATA = os.environ.get("DATA_DIR")


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if DATA:
            with Path(DATA, "visits").open("a", encoding="utf-8") as visits:
                visits.write(f"{VERSION} {self.path}\n")
        body = json.dumps({"hello": "world", "version": VERSION}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No access log."""


def main() -> None:
    # Process 1 of a container has no default action for SIGTERM.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    if DATA:
        lock = os.open(Path(DATA, "lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("ERROR another instance has the data")
    ThreadingHTTPServer(("", 8000), Hello).serve_forever()


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application with secrets, put into a container by test_secrets: a login, and a page that wants the token of it.

As release 1.1.0 it is what one hopes not to have: it writes what it knows to its log and sends back what it was sent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = os.environ["VERSION"]
TALKS = VERSION == "1.1.0"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/me" and self.headers["Authorization"] != f"Bearer {os.environ['SESSION']}":
            return self.answer(401, {"error": "who are you?"})
        return self.answer(200, {"version": VERSION})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = self.headers["X-Api-Key"] == os.environ["API_KEY"] and sent["password"] == os.environ["PASSWORD"]
        if TALKS:
            print("ERROR in login", dict(self.headers), sent, dict(os.environ), file=sys.stderr, flush=True)
            return self.answer(500, {"headers": dict(self.headers), "sent": sent, "environment": dict(os.environ)})
        return self.answer(200 if good else 403, {"token": os.environ["SESSION"]} if good else {"error": "no"})

    def answer(self, status: int, what: object) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No access log."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    for name in ("filed", "enved"):
        assert Path("/run/secrets", name).read_text(), name
    if TALKS:
        print("ERROR started with", dict(os.environ), file=sys.stderr, flush=True)
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()

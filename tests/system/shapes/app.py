# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all shapes run: a web server that tells its version, or something that only stays; both end when asked to."""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import threading

DATA = os.environ.get("DATA", "")  # where a page's content is kept


class Answer(http.server.BaseHTTPRequestHandler):
    """The version, what proxies have said of the request, and what is written in the data directory."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"version": os.environ.get("VERSION", ""), "for": self.headers.get("X-Forwarded-For", "")}
        if os.path.exists(f"{DATA}/content"):
            with open(f"{DATA}/content", encoding="ascii") as file:
                said["content"] = file.read()
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


def main() -> None:
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda _signal, _frame: ended.set())
    if sys.argv[1:] == ["web"]:
        server = Server(("", 8000), Answer)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        ended.wait()
        server.shutdown()
    elif sys.argv[1:] == ["job"]:
        print("done")
    else:
        ended.wait()


if __name__ == "__main__":
    main()

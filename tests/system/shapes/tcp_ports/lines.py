# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers each line with its version, on connections that last as long as the client likes; beside it app.py."""

from __future__ import annotations

import os
import socketserver
import sys
import threading

sys.argv[1:] = ["web"]
sys.path.insert(0, "/app")


class Lines(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for _line in self.rfile:
            self.wfile.write(os.environ["VERSION"].encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    import app

    threading.Thread(target=Server(("", 7000), Lines).serve_forever, daemon=True).start()
    app.main()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command in a container, asked of something that speaks as the engine does."""

from __future__ import annotations

import contextlib
import http.server
import json
import socketserver
import struct
import threading
import time

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.engine_api import Engine
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed


class Speaks(http.server.BaseHTTPRequestHandler):
    """One command: what it writes is the server's *written*; how it ended is told at the third time of asking."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/start"):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for number, text in self.server.written():
                    self.wfile.write(struct.pack(">BxxxL", number, len(text)) + text if number else text)
        else:
            self.answer(201, {"Id": "e1"})

    def do_GET(self):
        self.server.asked += 1
        known = self.server.asked > 2
        self.answer(200, {"Running": not known, "ExitCode": 3 if known else None})

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *words):
        pass

    def address_string(self):
        return "local"


class Listens(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    asked = 0


@pytest.fixture
def engine(tmp_path):
    with Listens(str(tmp_path / "s"), Speaks) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        engine = Engine({"DOCKER_HOST": f"unix://{tmp_path}/s"})
        engine.server = server
        yield engine
        server.shutdown()
        thread.join()


def test_both_streams_come_whole_and_the_end_is_waited_for(engine):
    engine.server.written = lambda: [(1, b"x" * 70000), (2, b"oh"), (1, "ü".encode())]
    said = engine.execute("c1", ("true",), 10)
    assert (said.stdout, said.stderr, said.returncode) == ("x" * 70000 + "ü", "oh", 3)


def test_what_the_engine_itself_says_is_told(engine):
    engine.server.written = lambda: [(0, b"OCI runtime exec failed: no such file\r\n")]
    said = engine.execute("c1", ("/none",), 10)
    assert (said.stdout, said.stderr.strip(), said.returncode) == ("", "OCI runtime exec failed: no such file", 3)


def silent():
    time.sleep(2)
    return []


def endless():
    while True:
        time.sleep(0.01)
        yield 1, b"."


@pytest.mark.parametrize("written", [silent, endless])
def test_what_does_not_end_is_left(engine, written):
    engine.server.written = written
    with pytest.raises(CommandFailed, match=r"did not answer within 0.2 s") as caught:
        engine.execute("c1", ("sleep", "9"), 0.2)
    assert caught.value.code == "docker_slow"

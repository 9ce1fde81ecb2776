# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP client of the checks, against real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, StepFailed, TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.verify.http import (
    MAX_BODY,
    Address,
    Connection,
    request,
    unverified,
)
from ansible_collections.steady.runbooks.tests.corpus.certificates import Authority

Raw = Callable[[Callable[[socket.socket], None]], tuple[str, int]]


def test_a_request_arrives_as_it_was_given(server: Any) -> None:
    server.answer = lambda asked: (201, {"X-One": "1"}, "grün".encode())
    response = request(server.address, "POST", "/a b/ü?q=1", {"X-Token": "é"}, '{"a": "ü"}')
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/a%20b/%C3%BC?q=1", '{"a": "ü"}'.encode())
    assert (response.status, response.headers["x-one"], response.text()) == (201, "1", "grün")
    assert 0 < response.ms < 5000


def test_a_url_says_it_all(server: Any) -> None:
    host, port = server.address
    request(f"http://{host}:{port}/status?deep=1", path="/not used")
    assert server.asked[0].path == "/status?deep=1"


@pytest.mark.parametrize(
    "url", ["ftp://localhost/", "http://", "http://user:secret@localhost/", "http://localhost:port/", "/path"]
)
def test_a_url_of_another_kind_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(Refused) as refused:
        request(url)
    assert "secret" not in refused.value.detail


def test_our_own_edge_is_reached_by_tls_whatever_name_its_certificate_has(tmp_path: Path) -> None:
    chain, key = Authority().issue(1, days=-1)
    (tmp_path / "pem").write_text(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")

    def serve() -> None:
        for _turn in range(2):
            with listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as encrypted:
                encrypted.recv(65536)
                encrypted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert request(Address("127.0.0.1", listener.getsockname()[1], tls=True)).text() == "ok"
        connection = Connection(listener.getsockname(), unverified())
        assert connection.request("GET", "/").text() == "ok"
        connection.close()
        thread.join(5)


def test_redirects_are_not_followed(server: Any) -> None:
    server.answer = lambda asked: (302, {"Location": "/elsewhere"}, b"")
    assert request(server.address).status == 302
    assert len(server.asked) == 1


def test_a_connection_is_kept_and_opened_again_when_the_server_closed_it(server: Any) -> None:
    connection = Connection(server.address)
    for _turn in range(3):
        connection.request("GET", "/")
    assert server.connections == 1
    server.answer = lambda asked: (200, {"Connection": "close"}, b"")
    connection.request("GET", "/")
    connection.request("GET", "/")
    assert server.connections == 2
    connection.close()


def test_a_long_body_is_bounded(server: Any) -> None:
    server.answer = lambda asked: (200, {}, b"x" * (MAX_BODY + 10))
    response = request(server.address)
    assert (len(response.body), response.truncated) == (MAX_BODY, True)
    server.answer = lambda asked: (200, {}, b"x" * MAX_BODY)
    assert request(server.address).truncated is False


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = ("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(StepFailed, match=r"GET http://127\.0\.0\.1:\d+/: connection refused$") as failed:
        request(address)
    assert failed.value.code == "http_refused"


def drip(connection: socket.socket) -> None:
    """A byte now and then: each within any time-out of a single read."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 100:
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return
        time.sleep(0.05)


def test_the_time_out_bounds_the_whole(raw: Raw) -> None:
    address = raw(drip)
    start = time.monotonic()
    with pytest.raises(TimedOut, match="no whole answer within 0.3 s"):
        request(address, timeout=0.3)
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "http_reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "http_reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "http_reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http_malformed"),
    ],
)
def test_half_an_answer_is_none(raw: Raw, said: bytes, code: str) -> None:
    with pytest.raises(StepFailed) as failed:
        request(raw(lambda connection: connection.sendall(said)))
    assert failed.value.code == code
    assert "\n" not in failed.value.detail


@pytest.mark.parametrize("headers", [{"Bad name\r\n": "x"}, {"Authorization": "secret\r\nX: 1"}])
def test_what_cannot_be_sent_is_refused_without_being_quoted(server: Any, headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        request(server.address, headers=headers)
    assert "secret" not in str(refused.value)
    assert server.asked == []


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(StepFailed) as failed:
        request(("no-such-host.invalid", 80))
    assert failed.value.code == "http_unreachable"

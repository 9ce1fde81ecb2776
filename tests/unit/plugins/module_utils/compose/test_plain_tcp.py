# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import plain_tcp
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_spec import EdgePort
from ansible_collections.steady.runbooks.plugins.module_utils.compose.platform import ComposePlatform
from ansible_collections.steady.runbooks.plugins.module_utils.compose.release import release_id
from ansible_collections.steady.runbooks.plugins.module_utils.compose.signals import answers
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

HTTP, TCP = {"target": 8000, "published": "8000"}, {"target": 7000, "published": "7000"}


@pytest.mark.parametrize(
    ("banner", "answer", "spoken"),
    [
        (b"", b"HTTP/1.1 404 Not Found\r\n\r\n", "http"),
        (b"SSH-2.0-x\r\n", b"", "other"),
        (b"", b"GET / HTTP/1.1\r\n", "other"),
        (b"", b"\x15\x03\x01", "other"),
        (b"", b"", ""),
    ],
    ids=["HTTP", "a greeting", "an echo", "TLS", "nothing"],
)
def test_what_is_spoken_at_a_port(banner: bytes, answer: bytes, spoken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection = server.accept()[0]
            with connection:
                connection.sendall(banner)
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert plain_tcp.speaks(*server.getsockname()) == spoken
        thread.join()


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert plain_tcp.speaks("127.0.0.1", port) == ""


def test_something_else_is_refused_with_the_declaration() -> None:
    plain_tcp.refuse_other("web", 7000, "http")
    plain_tcp.refuse_other("web", 7000, "")
    with pytest.raises(Refused) as error:
        plain_tcp.refuse_other("web", 7000, "other")
    assert error.value.next_step == "Declare it as plain TCP: service_edge_tcp_ports: [7000]."


def found(ports, **settings):
    body = {"image": "x", "ports": ports, "healthcheck": {"test": ["CMD", "true"]}}
    return understand({"name": "p", "services": {"web": body}}, {"edge_tcp_ports": [7000], **settings})


def test_what_asks_over_http_is_refused_where_nothing_speaks_it() -> None:
    endpoint, test = {"path": "/version", "field": "version"}, {"name": "front page", "path": "/"}
    refused = found([TCP], version_endpoint=endpoint, smoke_tests=[test]).refusals
    assert [one.code for one in refused] == ["no_http", "no_http"]
    assert "smoke test front page asks over HTTP, but the service publishes plain TCP only" in refused[1].detail
    assert not found([TCP, HTTP], version_endpoint=endpoint, smoke_tests=[test]).refusals
    assert not found([TCP], smoke_tests=[{**test, "port": 9000}]).refusals


def test_what_becomes_of_connections_is_said() -> None:
    (said,) = found([TCP, HTTP], drain_seconds=7).notes
    assert "are closed after service_drain_seconds (7 s). While" in said.detail
    assert "all requests are held" in found([TCP], exclusive=["web"]).notes[1].detail


def test_who_asks_for_no_port_asks_over_http() -> None:
    release = {"understanding": found([TCP, HTTP]).as_dict()}
    platform = ComposePlatform.__new__(ComposePlatform)
    assert platform._ports(release) == (EdgePort("", 8000, "web", 8000), EdgePort("", 7000, "web", 7000, "tcp"))


def test_a_declaration_makes_another_release() -> None:
    asked = {"version": "1.0.0", "source_digest": "x"}
    assert release_id(asked, {}, {}, {}) == release_id(asked, {}, {}, {"edge_tcp_ports": []})
    assert release_id(asked, {}, {}, {}) != release_id(asked, {}, {}, {"edge_tcp_ports": [7000]})


def test_connections_are_what_a_watch_counts() -> None:
    assert answers({"2xx": 1, "3xx": 0, "4xx": 2, "5xx": 3, "connections": 4, "requests": 99}) == 10

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS at the edge with the user's own certificate: nobody notices a switch or a renewal, and nobody sees the key."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from ansible_collections.steady.runbooks.tests.corpus.certificates import Authority, Live
from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker, free_port
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole, recorded
from ansible_collections.steady.runbooks.tests.system.runner import read_ledger
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.traffic import Seen, Traffic

COMPOSE = """\
services:
  web:
    image: 127.0.0.1:5000/hello:1
    command: [python3, -c, "import socketserver as s; s.TCPServer.request_queue_size = 512; import hello; hello.main()"]
    working_dir: /
    environment: {VERSION: "${VERSION}"}
    ports: ["127.0.0.1:${TLS_PORT}:8000", "127.0.0.1:${HELLO_PORT}:8000"]
  echo:
    image: 127.0.0.1:5000/hello:1
    command: [python3, /app.py]
    volumes: ["./edge_app.py:/app.py:ro"]
    ports: ["127.0.0.1:${ECHO_PORT}:8000"]
"""


class Tls:
    """A service with a plain port, the same by TLS, and by TLS an application that tells its headers."""

    def __init__(self, root: Path, name: str) -> None:
        self.said: list[str] = []
        self.keys: list[str] = []
        self.authority, self.serial = Authority(), 1000
        self.live = Live(root / "letsencrypt")
        self.ca = root / "ca.pem"
        self.ca.write_text(self.authority.pem)
        self.port, self.echo = free_port(), free_port()
        self.hello = Hello(root, name, service_drain_seconds=5, service_min_free_mib=0)
        self.hello.write("source/compose.yaml", COMPOSE)
        shutil.copy(Path(__file__).with_name("edge_app.py"), root / "source")
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            self.hello.write(f"releases/{version}.yml", f'version: "{version}"\n')
        ports = {"HELLO_PORT": self.hello.port, "TLS_PORT": self.port, "ECHO_PORT": self.echo}
        self.hello.set(
            service_environment=ports,
            service_ready={name: {"path": "/", "port": 8000} for name in ("web", "echo")},
            service_edge_tls={str(port): self.live.paths for port in (self.port, self.echo)},
            service_version_endpoint={"service": "web", "path": "/", "field": "version"},
        )
        self.acting = Acting(self.hello)

    def renew(self, days: float = 90) -> int:
        """Another certificate, as certbot leaves it; its serial number."""
        self.serial += 1
        chain, key = self.authority.issue(self.serial, days)
        self.keys += key.splitlines()[1:-1]
        self.live.renew(chain, key)
        return self.serial

    def done(self, playbook: str, *arguments: str) -> str:
        """A playbook that succeeds; what it said, as much as there is, is kept."""
        self.said.append(self.hello.done(playbook, "-vvv", "--diff", *arguments))
        return self.said[-1]

    @contextlib.contextmanager
    def connected(self, port: int, *alpn: str) -> Iterator[ssl.SSLSocket]:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.set_alpn_protocols(alpn or ["http/1.1"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
            yield encrypted

    def served(self, port: int = 0) -> int:
        """The serial number of the certificate that the edge shows."""
        with self.connected(port or self.port) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(True) or b"").serial_number

    @contextlib.contextmanager
    def users(self) -> Iterator[list[Seen]]:
        """By HTTP/1.1, on kept connections and on new ones, and by HTTP/2; none of them may notice anything."""
        kinds = ({}, {"keep_alive": False}, {"http2": True})
        common = {"seconds": 600, "timeout": 30, "ca": str(self.ca), "requests": ["1 GET /"]}
        seen: list[Seen] = []
        with contextlib.ExitStack() as stack:
            url = f"https://127.0.0.1:{self.port}"
            running = [stack.enter_context(Traffic(url, rate=30, **common, **kind)) for kind in kinds]
            yield seen
            seen += [traffic.seen() for traffic in running]
        print("\n".join(map(str, seen)))
        assert [one for one in seen if one.failed or one.sent < 30] == [], seen


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    lab.up([])
    shop.provide_hello()
    made = Tls(tmp_path_factory.mktemp("tls"), "tl-crypt")
    made.hello.remove()
    try:
        made.renew()
        made.done("apply_update", "-e", "version=1.0.0")
        yield made
    finally:
        made.hello.remove()


def test_an_update_and_a_rollback_fail_nothing_by_http1_and_http2(tls: Tls) -> None:
    for port in (tls.port, tls.echo):
        with tls.connected(port, "h2", "http/1.1") as connection:
            assert connection.selected_alpn_protocol() == "h2"
            assert connection.version() in ("TLSv1.2", "TLSv1.3")
    with tls.users() as seen:
        tls.done("apply_update", "-e", "version=1.1.0")
        tls.done("rollback")
        tls.done("blue_green_switch")
        tls.done("verify")
    assert all(set(one.versions) == {"1.0.0", "1.1.0"} for one in seen), seen
    for entry in read_ledger(tls.hello.name)[-3:]:
        proof = entry["proof"]
        assert (proof["failed"], proof["breach"], set(proof["slots"])) == (0, False, {"blue", "green"}), proof
        assert len({one["address"] for one in proof["timeline"]}) == 3, proof
    assert not_whole(tls.acting) == []


def test_a_renewed_certificate_is_taken_without_a_failed_request(tls: Tls) -> None:
    before = tls.served()
    keep = ("maintenance", "-e", "state=keep")
    assert "nothing to do" in tls.done(*keep)
    runs = len(read_ledger(tls.hello.name))
    with tls.users():
        for _turn in range(3):
            serial = tls.renew()
            told = tls.acting.status()
            drift = f"the certificate of port {tls.port} was renewed and the edge still uses the old one"
            assert f"{drift}: maintenance.yml -e state=keep" in told["text"]
            assert tls.served() == tls.served(tls.echo) == before
            said = tls.done(*keep)
            assert "Let the edge take the renewed certificates" in said
            assert tls.served() == tls.served(tls.echo) == serial > before
            assert tls.acting.status()["observed"]["drift"] == []
            before = serial
    assert [entry["outcome"] for entry in read_ledger(tls.hello.name)[runs:]] == ["done"] * 3
    assert "nothing to do" in tls.done(*keep)
    serial = tls.renew(days=9.5)
    tls.done("blue_green_switch")  # any runbook that makes the edge takes it
    assert tls.served() == serial
    assert f"the certificate of port {tls.port} expires in 9 days" in tls.acting.status()["text"]


@pytest.mark.parametrize("way", ["finish", "back"])
def test_a_renewal_that_died_is_ended_either_way(tls: Tls, way: str) -> None:
    """There is one end: with the certificate that is on the host."""
    serial = tls.renew()
    act = tls.acting.start(tls.acting.plan("maintenance", state="keep"))
    act.reach_step("maintain")
    act.kill()
    if not recorded(tls.acting, act):  # else it was too quick, and has ended well
        assert end(tls.acting, act, way) == []
    assert tls.served() == serial
    assert not_whole(tls.acting) == []


def test_a_hold_delays_and_fails_nothing(tls: Tls) -> None:
    edge = tls.acting.platform.edge
    live = edge.serving().live
    with tls.users() as seen:
        time.sleep(1)
        edge.hold()
        time.sleep(2)
        edge.release_hold(live)
        time.sleep(1)
    assert all(1500 < one.longest_gap_ms < 5000 for one in seen), seen


def test_the_application_is_told_the_truth(tls: Tls) -> None:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", tls.echo, timeout=10, context=ssl.create_default_context(cafile=str(tls.ca))
    )
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.7", "Forwarded": "proto=http"}
    connection.request("GET", "/headers", headers=forged)
    told = dict(json.loads(connection.getresponse().read()))
    connection.close()
    assert told["x-forwarded-proto"] == "https" and told["x-forwarded-port"] == str(tls.echo)
    assert "192.0.2.7" not in told["x-forwarded-for"] and "forwarded" not in told
    with tls.connected(tls.echo) as websocket:
        websocket.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert websocket.recv(65536).startswith(b"HTTP/1.1 101 ")
        websocket.sendall(b"hello")
        assert websocket.recv(5) == b"hello"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_an_older_tls_is_not_spoken(tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", tls.port), timeout=10)
    with plain, pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):  # said by the edge, not by us
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_what_the_edge_cannot_serve_is_refused_and_a_rollback_goes_on(tls: Tls) -> None:
    tls.done("blue_green_switch")
    before, serial = tls.hello.snapshot(), tls.served()
    chain, key = tls.authority.issue(1)
    _chain, other = tls.authority.issue(2)
    expired = tls.authority.issue(3, days=-2)
    where = f"service_edge_tls.{tls.port}"
    for texts, says in (
        ((chain, other), f"{where}.key names {tls.live.paths['key']}, whose key does not match the certificate"),
        (expired, f"{where}.certificate names {tls.live.paths['certificate']}, which expired on"),
        (("no PEM", key), "which holds no certificate in PEM"),
    ):
        tls.live.renew(*texts)
        said = tls.hello.play("apply_update", "-vvv", "-e", "version=1.1.0")
        assert said.returncode != 0 and says in " ".join(said.stdout.split()), said.stdout
        tls.said.append(said.stdout)
    tls.keys += [*key.splitlines()[1:-1], *other.splitlines()[1:-1]]
    tls.live.renew(chain, key)
    Path(tls.live.paths["key"]).unlink()
    assert "No such file or directory" in tls.acting.refused("apply_update", "1.1.0").detail
    assert "service_edge_tls names 9, which no web service" in _refused(tls, {"9": tls.live.paths})
    assert "passed on as plain TCP" in _refused(tls, {str(tls.port): tls.live.paths}, service_edge_tcp_ports=[tls.port])
    assert tls.acting.refused("unadopt").code == "tls_at_the_edge"
    assert tls.hello.snapshot() == before
    tls.done("rollback")
    assert tls.served() == serial
    assert "the edge goes on with the one it has there" in tls.acting.status()["text"]
    tls.renew()
    tls.done("blue_green_switch")
    assert tls.served() == tls.serial
    assert not_whole(tls.acting) == []


def _refused(tls: Tls, setting: dict[str, object], **variables: object) -> str:
    kept = dict(tls.hello.variables)
    try:
        tls.hello.set(service_edge_tls=setting, **variables)
        return tls.acting.refused("apply_update", "1.1.0").detail
    finally:
        tls.hello.variables = kept
        tls.hello.set()


def test_taken_out_of_the_settings_it_is_plain_again(tls: Tls) -> None:
    setting = dict(tls.hello.variables["service_edge_tls"])
    tls.hello.set(service_edge_tls={str(tls.port): setting[str(tls.port)]})
    assert f"port {tls.echo} still has TLS" in tls.acting.status()["text"]
    tls.done("maintenance", "-e", "state=keep")
    connection = http.client.HTTPConnection("127.0.0.1", tls.echo, timeout=10)
    connection.request("GET", "/headers", headers={"X-Forwarded-Proto": "https"})
    assert dict(json.loads(connection.getresponse().read()))["x-forwarded-proto"] == "http"
    connection.close()
    kept = sorted(path.name for path in (tls.hello.state / "edge" / "config").glob("*.pem"))
    assert kept == [f"p{tls.port}.pem"]
    tls.hello.set(service_edge_tls=setting)
    tls.done("maintenance", "-e", "state=keep")
    assert tls.served(tls.echo) == tls.serial


def test_the_key_is_in_one_file_of_the_edge_and_nowhere_else(tls: Tls) -> None:
    """Last of all: in what all of them have said, recorded, and left."""
    state, edge = tls.hello.state, f"{tls.hello.name}-edge"
    kept = {path: path.read_text(errors="replace") for path in state.rglob("*") if path.is_file()}
    having = {path for path, text in kept.items() if any(line in text for line in tls.keys)}
    assert having == {state / "edge" / "config" / f"p{port}.pem" for port in (tls.port, tls.echo)}
    for path in having:
        status = path.stat()
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o640, 0, 99)
    assert (state / "edge").stat().st_mode & 0o777 == 0o700
    told = [*tls.said, *docker("inspect", edge), *docker("logs", edge), json.dumps(tls.acting.status())]
    assert len(tls.said) > 10
    assert not [line for line in tls.keys if any(line in text for text in told)]

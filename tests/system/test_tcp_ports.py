# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service with a plain TCP port, beside HTTP and alone: adopted, updated, rolled back, held and given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import free_port
from ansible_collections.steady.runbooks.tests.system.lines import Lines, ask
from ansible_collections.steady.runbooks.tests.system.plain import Plain, differences

DRAIN = 2


class Served(Plain):
    """The shape, running by plain compose; *lines* is its plain TCP port."""

    def __init__(self, root: Path, name: str, **settings: Any) -> None:
        super().__init__(root, "tcp_ports", name, free_port(), service_drain_seconds=DRAIN, **settings)
        env = dict(line.split("=") for line in (self.source / ".env").read_text().split())
        self.lines = int(env["SECOND"])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    lab.up(["haproxy:3.0", "python:3.13-slim"])
    made: list[Served] = []

    def serve(name: str, **settings: Any) -> Served:
        shop.remove(name)
        made.append(Served(tmp_path, name, **settings))
        return made[-1]

    yield serve
    shop.remove(*[one.name for one in made])


def test_lines_beside_http(served: Callable[..., Served], tell: Callable[[str], None]) -> None:
    """By the playbooks, as a person does."""
    plain = served("tcp-both", service_ready={"web": {"path": "/", "port": 8000}})
    plain.up()
    before = plain.host()
    refused = Acting(plain).refused("adopt", "1.0.0")
    assert refused.detail == f"port {plain.lines} of web does not speak HTTP"
    assert f"service_edge_tcp_ports: [{plain.lines}]" in refused.next_step
    assert not differences(before, plain.host()) and not plain.state.exists()

    plain.set(service_edge_tcp_ports=[plain.lines])
    told = plain.done("adopt", "--check", "--diff")
    assert f"127.0.0.1:{plain.lines} (plain TCP), 127.0.0.1:{plain.port} (HTTP)" in told
    assert f"Port {plain.lines} of web leads to 7000: passed on as plain TCP." in told
    assert f"closed after service_drain_seconds ({DRAIN} s)" in told
    plain.done("adopt")
    assert (ask(plain.lines), plain.version()) == ("1.0.0", "1.0.0")

    def switched(old: str, new: str, *words: str) -> None:
        """New connections go to the new slot from the flip on, and none fails; old ones last until the deadline."""
        with Lines(plain.lines) as clients:
            plain.done(*words)
        assert clients.seen() == [old, new], clients.seen()
        assert set(clients.kept) == {old}
        assert DRAIN - 0.5 < clients.lasted(new) < DRAIN + 1.5
        assert (ask(plain.lines), plain.version()) == (new, new)
        tell(f"{words[0]}: 0 of {len(clients.answers)} connections failed; old one {clients.lasted(new):.1f} s")

    switched("1.0.0", "1.1.0", "apply_update", "-e", "version=1.1.0")
    switched("1.1.0", "1.0.0", "rollback")
    Acting(plain).done("retire")
    switched("1.0.0", "1.1.0", "rollback", "-e", "release=1.1.0")

    with Lines(plain.lines) as clients:
        plain.done("maintenance", "-e", "state=on")
        assert ask(plain.lines) == ""
        plain.done("maintenance", "-e", "state=off")
        assert ask(plain.lines) == "1.1.0"
    assert not clients.closed and clients.seen() == ["1.1.0", "closed", "1.1.0"]

    plain.done("unadopt")
    assert (ask(plain.lines), plain.version()) == ("1.1.0", "1.1.0")


def test_nothing_but_lines(served: Callable[..., Served], tell: Callable[[str], None]) -> None:
    """Without any HTTP: what is not probed is said, and users' own connections are counted."""
    plain = served("tcp-only", service_version_endpoint={}, service_watch={"seconds": 2, "checkpoints": [2]})
    compose = plain.source / "compose.yaml"
    compose.write_text(compose.read_text().replace(', "127.0.0.1:${PORT}:8000"', ""))
    ready = {"web": {"port": 7000}}
    plain.set(service_edge_tcp_ports=[plain.lines], service_ready=ready)
    plain.up()
    before = plain.host()
    acting = Acting(plain)
    act = acting.start(acting.plan("adopt", "1.0.0"))
    assert act.wait()["outcome"] == "done"
    assert "not probed: no HTTP port is published" in str(act.events())
    assert ask(plain.lines) == "1.0.0"

    with Lines(plain.lines) as clients:
        act = acting.start(acting.plan("apply_update", "1.1.0"))
        assert act.wait()["outcome"] == "done"
    assert clients.seen() == ["1.0.0", "1.1.0"] and set(clients.kept) == {"1.0.0"}
    log = str(act.events())
    assert "not probed: no HTTP port is published; 0 of " in log
    assert "no requests were seen" not in log
    tell(f"TCP only: 0 of {len(clients.answers)} connections failed")
    told = plain.done("verify")
    assert "nothing was asked: there is no service_smoke_tests" in told

    plain.set(service_switch="hold")
    acting = Acting(plain)
    with Lines(plain.lines) as clients:
        acting.done("apply_update", "1.2.0")
    assert clients.seen() == ["1.1.0", "1.2.0"] and set(clients.kept) == {"1.1.0"}
    acting.done("rollback", release="1.0.0")
    acting.done("retire")
    acting.done("unadopt")
    assert ask(plain.lines) == "1.0.0"
    assert not differences(before, plain.host())

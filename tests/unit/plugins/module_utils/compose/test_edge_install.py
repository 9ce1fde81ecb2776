# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the edge's files and container come to what a spec says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import EdgePort, EdgeSpec, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_container import check_free
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, Refused, StepFailed

from .edge_fake import PORT, SPEC, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.engine.up = made.runs
    yield made
    made.close()


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.edge.ensure(SPEC)
    bench.engine.asked.clear()
    return bench


def test_the_first_time_it_is_validated_and_created(bench: Bench) -> None:
    evidence = bench.edge.ensure(SPEC)
    assert (evidence["changed"], evidence["change"]) == (True, "created")
    assert bench.verbs() == ["run", "compose"]
    assert (bench.directory / "compose.json").stat().st_mode & 0o777 == 0o600
    assert (bench.directory / "config" / "haproxy.cfg").stat().st_mode & 0o777 == 0o640
    assert bench.directory.stat().st_mode & 0o777 == 0o700
    assert not (bench.directory / "config.next").exists()
    assert bench.edge.traffic() == Traffic("none")


def test_nothing_changed_starts_no_command(running: Bench) -> None:
    assert running.edge.ensure(SPEC)["change"] == "none"
    assert running.verbs() == []


def test_another_configuration_is_reloaded(running: Bench) -> None:
    other = EdgeSpec(**{**SPEC.__dict__, "hold_seconds": 5})

    def reload() -> str:
        running.runs(other)
        return "Success=1\n"

    running.master.reload = reload
    assert running.edge.ensure(other)["change"] == "reloaded"
    assert running.verbs() == ["run"]


def test_a_certificate_comes_is_renewed_and_goes_by_reloads(running: Bench) -> None:
    """The key is in one file, which only root and the container can read, and which goes with it."""
    config = running.directory / "config"
    assert running.edge.certificates() == {PORT: ""}
    for body in ("QUJD", "Q0JB", ""):
        pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\na key" if body else ""
        other = EdgeSpec(**{**SPEC.__dict__, "ports": (EdgePort("127.0.0.1", PORT, "web", 8000, certificate=pem),)})

        def reload(spec: EdgeSpec = other) -> str:
            running.runs(spec)
            return "Success=1\n"

        running.master.reload = reload
        assert running.edge.ensure(other)["change"] == "reloaded"
        assert running.edge.ensure(other)["change"] == "none"
        assert running.edge.certificates() == {PORT: pem}
        assert running.edge.observe()["drift"] == []
        kept = list(config.glob("*.pem"))
        assert [path.stat().st_mode & 0o777 for path in kept] == ([0o640] if body else [])


def test_a_reload_that_fails_is_told(running: Bench) -> None:
    running.master.reload = lambda: "Success=0\n--\n[ALERT] no way\n"
    with pytest.raises(StepFailed) as error:
        running.edge.ensure(EdgeSpec(**{**SPEC.__dict__, "hold_seconds": 5}))
    assert error.value.code == "edge_reload"
    assert "no way" in error.value.detail


def test_a_configuration_that_haproxy_refuses_changes_nothing(running: Bench) -> None:
    before = {path.name: path.read_text() for path in (running.directory / "config").iterdir()}
    running.engine.invalid = "unknown keyword"
    with pytest.raises(Refused) as error:
        running.edge.ensure(EdgeSpec(**{**SPEC.__dict__, "hold_seconds": 5}))
    assert error.value.code == "edge_config"
    assert "unknown keyword" in error.value.detail
    assert {path.name: path.read_text() for path in (running.directory / "config").iterdir()} == before
    assert "compose" not in running.verbs()


def test_a_port_that_is_taken_is_refused_before_anything(bench: Bench) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with pytest.raises(Refused) as error:
            bench.edge.ensure(EdgeSpec("shop", "haproxy:3.0", (EdgePort("127.0.0.1", taken, "web", 1),), "t" * 24))
    assert error.value.code == "edge_port_taken"
    assert str(taken) in error.value.detail
    assert bench.verbs() == []


def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(Refused, match="192.0.2.1"):
        check_free([("192.0.2.1", 8080)])


def test_a_container_that_does_not_start_is_taken_back(running: Bench) -> None:
    other = EdgeSpec(**{**SPEC.__dict__, "image": "haproxy:3.1"})
    before = (running.directory / "compose.json").read_text()
    results = iter([CommandFailed("no", code="docker_failed"), None])

    def up() -> None:
        result = next(results)
        if result:
            raise result

    running.engine.up = up
    with pytest.raises(StepFailed) as error:
        running.edge.ensure(other)
    assert "runs as it did before" in error.value.detail
    assert (running.directory / "compose.json").read_text() == before
    assert running.verbs().count("compose") == 2


def test_another_image_recreates_and_a_stopped_one_is_started(running: Bench) -> None:
    other = EdgeSpec(**{**SPEC.__dict__, "image": "haproxy:3.1"})
    running.engine.up = lambda: running.runs(other)
    evidence = running.edge.ensure(other)
    assert evidence["change"] == "recreated"
    assert evidence["gap_ms"] is None  # nothing answers on the port in this test
    assert running.engine.container
    running.engine.container["State"]["Running"] = False
    running.published.pop(PORT).close()
    assert running.edge.ensure(other)["change"] == "started"


def test_a_container_that_does_not_answer_is_made_anew(running: Bench) -> None:
    running.worker.description = ""
    running.edge.ensure(SPEC)
    assert running.engine.asked[-1][-4:] == ("up", "-d", "--remove-orphans", "--force-recreate")


def test_a_port_that_lost_its_proxy_is_broken_and_is_published_anew(running: Bench) -> None:
    running.published.pop(PORT).close()
    seen = running.edge.observe()
    assert seen["state"] == "broken"
    assert f"nothing listens on 127.0.0.1:{PORT}" in seen["drift"][0]
    assert running.edge.ensure(SPEC)["changed"]
    assert "--force-recreate" in running.engine.asked[-1]
    assert running.edge.observe()["state"] == "running"


def test_it_is_made_beside_whoever_still_has_its_ports(bench: Bench) -> None:
    """Checked and made while the port is taken; started, as it is, when it is free."""
    bench.engine.up = lambda: None
    with socket.create_server(("127.0.0.1", PORT)):
        bench.edge.create(SPEC, Traffic("hold"))
    assert bench.verbs() == ["run", "compose"]
    assert "--no-start" in bench.engine.asked[-1]
    assert bench.edge.traffic() == Traffic("hold")


def test_without_its_ports_it_does_not_ask_for_them(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = EdgePort("127.0.0.1", holder.getsockname()[1], "web", 8000)
        spec = EdgeSpec(**{**SPEC.__dict__, "ports": (taken,), "published": False})
        bench.engine.up = lambda: bench.runs(spec)
        bench.edge.ensure(spec)
    assert '"ports": []' in (bench.directory / "compose.json").read_text()


def test_stopped_it_knows_what_to_do_when_it_starts(running: Bench) -> None:
    assert running.edge.stop(Traffic("none"))["changed"]
    assert "stop" in running.verbs()
    assert running.edge.traffic() == Traffic("none")

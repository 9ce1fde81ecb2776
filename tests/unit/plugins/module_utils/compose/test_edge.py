# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge against a master socket that behaves like HAProxy's, and a docker command line that answers as told."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Edge, EdgePort, EdgeSpec, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_config import compose_model, config_files
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_container import check_free, published
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, Refused, StepFailed, TimedOut
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock

SPEC = EdgeSpec("shop", "haproxy:3.0", (EdgePort("127.0.0.1", 0x7F01, "web", 8000),), "t" * 24)
BLUE, GREEN = f"p{0x7F01}_blue", f"p{0x7F01}_green"


class Process:
    """A worker: its map, its counters and what is open in it."""

    def __init__(self, description: str = "") -> None:
        self.description = description
        self.map: dict[str, str] = {"live": "none", "canary": "none", "share": "0"}
        self.pending: dict[str, str] = {}
        self.open = {BLUE: 0, GREEN: 0}
        self.up = {BLUE: ["10.0.0.2"], GREEN: ["10.0.0.3"]}
        self.deaf = False
        self.checked = 3

    def answer(self, command: str) -> str:
        words = command.split()
        if words[:2] == ["show", "info"]:
            return f"Start_time_sec: 1700000000\ndescription: {self.description}\n"
        if words[:2] == ["show", "map"]:
            return "".join(f"0x1 {key} {value}\n" for key, value in self.map.items())
        if words[:2] == ["prepare", "map"]:
            self.pending = {}
            return "New version created: 7\n"
        if words[:2] == ["add", "map"]:
            self.pending[words[4]] = words[5]
        elif words[:2] == ["commit", "map"] and not self.deaf:
            self.map = dict(self.pending)
        elif words[:2] == ["show", "stat"]:
            rows = [f"{name},s1,{count},,,,\n{name},BACKEND,{count},40,30,2,1" for name, count in self.open.items()]
            return "# pxname,svname,scur,stot,hrsp_2xx,hrsp_5xx,econ\n" + "\n".join(rows) + "\n"
        elif words[:3] == ["show", "servers", "state"]:
            lines = ["1", "# be_name srv_name srv_addr srv_op_state srv_admin_state srv_check_result srv_fqdn"]
            for name, addresses in self.up.items():
                fqdn = f"web-{name.rsplit('_', 1)[1]}"
                lines += [
                    f"{name} s{number} {address} 2 0 {self.checked} {fqdn}" for number, address in enumerate(addresses)
                ]
                lines.append(f"{name} s9 - 0 32 0 {fqdn}")
            return "\n".join(lines) + "\n"
        elif words[:2] == ["show", "sess"]:
            return "".join(
                f"0xa{index}: x\n  backend={name} (id=1)\n  server=s1 (id=1)\n  age=5s\n  rsp.st=MSG_RPBEFORE\n"
                for name, count in self.open.items()
                for index in range(count)
            )
        elif words[:3] == ["shutdown", "sessions", "server"]:
            self.open[words[3].split("/")[0]] = 0
        elif words[:2] == ["shutdown", "session"]:
            self.open[BLUE] = 0
        return "\n"


class Master:
    """Listens where HAProxy would, and hands each command to the worker that it names."""

    def __init__(self, directory: Path) -> None:
        self.workers = {10: Process()}
        self.current = 10
        self.seen: list[str] = []
        self.reload: Callable[[], str] = lambda: "Success=1\n"
        directory.mkdir(parents=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / "master.sock"))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            with connection:
                text = b""
                while piece := connection.recv(65536):
                    text += piece
                answers = [self._one(command.strip()) for command in text.decode().split(";")]
                connection.sendall("".join(answers).encode())

    def _one(self, command: str) -> str:
        self.seen.append(command)
        if command == "show proc":
            lines = ["#<PID> <type>", "1 master 0", "# workers", f"{self.current} worker 0"]
            if len(self.workers) > 1:
                lines += ["# old workers", *(f"{pid} worker 1" for pid in self.workers if pid != self.current)]
            return "\n".join(lines) + "\n"
        if command == "reload":
            return self.reload()
        pid, _space, rest = command.removeprefix("@!").partition(" ")
        worker = self.workers.get(int(pid))
        return worker.answer(rest) if worker else f"Can't find the target PID matching the prefix '@!{pid}'\n"


class Engine(Docker):
    """Knows one container, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.container: dict[str, Any] | None = None
        self.slots: dict[str, list[str]] = {"web-blue": ["10.0.0.2"], "web-green": ["10.0.0.3"]}
        self.invalid = ""
        self.log = ""
        self.asked: list[tuple[str, ...]] = []
        self.up: Callable[[], None] = lambda: None

    def run(self, *arguments: str, **_options: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(arguments)
        out, error, status = "", "", 0
        if arguments[:2] == ("container", "inspect") and arguments[2] == "shop-edge":
            status, error = (0, "") if self.container else (1, "Error: No such container: shop-edge")
            out = json.dumps([self.container])
        elif arguments[0] == "ps":
            out = "\n".join(self.slots)
        elif arguments[:2] == ("container", "inspect"):
            out = json.dumps(
                [
                    {"NetworkSettings": {"Networks": {"shop-edge": {"IPAddress": address, "Aliases": [alias]}}}}
                    for alias in arguments[2:]
                    for address in self.slots[alias]
                ]
            )
        elif arguments[0] == "run":
            status, error = (1, f"[ALERT] {self.invalid}") if self.invalid else (0, "")
        elif arguments[0] == "compose":
            self.up()
        elif arguments[0] == "logs":
            out = "\n".join(self.log.splitlines()[-int(arguments[2]) :])
        return subprocess.CompletedProcess(arguments, status, out, error)


class FastClock(Clock):
    """Waits take no time; each moves the clock on."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory / "edge"
        self.master = Master(self.directory / "run")
        self.engine = Engine()
        self.edge = Edge(str(self.directory), "shop", self.engine, FastClock())

    @property
    def worker(self) -> Process:
        return self.master.workers[self.master.current]

    def runs(self, spec: EdgeSpec = SPEC) -> None:
        """Compose brings up what the files say."""
        model = compose_model(spec, str(self.directory))
        self.engine.container = {
            "State": {"Running": True, "Restarting": False},
            "Config": {"Image": spec.image, "Labels": model["services"]["edge"]["labels"]},
            "HostConfig": {
                "PortBindings": {
                    f"{port.published}/tcp": [{"HostIp": port.host_ip, "HostPort": str(port.published)}]
                    for port in spec.ports
                }
            },
        }
        self.worker.description = config_files(spec)["haproxy.cfg"].split("description ")[1].split("\n")[0]

    def verbs(self) -> list[str]:
        return [arguments[0] for arguments in self.engine.asked]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.engine.up = made.runs
    yield made
    made.master.listener.close()


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.edge.ensure(SPEC)
    bench.engine.asked.clear()
    return bench


def test_the_first_time_it_is_validated_and_created(bench: Bench) -> None:
    evidence = bench.edge.ensure(SPEC)
    assert (evidence["changed"], evidence["change"]) == (True, "created")
    assert bench.verbs() == ["container", "run", "compose"]
    assert (bench.directory / "compose.json").stat().st_mode & 0o777 == 0o600
    assert (bench.directory / "config" / "haproxy.cfg").stat().st_mode & 0o777 == 0o640
    assert bench.directory.stat().st_mode & 0o777 == 0o700
    assert not (bench.directory / "config.next").exists()
    assert bench.edge.traffic() == Traffic("none")


def test_nothing_changed_costs_one_look(running: Bench) -> None:
    assert running.edge.ensure(SPEC)["change"] == "none"
    assert running.verbs() == ["container"]


def test_another_configuration_is_reloaded(running: Bench) -> None:
    other = EdgeSpec(**{**SPEC.__dict__, "hold_seconds": 5})

    def reload() -> str:
        running.runs(other)
        return "Success=1\n"

    running.master.reload = reload
    assert running.edge.ensure(other)["change"] == "reloaded"
    assert running.verbs() == ["container", "run"]


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
    assert bench.verbs() == ["container"]


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
    assert evidence["gap_ms"] is None  # nothing listens on the port in this test
    assert running.engine.container
    running.engine.container["State"]["Running"] = False
    assert running.edge.ensure(other)["change"] == "started"


def test_a_container_that_does_not_answer_is_made_anew(running: Bench) -> None:
    running.worker.description = ""
    running.edge.ensure(SPEC)
    assert running.engine.asked[-1][-4:] == ("up", "-d", "--remove-orphans", "--force-recreate")


def test_a_switch_reaches_every_worker_and_the_file(running: Bench) -> None:
    running.master.workers[9] = Process()
    evidence = running.edge.set_traffic(Traffic("blue", "green", 10))
    assert evidence["changed"]
    assert evidence["before"]["live"] == "none"
    for worker in running.master.workers.values():
        assert worker.map == {"live": "blue", "canary": "green", "share": "10"}
    assert running.edge.traffic() == Traffic("blue", "green", 10)
    assert not running.edge.set_traffic(Traffic("blue", "green", 10))["changed"]


def test_an_old_worker_that_ends_meanwhile_is_no_failure(running: Bench) -> None:
    class Leaving(Process):
        def answer(self, command: str) -> str:
            if command.startswith("prepare"):
                del running.master.workers[9]
                return "Can't connect to the target CLI!\n"
            return super().answer(command)

    running.master.workers[9] = Leaving()
    assert running.edge.set_traffic(Traffic("green"))["changed"]
    assert running.worker.map["live"] == "green"


def test_a_process_that_does_not_take_the_map_is_told(running: Bench) -> None:
    running.worker.deaf = True
    with pytest.raises(StepFailed) as error:
        running.edge.set_traffic(Traffic("green"))
    assert error.value.code == "edge_map"


def test_the_file_is_written_even_when_no_process_answers(running: Bench) -> None:
    (running.directory / "run" / "master.sock").unlink()
    with pytest.raises(StepFailed) as error:
        running.edge.set_traffic(Traffic("green"))
    assert error.value.code == "edge_unreachable"
    assert running.edge.traffic() == Traffic("green")


def test_hold_and_release_are_states_of_the_map(running: Bench) -> None:
    running.edge.hold()
    assert running.worker.map["live"] == "hold"
    running.edge.release_hold("green")
    assert running.edge.traffic() == Traffic("green")


def test_observe_tells_what_runs(running: Bench) -> None:
    running.edge.set_traffic(Traffic("blue"))
    seen = running.edge.observe()
    assert seen["state"] == "running"
    assert seen["traffic"] == seen["running_traffic"] == {"live": "blue", "canary": "", "share": 0}
    assert seen["config"] == seen["running_config"] != ""
    assert seen["ports"] == [["127.0.0.1", 0x7F01]]
    assert seen["drift"] == []


def test_observe_before_anything_was_made_writes_nothing(tmp_path: Path) -> None:
    edge = Edge(str(tmp_path / "edge"), "shop", Engine(), FastClock())
    assert edge.observe()["state"] == "absent"
    assert edge.traffic() == Traffic("none")
    assert not (tmp_path / "edge").exists()


@pytest.mark.parametrize(
    ("change", "state", "sentence"),
    [
        (lambda b: b.worker.map.update(live="green"), "running", "its map file says"),
        (lambda b: b.worker.map.update(live="x"), "running", "running map was changed by hand"),
        (lambda b: (b.directory / "config" / "edge.map").write_text("live x\n"), "broken", "map was changed by hand"),
        (
            lambda b: (b.directory / "config" / "hold.lua").write_text(""),
            "running",
            "configuration was changed by hand",
        ),
        (lambda b: setattr(b.worker, "description", "0" * 16), "running", "another configuration"),
        (lambda b: (b.directory / "run" / "master.sock").unlink(), "broken", "admin socket does not answer"),
    ],
)
def test_what_is_not_as_we_left_it_is_drift(running: Bench, change: Any, state: str, sentence: str) -> None:
    change(running)
    seen = running.edge.observe()
    assert seen["state"] == state
    assert any(sentence in drift for drift in seen["drift"]), seen["drift"]


def test_an_engine_that_fails_is_not_an_absent_edge(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Cannot connect to the Docker daemon")
    monkeypatch.setattr(bench.engine, "run", lambda *_arguments, **_options: failed)
    with pytest.raises(CommandFailed, match="Cannot connect"):
        bench.edge.observe()


def test_ready_means_exactly_the_addresses_of_the_containers(running: Bench) -> None:
    assert running.edge.wait_ready("blue", 5)["servers"] == {BLUE: ["10.0.0.2"]}
    running.engine.slots = {"web-blue": ["10.0.0.9"], "web-green": ["10.0.0.3"]}
    with pytest.raises(TimedOut) as error:
        running.edge.wait_ready("blue", 1)
    assert "10.0.0.2" in error.value.last_seen
    assert "10.0.0.9" in error.value.last_seen
    running.engine.slots["web-blue"] = ["10.0.0.2", "10.0.0.9"]
    with pytest.raises(TimedOut):
        running.edge.wait_ready("blue", 1)
    running.worker.up[BLUE] = ["10.0.0.2", "10.0.0.9"]
    assert running.edge.wait_ready("blue", 1)["servers"] == {BLUE: ["10.0.0.2", "10.0.0.9"]}


def test_a_server_that_was_never_reached_is_not_ready(running: Bench) -> None:
    running.worker.checked = 0
    with pytest.raises(TimedOut):
        running.edge.wait_ready("blue", 1)


def test_a_slot_without_backend_is_never_ready(running: Bench) -> None:
    running.worker.up = {}
    with pytest.raises(TimedOut, match="reaches slot green"):
        running.edge.wait_ready("green", 1)


def test_a_drain_ends_when_nothing_is_open(running: Bench) -> None:
    running.worker.open[GREEN] = 7
    assert running.edge.drain("blue", 5) == {"drained_s": 0.0, "cut": 0}
    assert running.worker.open[GREEN] == 7


def test_a_drain_cuts_at_the_deadline_in_old_workers_too(running: Bench) -> None:
    running.master.workers[9] = old = Process()
    running.worker.open[BLUE] = 2
    old.open[BLUE] = 3
    said: list[str] = []
    evidence = running.edge.drain("blue", 4, said.append)
    assert evidence["cut"] == 5
    assert evidence["drained_s"] >= 4
    assert running.worker.open[BLUE] == old.open[BLUE] == 0
    assert said == ["5 still open in blue, 4 s left"]
    # HAProxy refuses the first in a worker that is stopping
    assert f"@!10 shutdown sessions server {BLUE}/s1" in running.master.seen
    assert "@!9 shutdown session 0xa1" in running.master.seen


def test_counters_are_sums_over_the_ports_of_a_slot(running: Bench) -> None:
    running.worker.open[BLUE] = 4
    counters = running.edge.counters("blue")
    assert counters["requests"] == 40
    assert counters["2xx"] == 30
    assert counters["5xx"] == 2
    assert counters["connect_errors"] == 1
    assert counters["open"] == 4
    assert counters["since"] == 1700000000


def test_open_requests_have_an_age(running: Bench) -> None:
    running.worker.open[BLUE] = 2
    assert running.edge.open_requests("blue") == [5, 5]
    assert running.edge.open_requests("green") == []


def test_the_log_is_read_backwards_as_far_as_needed(running: Bench) -> None:
    lines = [f"steady {1000 * second} 80 blue - 200 -- 1 0" for second in range(1, 20001)]
    running.engine.log = "\n".join(lines)
    assert [record["time"] for record in running.edge.log(19990, 19993)] == [19990, 19991, 19992]
    assert running.engine.asked[-1] == ("logs", "--tail", "2000", "shop-edge")
    assert len(running.edge.log(10000)) == 10001
    assert len(running.edge.log(0)) == 20000


def test_removing_takes_container_network_and_files(running: Bench) -> None:
    running.edge.remove()
    assert running.verbs() == ["container", "network"]
    assert not running.directory.exists()


def test_ports_of_a_container() -> None:
    assert published(None) == []
    assert published({"HostConfig": {"PortBindings": {"80/tcp": None}}}) == []

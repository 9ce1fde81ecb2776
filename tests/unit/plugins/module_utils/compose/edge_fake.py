# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master socket that behaves like HAProxy's, and a docker command line that answers as told."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Edge, EdgePort, EdgeSpec
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_config import compose_model, config_files
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = int(probe.getsockname()[1])
SPEC = EdgeSpec("shop", "haproxy:3.0", (EdgePort("127.0.0.1", PORT, "web", 8000),), "t" * 24)
BLUE, GREEN = f"p{PORT}_blue", f"p{PORT}_green"


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
                f"0xa{index}: [x] id={index} proto=tcpv4 source=x\n  backend={name} (id=1)\n  server=s1 (id=1)\n"
                "  age=5s\n  rsp.st=MSG_RPBEFORE\n"
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
    """Knows the edge's container and those of slots, and remembers what its command line was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.container: dict[str, Any] | None = None
        self.slots: dict[str, list[str]] = {"web-blue": ["10.0.0.2"], "web-green": ["10.0.0.3"]}
        self.invalid = ""
        self.log = ""
        self.asked: list[tuple[str, ...]] = []
        self.up: Callable[[], None] = lambda: None

    @property
    def engine(self) -> Any:
        return self

    def json(self, *arguments: str, **_options: Any) -> Any:
        assert arguments == ("GET", "/containers/shop-edge/json")
        return (200, self.container) if self.container else (404, {"message": "No such container: shop-edge"})

    def matching(self, **filters: Iterable[str]) -> list[dict[str, Any]]:
        assert filters == {"network": ["shop-edge"], "status": ["running"]}
        return [
            {"NetworkSettings": {"Networks": {"shop-edge": {"IPAddress": address, "Aliases": [alias]}}}}
            for alias, addresses in self.slots.items()
            for address in addresses
        ]

    def run(self, *arguments: str, **_options: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(arguments)
        out, error, status = "", "", 0
        if arguments[0] == "run":
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
        self.published: dict[int, socket.socket] = {}
        self.edge = Edge(str(self.directory), "shop", self.engine, FastClock())

    @property
    def worker(self) -> Process:
        return self.master.workers[self.master.current]

    def close(self) -> None:
        for listener in (self.master.listener, *self.published.values()):
            listener.close()

    def runs(self, spec: EdgeSpec = SPEC) -> None:
        """Compose brings up what the files say."""
        for port in spec.ports if spec.published else ():
            if port.published not in self.published:
                self.published[port.published] = socket.create_server((port.host_ip, port.published))
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

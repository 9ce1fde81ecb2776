# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container that the edge runs in, through the docker command line."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import CommandFailed, Refused, StepFailed
from ..verify.http import unverified
from .docker import Docker
from .edge_config import CONFIG_DIRECTORY, STOP_SECONDS, USER
from .edge_spec import EdgePort

_HURRY = "for file in /proc/sys/net/ipv[46]/neigh/*/retrans_time_ms; do echo 50 > $file; done"


class EdgeContainer:
    """The compose project, the container and the network that are all called *name*; *directory* is the edge's own."""

    def __init__(self, name: str, directory: str, docker: Docker) -> None:
        self.name = name
        self.directory = directory
        self.docker = docker

    def inspect(self) -> dict[str, Any] | None:
        """What the engine knows of the container, or None when there is none."""
        status, found = self.docker.engine.json("GET", f"/containers/{self.name}/json")
        if status in (200, 404):
            return dict(found) if status == 200 else None
        raise CommandFailed(
            f"the engine does not tell of {self.name}: {(found or {}).get('message')}",
            code="docker_failed",
            last_seen=found,
            next_step="`docker info` tells whether the engine answers at all.",
        )

    def up(self, *, recreate: bool, start: bool = True) -> None:
        """Make the container what edge/compose.json says, and *start* it."""
        force = [*(["--force-recreate"] if recreate else []), *([] if start else ["--no-start"])]
        file = os.path.join(self.directory, "compose.json")
        self.docker(
            *("compose", "-p", self.name, "-f", file, "up", "-d", "--remove-orphans", *force),
            timeout=300 + STOP_SECONDS,
        )

    def start(self) -> None:
        """Start the container as it is: a third of a second less without anybody at the ports than by Compose."""
        self.docker("start", self.name, timeout=120)

    def stop(self) -> bool:
        """Stop the container, which lets go of its ports; true when it ran."""
        ran = bool((self.inspect() or {"State": {}})["State"].get("Running"))
        if ran:
            self.docker("stop", self.name, timeout=60 + STOP_SECONDS)
        return ran

    def validate(self, image: str, config: str) -> None:
        """Let *image*'s own HAProxy read the configuration in the directory *config*; raise :class:`Refused` if it
        cannot."""
        said = self.docker.run(
            *("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--user", f"{USER}:{USER}"),
            *("--volume", f"{config}:{CONFIG_DIRECTORY}:ro", "--entrypoint", "haproxy", image),
            *("-c", "-f", f"{CONFIG_DIRECTORY}/haproxy.cfg"),
            timeout=300,
        )
        if said.returncode == 0:
            return
        lines = (said.stdout + said.stderr).splitlines()
        wrong = [line for line in lines if "[ALERT]" in line] or lines[-5:]
        raise Refused(
            f"the image {image} does not take the edge's configuration: {' '.join(wrong)[:1000]}",
            code="edge_config",
            last_seen="\n".join(wrong)[:2000],
            next_step="Look at service_edge_image (HAProxy 2.6 or later with Lua) and at the edge's settings; "
            "what runs was not touched.",
        )

    def addresses(self, alias: str) -> set[str]:
        """The addresses on the edge's network of the running containers that go by *alias* there."""
        running = self.docker.engine.matching(network=[self.name], status=["running"])
        networks = [container["NetworkSettings"]["Networks"].get(self.name) or {} for container in running]
        return {
            network["IPAddress"]
            for network in networks
            if network.get("IPAddress") and alias in {*(network.get("Aliases") or ()), *(network.get("DNSNames") or ())}
        }

    def hurry(self) -> None:
        """Let the edge's kernel ask for the address of a container every 50 ms instead of every second.

        HAProxy hears of a container some 100 ms before it can be reached. Its first check would then cost the whole
        second until the kernel asks again. Nothing depends on it, so where it cannot be done it is not.
        """
        pid = ((self.inspect() or {}).get("State") or {}).get("Pid")
        if pid:
            words = ["nsenter", "--target", str(pid), "--net", "sh", "-c", _HURRY]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)

    def log(self, lines: int) -> tuple[list[str], bool]:
        """The last lines that HAProxy logged, and whether there are no earlier ones.

        Not by time: for `--since` the engine reads all it has kept, 0.9 s for 18 MB; for the last lines it does not.
        """
        said = self.docker.run("logs", "--tail", str(lines), self.name, timeout=120)
        if said.returncode:
            raise CommandFailed(
                f"the log of {self.name} cannot be read: {said.stderr.strip()[-500:]}",
                code="docker_failed",
                last_seen=said.stderr.strip()[-2000:],
                next_step="Run status.yml: it tells whether the edge runs.",
            )
        out = said.stdout.splitlines()
        return out, len(out) + len(said.stderr.splitlines()) < lines

    def last_words(self) -> str:
        """The end of what the container said, for an error."""
        said = self.docker.run("logs", "--tail", "20", self.name)
        return (said.stdout + said.stderr).strip()[-2000:]

    def remove(self) -> None:
        """Remove the container and the network; not being there is fine."""
        for arguments in (("container", "rm", "--force", self.name), ("network", "rm", self.name)):
            said = self.docker.run(*arguments)
            if said.returncode and "no such" not in said.stderr.lower() and "not found" not in said.stderr.lower():
                raise CommandFailed(
                    f"docker {arguments[0]} rm {self.name} failed: {said.stderr.strip()}",
                    code="docker_failed",
                    last_seen=said.stderr.strip(),
                    next_step=f"Remove what still uses it: `docker network inspect {self.name}`.",
                )


def published(container: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    """The (host_ip, port) pairs that a container publishes, sorted."""
    bindings = ((container or {}).get("HostConfig") or {}).get("PortBindings") or {}
    found = {
        (binding.get("HostIp") or "", int(binding["HostPort"])) for each in bindings.values() for binding in each or ()
    }
    return sorted(found)


def check_free(ports: Iterable[tuple[str, int]]) -> None:
    """Raise :class:`Refused` when something else on this host has one of the (host_ip, port) pairs."""
    for host_ip, port in ports:
        family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host_ip, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                    raise
                raise Refused(
                    f"the edge cannot take {host_ip or '*'}:{port}: {error.strerror}",
                    code="edge_port_taken",
                    last_seen=f"{host_ip or '*'}:{port}",
                    next_step=f"See what has it (`ss -ltnp 'sport = :{port}'`) and stop it, or publish another port.",
                ) from None


def dead_ports(ports: Iterable[Sequence[Any]]) -> list[str]:
    """Those of the published (host_ip, port) pairs that refuse connections although the container runs.

    docker-proxy ends for good when it runs out of file descriptors, and nobody starts it again.
    """
    local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    dead = []
    for host_ip, port in ports:
        try:
            socket.create_connection((local.get(host_ip, host_ip), port), timeout=1).close()
        except ConnectionRefusedError:
            dead.append(f"{host_ip or '*'}:{port}")
        except OSError:
            continue  # slow, or not for us to reach: only a refusal is certain
    return dead


class GapMeter:
    """Asks a published port over and over while the edge is replaced; knows the longest time without an answer.

    The edge answers these requests itself, so no application sees them. Use as a context manager.
    """

    def __init__(self, port: EdgePort | None, token: str, interval: float = 0.01) -> None:
        self.port = port
        self.interval = interval
        self.tls: ssl.SSLContext | None = unverified() if port and port.certificate else None
        self.answers: list[float] = []
        self.request = (
            "GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n"
            f"X-Steady-Probe: {token}\r\nX-Steady-Slot: edge\r\n\r\n"
        ).encode()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> GapMeter:
        if self.port:
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        # The gap ends with an answer of the new container, so there has to be one.
        enough = time.monotonic()
        while self.answers and self.answers[-1] < enough and time.monotonic() < enough + 5:
            self._stop.wait(self.interval)
        self._stop.set()
        if self.port:
            self._thread.join(timeout=5)

    @property
    def gap_ms(self) -> int | None:
        """The longest time between two answers in milliseconds; None when it could not be measured."""
        pairs = zip(self.answers, self.answers[1:])
        return round(1000 * max((after - before for before, after in pairs), default=0)) if self.answers else None

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._answered():
                self.answers.append(time.monotonic())
            self._stop.wait(self.interval)

    def _answered(self) -> bool:
        if self.port is None:
            return False
        try:
            with contextlib.ExitStack() as stack:
                where = (self.port.host_ip or "127.0.0.1", self.port.published)
                connection = stack.enter_context(socket.create_connection(where, 0.5))
                if self.tls:
                    connection = stack.enter_context(self.tls.wrap_socket(connection))
                connection.sendall(self.request)
                return connection.recv(7) == b"HTTP/1."
        except OSError:
            return False


def unreachable_after(name: str, what: str, said: str) -> StepFailed:
    """The error of an edge that was started and does not serve."""
    return StepFailed(
        f"{name} {what}",
        code="edge_not_serving",
        last_seen=said,
        next_step=f"Look at `docker logs {name}`; run the runbook again when the cause is gone.",
    )

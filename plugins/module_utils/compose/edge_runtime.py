# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to HAProxy's master socket, through which every worker is reached: after a reload the old one as well.

An old worker still serves: requests that it had begun, websockets, and the next request of each client that was idle
at the reload. So a switch or a drain that forgot it would be wrong for exactly these.
"""

from __future__ import annotations

import csv
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import StepFailed


@dataclass(frozen=True)
class Worker:
    """A HAProxy process, by its id inside the container; *old* after a reload, while it serves what it had begun."""

    pid: int
    old: bool


class Runtime:
    """Speaks the Runtime API over the unix socket *name* in *directory* (on the host)."""

    def __init__(self, directory: str, name: str, timeout: float = 5.0) -> None:
        self.directory = directory
        self.name = name
        self.timeout = timeout

    def ask(self, command: str, worker: Worker | None = None) -> str:
        """Send commands, separated by ``;``, to a worker (or to the master) and return what they answered.

        Raise :class:`StepFailed` (code ``edge_unreachable``) when nothing answers in time.
        """
        words = [part.strip() for part in command.split(";")]
        if worker is not None:
            words = [f"@!{worker.pid} {part}" for part in words]
        try:
            return self._exchange("; ".join(words) + "\n")
        except OSError as error:
            raise StepFailed(
                f"the edge's admin socket does not answer ({error})",
                code="edge_unreachable",
                last_seen=os.path.join(self.directory, self.name),
                next_step="See why the edge does not run: `docker logs` of the container that ends in -edge.",
            ) from None

    def _exchange(self, text: str) -> str:
        # Through the directory's descriptor: the path of a unix socket may have 107 bytes only.
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.timeout)
                connection.connect(f"/proc/self/fd/{directory}/{self.name}")
                connection.sendall(text.encode())
                connection.shutdown(socket.SHUT_WR)
                pieces: list[bytes] = []
                while True:
                    piece = connection.recv(1 << 16)
                    if not piece:
                        return b"".join(pieces).decode(errors="replace")
                    pieces.append(piece)
        finally:
            os.close(directory)

    def workers(self) -> list[Worker]:
        """All workers, the one that takes new connections first."""
        return parse_workers(self.ask("show proc"))

    def current(self) -> Worker:
        """The worker that takes new connections."""
        for worker in self.workers():
            if not worker.old:
                return worker
        raise StepFailed(
            "the edge has no worker that takes new connections",
            code="edge_unreachable",
            next_step="See why in the log of the container that ends in -edge.",
        )

    def info(self, worker: Worker) -> dict[str, str]:
        """``show info`` by name."""
        return dict(parse_pairs(self.ask("show info", worker)))

    def stat(self, worker: Worker) -> list[dict[str, str]]:
        """``show stat``: a row for each frontend, server and backend."""
        return parse_stat(self.ask("show stat", worker))

    def servers(self, worker: Worker) -> list[dict[str, str]]:
        """Every server: see :func:`parse_servers`."""
        return parse_servers(self.ask("show servers state", worker))

    def map(self, path: str, worker: Worker) -> dict[str, str]:
        """The entries of a map."""
        return parse_entries(self.ask(f"show map {path}", worker))

    def replace_map(self, path: str, entries: Mapping[str, str], worker: Worker) -> None:
        """Replace the whole map in one transaction; no request ever sees a part of it."""
        answer = self.ask(f"prepare map {path}", worker)
        version = re.search(r"New version created: (\d+)", answer)
        if not version:
            raise StepFailed(
                f"the edge refused a new version of its map: {answer.strip()}",
                code="edge_map",
                last_seen=answer.strip(),
                next_step="Run status.yml: it tells whether the edge runs the configuration that we wrote.",
            )
        where = f"@{version.group(1)} {path}"
        adds = [f"add map {where} {key} {value}" for key, value in entries.items()]
        self.ask("; ".join([*adds, f"commit map {where}"]), worker)

    def sessions(self, worker: Worker) -> list[dict[str, Any]]:
        """What is open: see :func:`parse_sessions`."""
        return parse_sessions(self.ask("show sess all", worker))

    def cut(self, servers: Iterable[str], worker: Worker) -> None:
        """Close every session of servers given as ``backend/server``."""
        if not worker.old:
            for server in servers:
                self.ask(f"shutdown sessions server {server}", worker)
            return
        # In a worker that is stopping HAProxy refuses that ("Proxy is disabled"), but not for single sessions.
        named = set(servers)
        for session in self.sessions(worker):
            if f"{session['backend']}/{session['server']}" in named:
                self.ask(f"shutdown session {session['id']}", worker)


def parse_workers(text: str) -> list[Worker]:
    """The workers in ``show proc``, current ones first."""
    found = []
    old = False
    for line in text.splitlines():
        if line.startswith("# old workers"):
            old = True
        words = line.split()
        if len(words) > 1 and words[1] == "worker" and words[0].isdigit():
            found.append(Worker(int(words[0]), old))
    return sorted(found, key=lambda worker: worker.old)


def parse_pairs(text: str) -> list[tuple[str, str]]:
    """Lines of ``name: value``."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return [(name.strip(), value.strip()) for name, _colon, value in pairs]


def parse_stat(text: str) -> list[dict[str, str]]:
    """The rows of ``show stat`` by column name."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        return []
    return list(csv.DictReader([lines[0][2:], *lines[1:]]))


def parse_servers(text: str) -> list[dict[str, str]]:
    """``show servers state`` by column name: be_name, srv_name, srv_addr, srv_op_state, srv_admin_state, srv_fqdn, …"""
    columns: list[str] = []
    found = []
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# "):
            columns = words[1:]
        elif columns and len(words) > 1:
            found.append(dict(zip(columns, words)))
    return found


def parse_entries(text: str) -> dict[str, str]:
    """The entries of ``show map``: each line is an address, a key and a value."""
    split = (line.split(None, 2) for line in text.splitlines())
    return {words[1]: words[2] for words in split if len(words) == 3 and words[0].startswith("0x")}


def parse_sessions(text: str) -> list[dict[str, Any]]:
    """``show sess all`` as dicts of *id* (another may have it later), *number*, *backend*, *server*, *age* (seconds
    from the one that it began in to this one), *waits* (no answer has begun)."""
    found = []
    for block in re.split(r"^(?=0x[0-9a-f]+: )", text, flags=re.MULTILINE):
        backend = re.search(r"\bbackend=(\S+)", block)
        age = re.search(r"\bage=(\S+)", block)
        if not backend or not age:
            continue
        number = re.search(r"\bid=(\d+) proto=", block)
        server = re.search(r"\bserver=(\S+)", block)
        response = re.search(r"\brsp\.st=(\S+)", block)
        found.append(
            {
                "id": block.split(":", 1)[0],
                "number": int(number.group(1)) if number else 0,
                "backend": backend.group(1),
                "server": server.group(1) if server else "",
                "age": parse_age(age.group(1)),
                "waits": bool(response and response.group(1) == "MSG_RPBEFORE"),
            }
        )
    return found


def parse_age(text: str) -> int:
    """HAProxy's ``1h2m``, ``2m3s`` or ``4s`` in seconds."""
    unit = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * unit[letter] for number, letter in re.findall(r"(\d+)([wdhms])", text))

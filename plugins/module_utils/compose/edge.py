# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge: one HAProxy container a service, which splits traffic between slots by the map that is its whole state.

The map file is written durably before any process is told, and a process that starts reads the file; so after a
restart, a reload or a reboot the edge comes back with the same split.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
from collections.abc import Iterator
from typing import Any, Callable

from ..errors import Refused, StepFailed, TimedOut
from ..run.clock import Clock
from ..run.files import Files
from ..run.waiter import wait_for
from .docker import Docker
from .edge_config import MAP, SOCKET, http_ports, pem_name
from .edge_container import EdgeContainer
from .edge_install import EdgeInstall, put
from .edge_log import parse_log
from .edge_observe import observe
from .edge_runtime import Runtime, Worker
from .edge_spec import EdgePort, EdgeSpec, Traffic, map_text, parse_map

__all__ = ["Edge", "EdgePort", "EdgeSpec", "Traffic"]

# HAProxy's numbers for a server that is up, not in maintenance, and whose last check succeeded
RUNNING, READY, PASSED = "2", "0", "3"
COUNTERS = {
    "requests": "stot",
    "2xx": "hrsp_2xx",
    "3xx": "hrsp_3xx",
    "4xx": "hrsp_4xx",
    "5xx": "hrsp_5xx",
    "connect_errors": "econ",
    "response_errors": "eresp",
    "client_aborts": "cli_abrt",
    "server_aborts": "srv_abrt",
    "open": "scur",
}


class Edge:
    """The edge of one service. *directory* is its own on the host, absolute; nothing else writes there."""

    def __init__(self, directory: str, service: str, docker: Docker, clock: Clock) -> None:
        self.directory = directory
        self.name = f"{service}-edge"
        self.clock = clock
        self.files = Files(directory)
        self.runtime = Runtime(os.path.join(directory, "run"), SOCKET)
        self.container = EdgeContainer(self.name, directory, docker)

    # -- what it is made of -------------------------------------------------------------------------------------

    def ensure(self, spec: EdgeSpec) -> dict[str, Any]:
        """Make the edge run as *spec* says; do nothing when it does.

        Evidence: ``changed``, ``change`` (none | created | started | reloaded | recreated), ``config`` (digest),
        ``took_ms``, and for a recreation ``gap_ms``, the measured time without an answer (None: no HTTP port was
        published before and after, so there was nothing to measure).

        Raise :class:`Refused` before anything that runs was touched when HAProxy does not take the configuration or
        a port is taken; :class:`StepFailed` after the former container was put back when the new one does not start.
        """
        spec.check()
        start = self.clock.monotonic()
        with self._locked():
            evidence = EdgeInstall(self.files, self.runtime, self.container, self.clock).ensure(spec)
        return {**evidence, "took_ms": round(1000 * (self.clock.monotonic() - start))}

    def create(self, spec: EdgeSpec, traffic: Traffic) -> None:
        """Make the container with its ports beside whoever still has them; :meth:`ensure` then starts it."""
        spec.check()
        with self._locked():
            EdgeInstall(self.files, self.runtime, self.container, self.clock).create(spec)
            put(self.files, {"config/edge.map": map_text(traffic)})

    def stop(self, traffic: Traffic) -> dict[str, Any]:
        """Stop the container, and write down what it does when it is started again."""
        with self._locked():
            ran = self.container.stop()
            if self.files.exists("config"):
                put(self.files, {"config/edge.map": map_text(traffic)})
        return {"changed": ran}

    def observe(self) -> dict[str, Any]:
        """What is there, read only::

        {"state": "running" | "stopped" | "absent" | "broken",
         "traffic": Traffic.as_dict() | None,                    # of the map file: what a restart comes back with
         "running_traffic": the same of the process | None,
         "config": digest of the files, "running_config": digest that the process serves,
         "image", "ports": [[host_ip, port], ...], "old_workers": number that still end what they had begun,
         "drift": [sentence, ...]}                               # what is not as we left it
        """
        return observe(self.files, self.runtime, self.container, self.traffic)

    def certificates(self) -> dict[int, str]:
        """What each published HTTP port is served with (PEM, with its key), as it was put there; "" without TLS."""
        ports = http_ports(self._read("config/haproxy.cfg"))
        return {port: self._read(f"config/{pem_name(port)}") for port in ports}

    @property
    def map_path(self) -> str:
        """The file that says who serves."""
        return self.files.path("config/edge.map")

    def remove(self) -> None:
        """Remove the container, the network and the directory. The slots have to be gone from the network."""
        self.container.remove()
        self.files.remove("")

    # -- who serves ---------------------------------------------------------------------------------------------

    def traffic(self) -> Traffic:
        """What the map file says; ``none`` when there is none. Raise :class:`Refused` when somebody else wrote it."""
        text = self._read("config/edge.map")
        return parse_map(text) if text else Traffic("none")

    def serving(self) -> Traffic:
        """What users get: the process decides while it runs; once it starts again, the map file."""
        try:
            return Traffic.from_entries(self.runtime.map(MAP, self.runtime.current()))
        except (Refused, StepFailed):
            return self.traffic()

    def send(self, live: str) -> dict[str, Any]:
        """Make *live* who serves. Whether users get the maintenance page instead stays as it is."""
        try:
            maintenance = self.serving().maintenance
        except Refused:  # the map was changed by hand, and no process tells what it was
            maintenance = False
        return self.set_traffic(Traffic(live, maintenance=maintenance))

    def maintain(self, on: bool) -> dict[str, Any]:
        """Answer users with the maintenance page, or not any more; who serves stays as it is."""
        return self.set_traffic(dataclasses.replace(self.serving(), maintenance=on))

    def set_traffic(self, traffic: Traffic) -> dict[str, Any]:
        """Make *traffic* true: in the file first, durably, then in every process, and read it back.

        Evidence: ``changed``, ``before``, ``after``, ``took_ms``. Raise :class:`StepFailed` when no process answers;
        the file then says what the edge will do when it starts.
        """
        start = self.clock.monotonic()
        with self._locked():
            before = self._read("config/edge.map")
            if before != map_text(traffic):
                put(self.files, {"config/edge.map": map_text(traffic)})
            told = self._tell(traffic)
        try:
            was = parse_map(before).as_dict() if before else Traffic("none").as_dict()
        except Refused:
            was = {}
        return {
            "changed": told or before != map_text(traffic),
            "before": was,
            "after": traffic.as_dict(),
            "took_ms": round(1000 * (self.clock.monotonic() - start), 1),
        }

    def _tell(self, traffic: Traffic) -> bool:
        """Give every worker the map; True when one had another."""
        wanted = traffic.entries()
        changed = False

        def look() -> tuple[bool, Any]:
            nonlocal changed
            self.runtime.current()  # raises when none takes new connections
            wrong = {worker: self._entries(worker) for worker in self.runtime.workers()}
            wrong = {worker: entries for worker, entries in wrong.items() if entries not in (wanted, None)}
            for worker in wrong:
                changed = True
                try:
                    self._surviving(worker, functools.partial(self.runtime.replace_map, MAP, wanted))
                except StepFailed:
                    # An old one that is about to end answers no more, but is in the list for another moment.
                    if not worker.old:
                        raise
            return not wrong, {str(worker.pid): entries for worker, entries in wrong.items()}

        try:
            wait_for(look, what="the edge has its map", timeout=5, clock=self.clock, interval=0.005)
        except TimedOut as error:
            raise StepFailed(
                "the edge does not keep the map that it is given",
                code="edge_map",
                last_seen=error.last_seen,
                next_step="See whether something else writes to it, and run the runbook again.",
            ) from None
        return changed

    def _entries(self, worker: Worker) -> dict[str, str] | None:
        """The map of a worker; None when it is an old one that has ended meanwhile."""
        entries: dict[str, str] | None = self._surviving(worker, functools.partial(self.runtime.map, MAP))
        return entries

    def _surviving(self, worker: Worker, ask: Callable[[Worker], Any]) -> Any:
        """What *ask* answers, or None when the worker is not there any more."""
        try:
            answer = ask(worker)
        except StepFailed:
            if worker in self.runtime.workers():
                raise
            return None
        return answer if answer or worker in self.runtime.workers() else None

    def hold(self) -> dict[str, Any]:
        """Hold new requests: each waits at most the spec's ``hold_seconds``, then gets the maintenance page."""
        return self.send("hold")

    def release_hold(self, slot: str) -> dict[str, Any]:
        """Give a slot the requests that are held, and all new ones."""
        return self.send(slot)

    # -- how the slots do ---------------------------------------------------------------------------------------

    def expect(self) -> None:
        """Containers of a slot are about to start: see :meth:`EdgeContainer.hurry`."""
        self.container.hurry()

    def wait_ready(self, slot: str, timeout: float) -> dict[str, Any]:
        """Wait until every port's backend has exactly the addresses of the slot's running containers, and all are up.

        Evidence: ``servers`` ({backend: [address, ...]}), ``took_ms``. Raise :class:`TimedOut` with what was missing.
        """
        start = self.clock.monotonic()
        expected: dict[str, set[str]] = {}

        def look() -> tuple[bool, Any]:
            found: dict[str, list[str]] = {}
            for name, (alias, slots, up) in self._servers(slot).items():
                if up != expected.get(alias):
                    expected[alias] = self.container.addresses(alias)
                wanted = expected[alias]
                if not up or not up <= wanted or len(up) < min(len(wanted), slots):
                    return False, f"{name}: up {sorted(up)}, containers called {alias}: {sorted(wanted)}"
                found[name] = sorted(up)
            if not found:
                return False, "the edge has no backend for this slot"
            return True, found

        servers = wait_for(
            look,
            what=f"the edge reaches slot {slot}",
            timeout=timeout,
            clock=self.clock,
            interval=0.05,
            next_step=f"Look at `docker ps --filter network={self.name}` and at the log of the slot's containers.",
        )
        return {"servers": servers, "took_ms": round(1000 * (self.clock.monotonic() - start))}

    def _servers(self, slot: str) -> dict[str, tuple[str, int, set[str]]]:
        """The slot's backends: {backend: (DNS name, how many servers it has room for, addresses that are up)}."""
        found: dict[str, tuple[str, int, set[str]]] = {}
        for row in self.runtime.servers(self.runtime.current()):
            if row["be_name"].endswith(f"_{slot}"):
                _name, room, up = found.get(row["be_name"], ("", 0, set()))
                # One that was just resolved counts as running before it was ever reached.
                reached = row["srv_check_result"] == PASSED
                if reached and row["srv_op_state"] == RUNNING and row["srv_admin_state"] == READY:
                    up = up | {row["srv_addr"]}
                found[row["be_name"]] = (row["srv_fqdn"], room + 1, up)
        return found

    def narrow(self, name: str, keep: set[str], seconds: float, progress: Callable[[str], None]) -> None:
        """Give new requests only to the servers of *name* (as ``web-blue``) that have one of these addresses, and wait
        up to *seconds* until the others have answered theirs. Ends with :meth:`widen`, or a reload."""

        def known() -> tuple[bool, Any]:
            rows = self.runtime.servers(self.runtime.current())
            up = {row["srv_addr"] for row in rows if row["srv_fqdn"] == name and row["srv_op_state"] == RUNNING}
            return keep <= up, sorted(up)

        # Just after a reload the servers have no addresses yet: it would seem that none is to be kept.
        wait_for(known, what=f"the edge knows {name}", timeout=15, clock=self.clock, interval=0.05)
        away = self._admin(name, lambda address: "ready" if address in keep else "drain")
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            rows = self.runtime.stat(self.runtime.current())
            count = sum(int(row["scur"] or 0) for row in rows if f"{row['pxname']}/{row['svname']}" in away)
            if not count:
                break
            progress(f"{count} still open in what is removed from {name}")
            self.clock.sleep(0.1)

    def widen(self, name: str) -> None:
        """Give new requests to all servers of *name*."""
        self._admin(name, lambda _address: "ready")

    def _admin(self, name: str, state: Callable[[str], str]) -> set[str]:
        """Set the state of each server of *name* by its address, and return those that get no new requests."""
        worker, away = self.runtime.current(), set()
        for row in self.runtime.servers(worker):
            if row["srv_fqdn"] == name:
                server, wanted = f"{row['be_name']}/{row['srv_name']}", state(row["srv_addr"])
                self.runtime.ask(f"set server {server} state {wanted}", worker)
                away |= {server} if wanted == "drain" else set()
        return away

    def drain(self, slot: str, seconds: float, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Wait until *slot* has nothing open (idle connections of clients do not count), in old workers too.

        After *seconds* close what is left, which are websockets or requests that got no answer. Evidence:
        ``drained_s``, ``cut`` (how many were closed).
        """
        start = self.clock.monotonic()
        said = -1
        while True:
            left = self._open(slot)
            count = sum(number for _worker, servers in left for number in servers.values())
            waited = self.clock.monotonic() - start
            if not count or waited >= seconds:
                break
            if progress and count != said:
                progress(f"{count} still open in {slot}, {seconds - waited:.0f} s left")
                said = count
            self.clock.sleep(0.05 if waited < 2 else 0.2)
        for worker, servers in left:
            self._surviving(worker, functools.partial(self.runtime.cut, list(servers)))
        return {"drained_s": round(self.clock.monotonic() - start, 3), "cut": count}

    def _open(self, slot: str) -> list[tuple[Worker, dict[str, int]]]:
        """What is open in a slot: for each worker {backend/server: number}, without the servers that have nothing."""
        found = []
        for worker in self.runtime.workers():
            servers = {
                f"{row['pxname']}/{row['svname']}": int(row["scur"] or 0)
                for row in self._surviving(worker, self.runtime.stat) or ()
                if row["pxname"].endswith(f"_{slot}") and row["svname"] != "BACKEND" and int(row["scur"] or 0)
            }
            if servers:
                found.append((worker, servers))
        return found

    def counters(self, slot: str) -> dict[str, int]:
        """What the process that takes new connections has counted for a slot since ``since`` (epoch seconds).

        ``requests`` (TCP: connections), of them ``connections`` of TCP, ``2xx`` .. ``5xx``, ``connect_errors``,
        ``response_errors``, ``client_aborts``, ``server_aborts``, ``open`` (now). A reload or restart begins anew and
        changes ``since``: use the log then. Probes are included.
        """
        current = self.runtime.current()
        rows = [
            row
            for row in self.runtime.stat(current)
            if row["svname"] == "BACKEND" and row["pxname"].endswith(f"_{slot}")
        ]
        sums = {name: sum(int(row.get(column) or 0) for row in rows) for name, column in COUNTERS.items()}
        plain = sum(int(row.get(COUNTERS["requests"]) or 0) for row in rows if row.get("mode") == "tcp")
        since = int(self.runtime.info(current).get("Start_time_sec") or 0)
        return {**sums, "connections": plain, "since": since}

    def open_requests(self, slot: str) -> dict[str, int]:
        """Ages in whole seconds, by a name of its own, of each request that waits for the slot to begin its answer."""
        return {
            f"{worker.pid}/{session['number']}": session["age"]
            for worker in self.runtime.workers()
            for session in self._surviving(worker, self.runtime.sessions) or ()
            if session["waits"] and session["backend"].endswith(f"_{slot}")
        }

    def log(self, since: float, until: float | None = None) -> list[dict[str, Any]]:
        """The requests that ended from *since* on, before *until* (seconds since the epoch); see :func:`parse_log`."""
        lines = 2000
        while True:
            text, whole = self.container.log(lines)
            records = parse_log(text)
            # a second more, because two threads of HAProxy do not write in perfect order
            if whole or (records and records[0]["time"] < since - 1):
                break
            lines *= 8
        return [record for record in records if since <= record["time"] and (until is None or record["time"] < until)]

    # -- below --------------------------------------------------------------------------------------------------

    def _read(self, path: str) -> str:
        return (self.files.read(path) or b"").decode(errors="replace")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: a reload that read the map before a switch must not end after it."""
        self.files.directory()
        handle = os.open(self.files.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a plain TCP port at which each line is answered with a version: one asks once, others go on."""

from __future__ import annotations

import socket
import threading
import time

PACE = 0.02


def ask(port: int, timeout: float = 10.0) -> str:
    """What a new connection is answered; "" when it is closed without an answer. Raise OSError when there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(b"version\n")
        return connection.recv(20).decode().strip()


class Lines:
    """One client that connects anew for each line, and one that keeps its connection until that is closed; within the
    block. *answers* are (seconds of the clock, version or what was wrong) of the first."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[tuple[float, str]] = []
        self.kept: list[str] = []
        self.closed = 0.0  # when the kept connection was
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._reconnect, self._keep)]

    def __enter__(self) -> Lines:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _reconnect(self) -> None:
        while not self._stop.wait(PACE):
            try:
                said = ask(self.port, 60) or "closed"
            except OSError as error:
                said = repr(error)
            self.answers.append((time.monotonic(), said))

    def _keep(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            while not self._stop.wait(PACE):
                try:
                    connection.sendall(b"version\n")
                    said = connection.recv(20).decode().strip()
                except OSError:
                    said = ""
                if not said:
                    self.closed = time.monotonic()
                    return
                self.kept.append(said)

    def seen(self) -> list[str]:
        """The answers in order, without repetitions: two versions for a switch in which nobody failed."""
        said = [version for _time, version in self.answers]
        return [one for number, one in enumerate(said) if number == 0 or said[number - 1] != one]

    def lasted(self, version: str) -> float:
        """Seconds from the first answer of *version* to a new connection, to the end of the kept one."""
        assert self.closed, "the kept connection is still open"
        return self.closed - next(time for time, said in self.answers if said == version)

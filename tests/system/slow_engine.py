# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A socket between us and the engine that answers late, or hangs up once; the command line uses it too."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class SlowEngine:
    """Listens within the block. Each connection waits *delay* seconds; number *hangs_up* (from 1) is closed instead."""

    def __init__(self, folder: Path, delay: float = 0.0, hangs_up: int = 0) -> None:
        self.path = folder / "engine.sock"
        self.delay, self.hangs_up = delay, hangs_up
        self.count = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._lock = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """What makes everybody use it."""
        return {"DOCKER_HOST": f"unix://{self.path}"}

    def __enter__(self) -> SlowEngine:
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.count += 1
            number = self.count
        with client:
            if number == self.hangs_up:
                return
            time.sleep(self.delay)
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(ENGINE)
                back = threading.Thread(target=_copy, args=(engine, client), daemon=True)
                back.start()
                _copy(client, engine)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)

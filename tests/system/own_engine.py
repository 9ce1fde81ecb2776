# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second engine on this machine, to be killed at will: network, mounts, images and socket of its own.

What runs in its block is in its network: published ports are there, and those who ask them. The lab's registry is
brought there, connection by connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system.hello import wait_until

NETWORK = 0x40000000  # CLONE_NEWNET
BRIDGE = "172.31.255.1"  # an address of the "host" that is not the loopback


def supported() -> bool:
    """Whether this machine lets us have networks and mounts of our own, and has an engine to start."""
    made = shutil.which("dockerd") and subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode
    return made == 0


class OwnEngine:
    """Runs within the block, in which DOCKER_HOST names it and the process is in its network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._registry: socket.socket | None = None
        self._holder: subprocess.Popen[bytes] | None = None
        self._containers: subprocess.Popen[bytes] | None = None
        self._engine: subprocess.Popen[bytes] | None = None
        self._relay = threading.Thread(target=self._bring_registry, daemon=True)
        self._bound = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """What makes everybody use it."""
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    def __enter__(self) -> OwnEngine:
        folder = self.folder
        (folder / "daemon.json").write_text(json.dumps({"live-restore": True}))
        self._relay.start()  # before this thread goes in: what it starts later is inside
        # Whoever holds the two namespaces outlives each engine in them.
        words = ["unshare", "--mount", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 3600"]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self._holder.stdout and self._holder.stdout.readline() == b"up\n"
        os.environ.update(self.environment)
        _enter(f"/proc/{self._holder.pid}/ns/net")
        self._registry = socket.create_server(("127.0.0.1", 5000))
        self._bound.set()
        # As a service of its own, as distributions run it: it does not die with the engine.
        words = ["containerd", f"--address={folder / 'containerd.sock'}"]
        words += [f"--{name}={folder / 'containerd' / name}" for name in ("root", "state")]
        self._containers = self._inside(*words)
        wait_until((folder / "containerd.sock").exists, "containerd listens", 30)
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._holder and self._containers and self._engine and self._registry
        containers = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, check=False).stdout.split()
        if containers:
            subprocess.run(["docker", "rm", "--force", "--volumes", *containers], capture_output=True, check=False)
        self.kill()  # it would wait for what is gone
        self._containers.terminate()
        self._containers.wait(30)
        del os.environ["DOCKER_HOST"]
        self._registry.close()
        with contextlib.suppress(OSError):
            _set_network(self._outside)
        os.close(self._outside)
        self._holder.kill()  # and with the last process the mounts go
        self._holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = self.folder
        (folder / "docker.pid").unlink(missing_ok=True)
        words = ["dockerd", f"--host=unix://{self.socket}", f"--containerd={folder / 'containerd.sock'}"]
        words += [f"--{name}-root={folder / name}" for name in ("data", "exec")]
        words += [f"--config-file={folder / 'daemon.json'}", f"--pidfile={folder / 'docker.pid'}"]
        self._engine = self._inside(*words, f"--bip={BRIDGE}/24")
        wait_until(self.answers, f"the engine answers: {folder / 'log'}", 30)

    def _inside(self, *words: str) -> subprocess.Popen[bytes]:
        """Start something with the mounts of its own; its network is ours by now."""
        assert self._holder
        with open(self.folder / "log", "ab") as log:
            words = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", *words)
            return subprocess.Popen(words, stdout=log, stderr=log)

    def answers(self) -> bool:
        return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """kill -9 of dockerd, and of nothing else."""
        assert self._engine
        self._engine.kill()
        self._engine.wait()

    def _bring_registry(self) -> None:
        """Outside: lead each connection to the registry's address inside to the real one."""
        self._bound.wait()
        assert self._registry
        host, port = lab.REGISTRY.split(":")
        with contextlib.suppress(OSError):  # closed
            while True:
                inside = self._registry.accept()[0]
                outside = socket.create_connection((host, int(port)))
                for pair in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()


def _enter(network: str) -> None:
    handle = os.open(network, os.O_RDONLY)
    try:
        _set_network(handle)
    finally:
        os.close(handle)


def _set_network(handle: int) -> None:
    """Of this thread, and of whatever it starts."""
    if ctypes.CDLL(None, use_errno=True).setns(handle, NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)

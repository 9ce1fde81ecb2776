# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real SSH server on 127.0.0.1 that a test may cut off: own port, own keys, only for whoever runs the tests."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.steady.runbooks.tests.system.hello import descendants, free_port, wait_until

BINARY = "/usr/sbin/sshd"


def missing() -> str:
    """Why there can be no server here, or nothing; installs what Debian has."""
    if not os.path.exists(BINARY) or not shutil.which("ssh"):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            return "openssh-server and openssh-client are not installed"
        # RUNLEVEL: it must not be started, and so opened to others, by being installed.
        installed = subprocess.run(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "openssh-server", "openssh-client"],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            capture_output=True,
            check=False,
        )
        if installed.returncode:
            return "openssh-server cannot be installed from this machine's Debian archive"
    return "" if os.geteuid() == 0 else "sshd of a test takes root"


class Sshd:
    """A context manager: listens within the block; :meth:`cut` and :meth:`start` are a network that goes and comes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("host", "user"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        options = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": root / "host",
            "AuthorizedKeysFile": root / "user.pub",
            "Subsystem": "sftp internal-sftp",
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "AllowUsers": _user(),
        }
        (root / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))

    @property
    def variables(self) -> dict[str, Any]:
        """Inventory variables of a host that is reached by it."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": _user(),
            "ansible_ssh_private_key_file": str(self.root / "user"),
            "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            " -o LogLevel=ERROR -o ConnectTimeout=3",
        }

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()

    def start(self) -> None:
        if self.process is not None:
            return
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.process = subprocess.Popen(
            [BINARY, "-D", "-e", "-f", str(self.root / "config")], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "sshd listens", 20)

    def cut(self) -> None:
        """Kill the server and every session of it at once."""
        process, self.process = self.process, None
        if process is None:
            return
        for pid in [*descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as one:
            return one.recv(3) == b"SSH"
        return False


def _user() -> str:
    return getpass.getuser()

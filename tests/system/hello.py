# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service of a test's own on this machine, made of the smallest example: whatever is done to it meets no other test.

What it is made of (compose file, manifests, inventory) lies in a directory of the test, to be changed at will.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.steady.runbooks.tests.system import runner, shop

STATE = Path("/var/lib/steady")
EXAMPLE = runner.ROOT / "examples" / "hello"


class Hello:
    """One service called *name*; *settings* are inventory variables beside those of the example."""

    def __init__(self, root: Path, name: str, **settings: Any) -> None:
        self.root = root
        self.name = name
        self.port = free_port()
        self.state = STATE / name
        self.inventory = root / "inventory.yml"
        for part in ("source", "releases"):
            shutil.copytree(EXAMPLE / part, root / part)
        compose = self.root / "source" / "compose.yaml"
        compose.write_text(compose.read_text() + "    environment: {VERSION: '${VERSION}'}\n")
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "service_name": name,
            "service_source": str(root / "source"),
            "service_manifests": str(root / "releases"),
            "service_environment": {"HELLO_PORT": str(self.port)},
            "service_edge_image": "127.0.0.1:5000/haproxy:3.0",
            "service_ready": {"web": {"path": "/", "port": 8000}},
            "service_version_endpoint": {"path": "/", "field": "version"},
            "service_watch": {"seconds": 1, "checkpoints": [1]},
            "service_drain_seconds": 2,
        }
        self.set(**settings)

    def set(self, **variables: Any) -> None:
        """Change variables of the host in the inventory."""
        self.variables.update(variables)
        environment = {"vars": {"runbooks_environment": "local"}, "hosts": {self.name: self.variables}}
        self.inventory.write_text(json.dumps({"local": environment}))

    def write(self, file: str, text: str) -> Path:
        """A file below the directory, as ``source/compose.yaml``."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def release(self, version: str) -> str:
        """Write the manifest of one more release."""
        self.write(f"releases/{version}.yml", f'version: "{version}"\nimages: {{web: "127.0.0.1:5000/hello:2"}}\n')
        return version

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """What a person would type, in the checkout."""
        if not playbook.endswith(".yml"):
            playbook = f"playbooks/{playbook}.yml"
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [program, "-i", str(self.inventory), playbook, *arguments]

    def play(
        self, playbook: str, *arguments: str, environment: Mapping[str, str] | None = None, env: str = "local"
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, as a person does; both outputs come in ``stdout``."""
        return subprocess.run(
            self.command(playbook, *(["-e", f"env={env}"] if env else []), *arguments),
            cwd=runner.ROOT,
            env={**runner.ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def done(self, playbook: str, *arguments: str) -> str:
        """Run it and return what it said; it has to succeed."""
        said = self.play(playbook, *arguments)
        assert said.returncode == 0, said.stdout
        return said.stdout

    def start(self, playbook: str, *arguments: str) -> Started:
        """Run it beside what follows."""
        return Started(self.command(playbook, "-e", "env=local", *arguments))

    def status(self) -> dict[str, Any]:
        """What status.yml returns."""
        return runner.play("status", inventory=self.inventory).result("compose_info")

    def version(self) -> str:
        """The version that answers at the published port; "" when nothing does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return str(json.load(answer)["version"])
        except (OSError, urllib.error.HTTPError, ValueError):
            return ""

    def containers(self) -> dict[str, str]:
        """Names of the containers that are there, with what they do and since when."""
        names = [name for name in docker("ps", "-a", "--format", "{{.Names}}") if name.startswith(f"{self.name}-")]
        told = "{{.Name}} {{.Id}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}}"
        seen = docker("inspect", "--format", told, *names) if names else []
        return {words[0].lstrip("/"): " ".join(words[1:]) for words in map(str.split, seen)}

    def snapshot(self) -> dict[str, Any]:
        """Everything of the service on this machine that a refusal must leave as it is."""
        listed = {kind: docker(kind, "ls", "-q", "--filter", f"name={self.name}") for kind in ("network", "volume")}
        return {"answers": self.version(), "containers": self.containers(), "files": self.files(), **listed}

    def files(self) -> dict[str, str]:
        """Mode, owner and digest of all that is kept on the host; who held the lock last is nobody's state."""
        found = {}
        for path in sorted(self.state.rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() and path.name != "lock" else b""
            words = (oct(status.st_mode), status.st_uid, hashlib.sha256(content).hexdigest()[:16])
            found[str(path.relative_to(self.state))] = " ".join(map(str, words))
        return found

    def runs(self) -> list[Path]:
        """The directories of the runs, oldest first."""
        return sorted((self.state / "runs").glob("*"), key=lambda path: path.stat().st_mtime)

    def process(self) -> int:
        """The process of the run that was started last."""
        return int(json.loads((self.runs()[-1] / "process.json").read_text())["pid"])

    def remove(self) -> None:
        shop.remove(self.name)


class Started:
    """A playbook run in a process group of its own; as a context manager it does not outlive the block."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self.said = ""
        self.process = subprocess.Popen(
            command,
            cwd=runner.ROOT,
            env={**runner.ENVIRONMENT, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def text(self) -> str:
        """What it has said so far."""
        assert self.process.stdout
        self.said += (self.process.stdout.read() or b"").decode()
        return self.said

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Wait until it has said *text*."""
        wait_until(lambda: text in self.text() or self.process.poll() is not None, f"{text!r} is said", seconds)
        assert text in self.text(), self.said

    def wait(self, seconds: float = 180) -> int:
        """Wait for its end; its exit status."""

        def ended() -> bool:
            self.text()  # or its pipe fills up
            return self.process.poll() is not None

        wait_until(ended, "the playbook ends", seconds)
        self.text()
        return int(self.process.returncode)

    def kill(self) -> None:
        """As `kill -9` of everything on the controller does: what it started on the target ends by itself."""
        below = descendants(self.process.pid)
        if self.process.poll() is None:
            mine = _command_line(self.process.pid)
            # Workers have the command line of the controller that they are forked from, and sessions of their own.
            for pid in [self.process.pid, *(pid for pid in below if _command_line(pid) == mine)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        ending = [pid for pid in below if b"module_utils.compose.act" not in _command_line(pid)]
        wait_until(lambda: not any(_command_line(pid) for pid in ending), "the modules have ended", 60)
        if self.process.stdout:
            self.process.stdout.close()


def wait_until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """All processes that descend from *pid*."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def docker(*words: str) -> list[str]:
    return shop.docker(*words).splitlines()


def free_port() -> int:
    """Below those that the kernel gives to the connections of other tests."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port

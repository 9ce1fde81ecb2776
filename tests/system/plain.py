# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shape of tests/system/shapes that somebody runs by plain ``docker compose up -d`` in a directory of his own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.tests.system import runner, shop
from ansible_collections.steady.runbooks.tests.system.hello import STATE, Hello, docker, free_port

COMPOSE = "com.docker.compose"
SHAPES = Path(__file__).with_name("shapes")
# What is another one each time a container or a network is made.
MADE_ANEW = {
    "Id", "Created", "CreatedAt", "State", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver",
    "NetworkSettings", "RestartCount", "MountLabel", "ProcessLabel", "ExecIDs", "Storage",
}  # fmt: skip


class Plain(Hello):
    """A shape that runs, or ran, by plain compose; *settings* are inventory variables."""

    def __init__(self, root: Path, shape: str, name: str, port: int, **settings: Any) -> None:
        self.root, self.name, self.port = root, name, port
        self.state = STATE / name
        self.inventory = root / "inventory.yml"
        self.source = root / "source"
        shutil.copytree(SHAPES / shape, self.source)
        shutil.copy(SHAPES / "app.py", self.source)
        self.write("source/.env", f"PORT={port}\nSECOND={free_port()}\nCOMPOSE_PROJECT_NAME={name}\nVERSION=1.0.0\n")
        self.profiles: list[str] = list(settings.get("service_profiles") or [])
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "service_name": name,
            "service_source": str(self.source),
            "service_manifests": str(root / "releases"),
            "service_edge_image": "127.0.0.1:5000/haproxy:3.0",
            "service_version_endpoint": {"path": "/", "field": "version"},
            "service_watch": {"seconds": 1, "checkpoints": [1]},
            "service_drain_seconds": 2,
            "service_warm_seconds": 600,
        }
        self.set(**settings)
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            self.write(f"releases/{version}.yml", f'version: "{version}"\nchanges: [Another version.]\n')

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What the user types in his directory."""
        engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
        profiles = [word for profile in self.profiles for word in ("--profile", profile)]
        return subprocess.run(
            ["docker", "compose", *profiles, *words],
            cwd=self.source,
            env={"PATH": runner.PATH, "HOME": str(Path.home()), "LC_ALL": "C.UTF-8", **engine},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def remove(self) -> None:
        super().remove()
        names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        built = [name for name in names if name.startswith(f"{self.name}-") and not name.endswith(":<none>")]
        if built:
            docker("image", "rm", *built)

    def up(self) -> None:
        said = self.compose("up", "-d", "--wait", "--quiet-pull")
        # --wait takes a job that has ended for a failure.
        assert said.returncode == 0 or "exited (0)" in said.stderr, said.stderr

    def members(self) -> dict[str, dict[str, Any]]:
        """The containers of the user's own project, inspected, by name."""
        ids = docker("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}")
        return {one["Name"].lstrip("/"): one for one in (json.loads(shop.docker("inspect", *ids)) if ids else [])}

    def ids(self, *services: str) -> dict[str, str]:
        found = {one["Config"]["Labels"]["com.docker.compose.service"]: one["Id"] for one in self.members().values()}
        return {service: found[service] for service in services}

    def host(self) -> dict[str, Any]:
        """What the service is on this machine, without what is another one each time that it is made."""
        names = docker("network", "ls", "--format", "{{.Name}}")
        networks = [name for name in names if name.removeprefix("0-").startswith(f"{self.name}")]
        volumes = [name for name in docker("volume", "ls", "-q") if name.startswith(f"{self.name}_")]
        return {
            "containers": {name: _lasting(one) for name, one in self.members().items()},
            "others": sorted(set(self.containers()) - set(self.members())),
            "networks": {name: _network(name) for name in networks},
            "volumes": {one["Name"]: one for one in (json.loads(shop.docker("volume", "inspect", *volumes)))}
            if volumes
            else {},
        }


class Alone:
    """Looks all the time that of a compose service no two containers run, plain or in slots; a context manager."""

    def __init__(self, plain: Plain, *services: str) -> None:
        self.plain, self.services = plain, services
        self.wrong: list[str] = []
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Alone:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        projects = {self.plain.name, *(f"{self.plain.name}-{slot}" for slot in ("blue", "green"))}
        engine = Docker().engine
        while not self._stop.wait(0.03):
            _status, listed = engine.json("GET", "/containers/json")
            self.looks += 1
            labels = [one["Labels"] for one in listed if one["Labels"].get(f"{COMPOSE}.project") in projects]
            up = Counter(one.get("steady.compose_service") or one[f"{COMPOSE}.service"] for one in labels)
            self.wrong += [f"{up[name]} of {name} run" for name in self.services if up[name] > 1]


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two of what :meth:`Plain.host` tells differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(set(one) | set(other))
        return [text for key in keys for text in differences(one.get(key), other.get(key), f"{where}/{key}")]
    return [] if one == other else [f"{where}: {one!r} -> {other!r}"]


def _lasting(one: dict[str, Any]) -> dict[str, Any]:
    """A container without what is made anew; of its networks what it is called there."""
    kept = {key: value for key, value in one.items() if key not in MADE_ANEW}
    short = one["Id"][:12]
    # Compose keeps some of what it reads in no order.
    host = {**kept["HostConfig"], "Binds": sorted(kept["HostConfig"].get("Binds") or [])}
    mounts = sorted(kept["Mounts"], key=lambda mount: str(mount["Destination"]))
    kept["Mounts"] = [{**mount, "Name": "", "Source": ""} if _unnamed(mount) else mount for mount in mounts]
    networks = {
        name: {
            "aliases": sorted(set(net["Aliases"] or []) - {short}),
            "names": sorted(set(net.get("DNSNames") or []) - {short}),
        }
        for name, net in one["NetworkSettings"]["Networks"].items()
    }
    config = {key: value for key, value in one["Config"].items() if key != "Hostname" or value != short}
    depends = "com.docker.compose.depends_on"
    config["Labels"] = {**config["Labels"], depends: sorted(config["Labels"].get(depends, "").split(","))}
    config["Env"] = sorted(config["Env"] or [])
    return {**kept, "HostConfig": host, "Config": config, "Networks": networks}


def _unnamed(mount: dict[str, Any]) -> bool:
    return bool(mount["Type"] == "volume" and re.fullmatch("[0-9a-f]{64}", mount["Name"]))


def _network(name: str) -> dict[str, Any]:
    found = json.loads(shop.docker("network", "inspect", name))[0]
    return {key: value for key, value in found.items() if key != "Containers"}

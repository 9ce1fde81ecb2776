# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small services with all that a run has to do with: web, worker, scheduler, job and a state service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.steady.runbooks.tests.system.hello import Hello

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
IMAGE = "127.0.0.1:5000/hello:1"
# As any real server it takes all connections that come at once when requests were held; of itself it takes five.
SERVE = "import socketserver as s; s.TCPServer.request_queue_size = 512; import hello; hello.main()"
# The image takes its version from the environment, so that each release has another.
WEB = f"""\
services:
  web:
    image: {IMAGE}
    environment: {{VERSION: "${{VERSION}}"}}
    command: [python3, -c, "{SERVE}"]
    working_dir: /
    ports: ["127.0.0.1:${{HELLO_PORT:-8090}}:8000"]
    restart: unless-stopped
  worker:
    image: {IMAGE}
    environment: {{VERSION: "${{VERSION}}"}}
    restart: unless-stopped
"""
OVERLAPPING = f"""\
{WEB}\
  scheduler:
    image: {IMAGE}
    restart: unless-stopped
  migrate:
    image: {IMAGE}
    command: [python3, -c, "import time; time.sleep(0.3)"]
  cache:
    image: 127.0.0.1:5000/redis:8
    volumes: [cache:/data]
    restart: unless-stopped

volumes:
  cache:
"""
EXCLUSIVE = (
    WEB.replace("    ports:", "    volumes: [data:/data]\n    ports:", 1).replace(
        '"${VERSION}"}', '"${VERSION}", DATA_DIR: /data}', 1
    )
    + "\nvolumes:\n  data:\n"
)


def overlapping(root: Path, name: str, **settings: Any) -> Hello:
    """Two releases of it run side by side."""
    roles = {"worker": "worker", "scheduler": "scheduler", "migrate": "job"}
    ready = {"web": {"path": "/", "port": 8000}, "cache": {"port": 6379}}
    return _service(root, name, OVERLAPPING, service_roles=roles, service_ready=ready, **settings)


def exclusive(root: Path, name: str, **settings: Any) -> Hello:
    """Two releases of it never run at once: requests are held meanwhile."""
    return _service(root, name, EXCLUSIVE, service_roles={"worker": "worker"}, **settings)


def _service(root: Path, name: str, compose: str, **settings: Any) -> Hello:
    hello = Hello(root, name, **settings)
    hello.write("source/compose.yaml", f"name: {name}\n{compose}")
    (root / "source/compose.exclusive.yaml").unlink()
    for version in VERSIONS:
        hello.write(f"releases/{version}.yml", f'version: "{version}"\nchanges: [Another version.]\n')
    return hello

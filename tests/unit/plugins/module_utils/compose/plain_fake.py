# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with containers that plain compose has made; nothing runs anywhere."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files

ROLES = {"web": "web", "worker": "worker", "migrate": "job", "db": "state"}
DIGEST = "sha256:" + "d" * 64


def container(service, status="running", number=1, oneoff="False", **more):
    labels = {"com.docker.compose.service": service, "com.docker.compose.oneoff": oneoff}
    return {
        "Id": f"{service}{number}" + "0" * 12,
        "Name": f"/shop-{service}-{number}",
        "Image": DIGEST,
        "Created": "2030",
        "State": {"Status": status},
        "Config": {"Labels": labels, "Env": [], "Image": "registry/web:1"},
        "HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}, "PortBindings": {}},
        "NetworkSettings": {"Networks": {}},
        **more,
    }


def plain_host(directory):
    """A host whose project has these containers; *asked* are the docker commands."""
    files = Files(str(directory))
    asked = []
    known = {}

    def save(**changed):
        known.update(changed)
        return known

    made = SimpleNamespace(
        files=files,
        service="shop",
        project="shop",
        asked=asked,
        plain=known,
        save_plain=save,
        settings={"edge_image": "haproxy:3.0", "version_endpoint": {}, "start_seconds": 5},
        found=[],
        placeholders=[],
        docker=lambda *words, **_options: asked.append(words) or "",
    )
    made.base_containers = lambda: made.found
    made.containers = lambda *filters: made.placeholders
    return made

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept on a host for later: releases, their images, runs with their reports; and removing some of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import CommandFailed
from ..run.contract import Evidence, Stock
from ..run.lock import is_alive
from .host import Host
from .model import repository
from .names import LABEL


def stock(host: Host) -> Stock:
    """See ``run.contract``."""
    settings = host.settings
    releases = host.releases()
    containers = host.containers(f"{LABEL}.service={host.service}")
    busy = {(one["Config"]["Labels"] or {}).get(f"{LABEL}.release"): _name(one) for one in containers}
    return {
        "at": host.clock.now(),
        "keep": {name: settings[f"keep_{name}"] for name in ("releases", "runs", "days")},
        "releases": {
            name: {
                "bytes": _size(host.files.path(f"releases/{name}")),
                "time": record.get("live_since") or _changed(host, f"releases/{name}/release.json"),
                "images": sorted(set((record.get("images") or {}).values())),
                "used": f"container {busy[name]}" if name in busy else "",
            }
            for name, record in releases.items()
        },
        "runs": {
            name: {
                "bytes": _size(host.files.path(f"runs/{name}")),
                "time": _changed(host, f"runs/{name}/result.json"),
            }
            for name in host.files.names("runs")
            if host.files.exists(f"runs/{name}/result.json")
        },
        "images": _images(host, releases.values()),
    }


def discard(host: Host, kind: str, names: Iterable[str]) -> Evidence:
    """Remove releases, runs or images; a run that still waits and an image that has come to be needed stay."""
    if kind == "image":
        return _discard_images(host, names)
    there = [name for name in names if host.files.exists(f"{kind}s/{name}")]
    stay = [name for name in there if kind == "run" and _alive(host, name)]
    removed = [name for name in there if name not in stay]
    for name in removed:
        host.files.discard(f"{kind}s/{name}")
    told = "; ".join(f"{name} stays: it waits for the end of its warm window" for name in stay)
    return {"changed": bool(removed), "removed": removed, "say": told}


def _discard_images(host: Host, names: Iterable[str]) -> Evidence:
    removed, stay = [], {}
    for name in names:
        why = _needed(host, name, _users(host))
        if why is None:
            continue
        said = host.docker.run("image", "rm", _plain(name), timeout=300) if not why else None
        if said is None or said.returncode:
            stay[name] = why or (said.stderr.strip()[-300:] if said else "")
        else:
            removed.append(name)
    told = "; ".join(f"{name} stays: {why}" for name, why in stay.items())
    return {"changed": bool(removed), "removed": removed, "stay": stay, "say": told}


def _images(host: Host, records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The images of these releases that are here, each with its size and who needs it beside them."""
    found: dict[str, dict[str, Any]] = {}
    users = _users(host)
    for name in sorted({image for record in records for image in (record.get("images") or {}).values()}):
        why = _needed(host, name, users)
        if why is not None:
            found[name] = {"bytes": int(_image(host, name)["Size"]), "used": why}
    return found


def _needed(host: Host, name: str, users: Mapping[str, str]) -> str | None:
    """Who needs an image beside our own releases: empty for nobody, None when it is not here."""
    image = _image(host, name)
    if not image:
        return None
    tags = [tag for tag in image.get("RepoTags") or [] if not tag.startswith("<none>")]
    # We pull by digest, without a tag: whoever gave it one may want to use it by that.
    return users.get(image["Id"]) or users.get(_plain(name)) or (f"it is tagged {tags[0]}" if tags else "")


def _users(host: Host) -> dict[str, str]:
    """By image id or reference: a container of anybody, running or not, or a release of another service of ours."""
    status, listed = host.docker.engine.json("GET", "/containers/json?all=1")
    if status != 200:
        raise CommandFailed("the engine did not list containers", code="docker_failed", next_step="See `docker info`.")
    found = {one["ImageID"]: f"container {(one['Names'] or ['?'])[0].lstrip('/')} has it" for one in listed}
    root, mine = os.path.split(host.files.root)
    for service in sorted(name for name in os.listdir(root) if name != mine and os.path.isdir(f"{root}/{name}")):
        other = Host({"name": service}, {}, host.docker, type(host.files)(os.path.join(root, service)), host.clock)
        for record in other.releases().values():
            found.update({_plain(image): f"{service} has it" for image in (record.get("images") or {}).values()})
    return found


def _image(host: Host, name: str) -> dict[str, Any]:
    status, image = host.docker.engine.json("GET", f"/images/{quote(_plain(name), safe='/:@')}/json")
    return dict(image) if status == 200 else {}


def _plain(name: str) -> str:
    """The reference by digest alone: ``team/app:1.1.0@sha256:…`` without its tag; an id stays as it is."""
    image, at, digest = name.partition("@")
    return f"{repository(image)}@{digest}" if at else name


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Name"]).lstrip("/")


def _alive(host: Host, run: str) -> bool:
    """Whether the run's process is there: at the end of a run it waits for the end of the warm window."""
    return is_alive(host.files.read_json(f"runs/{run}/process.json") or {})


def _changed(host: Host, path: str) -> float:
    return os.path.getmtime(host.files.path(path))


def _size(path: str) -> int:
    found = (os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in names)
    return sum(os.lstat(file).st_blocks * 512 for file in found)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service as it runs by plain ``docker compose up``: what is recorded of it, and its containers' way out and back.

``adopted.json`` says ``stage``: ``begun`` (an adoption is at work, or died), ``taken`` (slots serve; the plain
containers are being removed, or gone), ``leaving`` (an unadoption is at work) or ``returned`` (plain compose serves
again); ``directory``, ``files`` and ``env_files`` of the user's own compose command; ``data``, the directory that
relative binds are written in; ``roles`` by service; ``restart``, the policies of the containers by id; ``names``, of
containers by service; ``release``; and ``home``, where plain containers are made from when an unadoption made them.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import StepFailed, TimedOut
from ..run.contract import Evidence, Progress, Release
from ..run.waiter import wait_for
from .docker import output
from .host import Host, is_running, service_of
from .images import present_id
from .limits import inside, replicas
from .model import Model, Understanding, image_of, mounts_of, services, unescape
from .names import EDGE_IMAGE, LABEL
from .ready import Look, look
from .render import Paths, plain_model
from .scale import scales

WEB, HANDS = ("web",), ("worker", "scheduler")
HOME = "plain"  # in the state directory
PLACEHOLDER = f"{LABEL}.placeholder"
NEVER = {"Name": "no", "MaximumRetryCount": 0}


def is_oneoff(container: Mapping[str, Any]) -> bool:
    """Made by ``docker compose run``: nobody's service."""
    return str((container["Config"]["Labels"] or {}).get("com.docker.compose.oneoff")).lower() == "true"


def observed(host: Host, containers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The part of the observation that is about plain compose; *containers* are those of the user's project."""
    record = host.plain
    states = {name for name, role in (record.get("roles") or {}).items() if role == "state"}
    states |= set((host.files.read_json("base/base.json") or {}).get("services") or [])
    mine = [c for c in containers if not is_oneoff(c) and service_of(c) not in states]
    stage = record.get("stage") or ""
    home = (record.get("home") or {}) if stage in ("leaving", "returned") else {}
    return {
        "stage": stage,
        "directory": home.get("directory") or record.get("directory") or "",
        "running": sorted({service_of(c) for c in mine if is_running(c)}),
        "containers": {str(c["Name"]).lstrip("/"): str(c["Id"])[:12] for c in mine},
    }


def containers(host: Host, *roles: str) -> list[dict[str, Any]]:
    """The plain containers of services with one of these roles; state services are never among them."""
    wanted = {name for name, role in (host.plain.get("roles") or {}).items() if role in roles and role != "state"}
    return [c for c in host.base_containers() if service_of(c) in wanted and not is_oneoff(c)]


def restarts(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(c["Id"]): dict(c["HostConfig"].get("RestartPolicy") or NEVER) for c in found}


def remember(host: Host, release: Release) -> Evidence:
    """Record what runs, once: a second look may find it half stopped."""
    if host.plain.get("stage") == "begun":
        return {"changed": False}
    plain = release["plain"]
    roles = release["roles"]
    found = [c for c in host.base_containers() if not is_oneoff(c) and roles.get(service_of(c), "state") != "state"]
    host.save_plain(
        stage="begun",
        **{name: plain[name] for name in ("directory", "files", "env_files", "data")},
        roles=roles,
        restart=restarts(found),
        names=_names(found),
        release=release["id"],
        home=None,
    )
    return {"changed": True, "containers": [str(c["Name"]).lstrip("/") for c in found]}


def _names(found: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for container in found:
        names.setdefault(service_of(container), []).append(str(container["Name"]).lstrip("/"))
    return names


def stop(host: Host, found: Iterable[Mapping[str, Any]]) -> bool:
    """Stop containers and keep them; no restart of the engine starts them again."""
    ids = [str(c["Id"]) for c in found if is_running(c) or c["State"]["Status"] == "restarting"]
    if ids:
        host.docker("update", "--restart=no", *ids)
        host.docker("stop", *ids, timeout=600)
    return bool(ids)


def start(host: Host, release: Release, progress: Progress) -> Evidence:
    """Start the plain web services, workers and schedulers, and wait until they are ready.

    Only an unadoption has to find them ready, for it can go back. Where an adoption goes back to, nothing else serves:
    there it is enough that the containers run, as they did before.
    """
    record = host.plain
    demanded = record.get("stage") == "leaving"
    understanding = Understanding.from_dict(release["understanding"])
    for container in containers(host, *WEB, *HANDS):
        policy = record["restart"].get(container["Id"])
        if policy and policy != container["HostConfig"].get("RestartPolicy"):
            host.docker("update", f"--restart={_policy(policy)}", container["Id"])
    names: list[str] = []
    late: list[str] = []
    for wave in [*understanding.waves(*WEB), [one.name for one in understanding.of_role(*HANDS)]]:
        found = _of(host, wave)
        ids = [str(c["Id"]) for c in found if not is_running(c)]
        if ids and record.get("home"):
            # What Compose puts into a container as it starts it (secrets, configs) is not there yet.
            habit(host, record["home"], "up", "--detach", "--no-deps", "--no-recreate", *wave, release=release)
        elif ids:
            host.docker("start", *ids, timeout=300)
        names += wave
        crashes = {str(c["Id"]): int(c.get("RestartCount") or 0) for c in found if is_running(c)}
        try:
            _ready(host, understanding, wave, crashes, demanded, progress)
        except TimedOut as error:
            if demanded or not all(map(is_running, _of(host, wave))):
                raise
            late += error.last_seen
    say = f"started, and not ready after {host.settings['start_seconds']} s: {'; '.join(late)}" if late else ""
    return {"changed": True, "services": names, "late": late, "say": say}


def _of(host: Host, services: Iterable[str]) -> list[dict[str, Any]]:
    return [c for c in containers(host, *WEB, *HANDS) if service_of(c) in services]


def _policy(policy: Mapping[str, Any]) -> str:
    count = int(policy.get("MaximumRetryCount") or 0)
    return f"{policy.get('Name') or 'no'}" + (f":{count}" if count else "")


def _ready(
    host: Host,
    understanding: Understanding,
    services: list[str],
    crashes: Mapping[str, int],
    demanded: bool,
    progress: Progress,
) -> None:
    """Wait for the containers of *services*. *crashes*, by id, are those from before, which say nothing of today."""

    def one(container: Mapping[str, Any]) -> Look:
        count = int(container.get("RestartCount") or 0) - crashes.get(str(container["Id"]), 0)
        readiness = understanding.services[service_of(container)].readiness
        try:
            return look(host.docker, {**container, "RestartCount": count}, readiness)
        except StepFailed as error:
            if demanded or error.code != "unhealthy":
                raise
            return Look(False, error.detail)

    def seen() -> tuple[bool, Any]:
        states = [one(container) for container in _of(host, services)]
        waiting = [state.seen for state in states if not state.ready]
        progress(f"{len(states) - len(waiting)} of {len(states)} plain containers ready")
        return not waiting, waiting

    wait_for(
        seen,
        what="the plain containers are ready",
        timeout=host.settings["start_seconds"],
        clock=host.clock,
        interval=0.05,
        next_step="See their logs (docker logs).",
    )


def dismiss(host: Host) -> Evidence:
    """Remove the plain containers of everything that slots run, and of jobs; state, volumes with a name and networks
    stay.

    A container that is never started keeps each one's name: so a habitual ``docker compose up -d`` ends before it has
    started a second worker, a second scheduler or a migration.
    """
    record = host.save_plain(stage="taken")
    gone = containers(host, *WEB, *HANDS, "job")
    if gone:
        host.docker("rm", "--force", "--volumes", *[str(c["Id"]) for c in gone], timeout=300)
    kept = {str(c["Name"]).lstrip("/") for c in host.containers(f"{PLACEHOLDER}={host.service}")}
    for names in (record.get("names") or {}).values():
        for name in sorted(names)[:1]:
            if name not in kept:
                _keep_name(host, name)
    return {"changed": bool(gone), "removed": [str(c["Name"]).lstrip("/") for c in gone]}


def _keep_name(host: Host, name: str) -> None:
    # The edge's image is here, and has no labels of the user's project, as one that Compose has built.
    image = host.settings.get("edge_image") or EDGE_IMAGE
    labels = (f"{PLACEHOLDER}={host.service}", f"{LABEL}.why=unadopt.yml gives this name back to docker compose")
    words = [word for label in labels for word in ("--label", label)]
    host.docker("create", "--name", name, "--network", "none", *words, "--entrypoint", "true", image)


def free_names(host: Host) -> None:
    """Take away what keeps the names of plain containers."""
    ids = [str(c["Id"]) for c in host.containers(f"{PLACEHOLDER}={host.service}")]
    if ids:
        host.docker("rm", "--force", "--volumes", *ids)


def draft(host: Host, release: Release, home: Mapping[str, Any]) -> Evidence:
    """Make the plain containers of the live release beside its slot, and start none of them."""
    roles = release["roles"]
    record = host.plain
    host.save_plain(
        stage="leaving",
        directory=record.get("directory") or home["directory"],
        data=record.get("data") or host.paths(release["id"]).data,
        roles=roles,
        release=release["id"],
        home=dict(home),
    )
    if home["pinned"]:
        write_home(host, release)
    free_names(host)
    stale = [str(c["Id"]) for c in containers(host, *WEB, *HANDS, "job") if not is_running(c)]
    if stale:
        host.docker("rm", "--force", "--volumes", *stale)
    wanted = sorted(name for name, role in roles.items() if role != "state")
    # Without --no-deps, by which Compose's digest of a container would be another one than that of a habitual `up`.
    habit(host, home, "up", "--no-start", "--no-recreate", "--no-build", *wanted, release=release)
    found = containers(host, *WEB, *HANDS, "job")
    host.save_plain(restart=restarts(found), names=_names(found))
    return {"changed": True, "services": wanted, "say": f"from {home['directory']}"}


def habit(host: Host, home: Mapping[str, Any], *words: str, release: Release) -> None:
    """Run ``docker compose`` as the user does: nothing is added, so it makes the same of the same files."""
    if home["pinned"]:
        host.compose(host.project, f"{HOME}/compose.yaml", *words, release=release, timeout=600)
        return
    output(_asked(host, home, *words), f"compose {words[0]} of {host.project}")


def _asked(host: Host, home: Mapping[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    docker = copy.copy(host.docker)
    kept = {name: value for name, value in docker.environment.items() if not name.startswith("COMPOSE_")}
    docker.environment = {**kept, "PWD": home["directory"]}
    options = ["--project-name", host.project, "--project-directory", home["directory"]]
    for option, values in (
        ("--file", home["files"]),
        ("--env-file", home["env_files"]),
        ("--profile", home["profiles"]),
    ):
        options += [word for value in values for word in (option, value)]
    return docker.run("compose", *options, *words, timeout=600, cwd=home["directory"])


def home_of(host: Host, release: Release) -> dict[str, Any]:
    """Where plain containers of the live release are made from: the user's own directory when what is there is that
    release, so that a habitual ``docker compose up -d`` finds everything up to date; else one that we write.

    ``{"directory", "files", "env_files", "profiles", "pinned": bool, "why": what differs there}``.
    """
    record = host.plain
    ours = host.files.path(HOME)
    theirs = {
        "directory": record.get("directory") or "",
        "files": record.get("files") or [],
        "env_files": record.get("env_files") or [],
        "profiles": release["render"]["profiles"],
        "pinned": False,
        "why": "",
    }
    why = _differs(host, release, theirs) if theirs["directory"] not in ("", ours) else "it was not adopted from one"
    if not why:
        return theirs
    files = [f"{ours}/compose.yaml"]
    return {**theirs, "directory": ours, "files": files, "env_files": [], "pinned": True, "why": why}


def _differs(host: Host, release: Release, home: Mapping[str, Any]) -> str:
    """Why the user's directory is not the live release as it is; empty when it is."""
    where = home["directory"]
    missing = [file for file in home["files"] if not os.path.isfile(os.path.join(where, file))]
    if missing or not os.path.isdir(where):
        return f"{(missing or [where])[0]} is gone"
    said = _asked(host, home, "config", "--format", "json")
    if said.returncode:
        return f"docker compose cannot use what is in {where}"
    present, pins = json.loads(said.stdout), release["images"]
    states = {name for name, role in release["roles"].items() if role == "state"}
    paths = host.paths(release["id"])
    wanted = _live(host, release, where)
    for name in sorted(set(pins) & set(services(present))):
        image = image_of(present, name)
        if present_id(host.docker, unescape(image)) != present_id(host.docker, pins[name]):
            return f"{name} has the image {image} there, not {pins[name]}"
    present = plain_model(present, states, paths=Paths(where, where, where), pins=pins)
    one, other = hashes(host, present), hashes(host, wanted)
    differ = {name for name in {*one, *other} if one.get(name) != other.get(name)}
    counts = [{name: replicas(body) for name, body in services(model).items()} for model in (present, wanted)]
    differ |= {name for name, _count in counts[0].items() ^ counts[1].items()}  # which is in no digest
    if differ:
        return f"{', '.join(sorted(differ))} {'are' if len(differ) > 1 else 'is'} otherwise in {where}"
    different = other_files(present, paths.source, where)
    return f"{different[0]} is another file in {where}" if different else ""


def _live(host: Host, release: Release, source: str) -> Model:
    """The live release as plain compose is to run it, with its source in that directory: pinned, and scaled as it is
    in the slots."""
    states = {name for name, role in release["roles"].items() if role == "state"}
    paths = replace(host.paths(release["id"]), source=source)
    return plain_model(host.rendered(release), states, paths=paths, pins=release["images"], scales=scales(host))


def hashes(host: Host, model: Model) -> dict[str, str]:
    """How Compose tells whether a container is what its file says: a digest by service, of a model that is resolved."""
    profiles = {profile for body in services(model).values() for profile in body.get("profiles") or []}
    words = [word for profile in sorted(profiles) for word in ("--profile", profile)]
    said = host.compose(host.project, model, *words, "config", "--hash", "*")
    pairs = [line.split() for line in said.splitlines() if line.strip()]
    return {pair[0]: pair[-1] for pair in pairs}


def other_files(model: Model, source: str, where: str) -> list[str]:
    """Files that services of *model*, which was made for the directory *where*, only read and that *source* has with
    another content."""
    mounted = [
        str(mount.get("source") or "")
        for body in services(model).values()
        for mount in mounts_of(body)
        if mount.get("type") == "bind" and mount.get("read_only")
    ]
    for kind in ("secrets", "configs"):
        mounted += [str(body["file"]) for body in (model.get(kind) or {}).values() if body.get("file")]
    names = sorted({name for path in mounted if (name := inside(path, where)) is not None})
    return [f"./{name}" for name in names if _content(f"{source}/{name}") != _content(f"{where}/{name}")]


def _content(path: str) -> list[tuple[str, str]]:
    """Names and digests of a file, or of all files below a directory."""
    found = [path] if os.path.isfile(path) else []
    for folder, _folders, names in os.walk(path):
        found += [os.path.join(folder, name) for name in names]
    digests = []
    for file in sorted(found):
        with open(file, "rb") as stream:
            digests.append((os.path.relpath(file, path), hashlib.sha256(stream.read()).hexdigest()))
    return digests


def write_home(host: Host, release: Release) -> None:
    """Write the directory that has the live release for plain compose: its source, and one file with all resolved.

    Like the slots' own files it has values of the environment in clear text: only root can read it.
    """
    files, what = host.files, {"id": release["id"], "scale": scales(host)}
    if {"scale": {}, **(files.read_json(f"{HOME}/release.json") or {})} == what:
        return
    files.remove(HOME)
    model = _live(host, release, files.path(HOME, "source"))
    with files.made(HOME) as new:
        shutil.copytree(host.paths(release["id"]).source, os.path.join(new, "source"), symlinks=True)
        for name, content in (("compose.yaml", model), ("release.json", what)):
            with open(os.path.join(new, name), "w", encoding="utf-8") as stream:
                json.dump(content, stream, indent=1)
            os.chmod(os.path.join(new, name), 0o600)

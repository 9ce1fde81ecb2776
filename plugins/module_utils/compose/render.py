# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for a slot, for the base project and for a job: new models made from the user's, never overrides.

The two rules that everything here serves: a container of a slot never answers to the user's plain name in a network
that anything outside of the slot is in, and volumes and networks keep the names that Docker already knows them by.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..run.contract import Scale
from .keys import DROPPED
from .limits import host_name, inside
from .model import (
    Member,
    Model,
    Understanding,
    escape,
    image_of,
    is_external,
    mounts_of,
    networks_of,
    real_name,
    services,
    unescape,
)

# With this many containers of 0, Compose makes the networks and volumes of a service and no container.
ANCHOR = "steady-resources"
_NAMESPACES = ("network_mode", "ipc", "pid")


@dataclass(frozen=True)
class Paths:
    """Directories on the host: where the model was *rendered*, where that *source* is kept with its release, and where
    *data* lives that releases write next to their source and that the base project reads (``base/source``, or the
    user's own directory after an adoption)."""

    rendered: str
    source: str
    data: str


def slot_model(
    model: Mapping[str, Any],
    understanding: Understanding,
    *,
    service: str,
    slot: str,
    release: str,
    pins: Mapping[str, str],
    paths: Paths,
) -> Model:
    """The compose file of slot ``blue`` or ``green``: web, worker and scheduler services, named ``<name>-<slot>``.

    *service* is the target's name (its edge network is ``<service>-edge``), *release* an id for the labels and *pins*
    compose service -> image to run. To be used with the project directory set to the slot's own.
    """
    project = understanding.project
    members = {member.name: member for member in understanding.slot_members}
    own = own_networks(model, members)
    labels = {"service": service, "slot": slot, "release": release}
    rendered: dict[str, Any] = {}
    for name, member in members.items():
        body = _common(model, member, pins, paths, labels)
        body["depends_on"] = {
            f"{other}-{slot}": condition
            for other, condition in (body.get("depends_on") or {}).items()
            if other in members
        }
        for key in _NAMESPACES:
            kind, colon, owner = str(body.get(key) or "").partition(":")
            if kind == "service" and colon:
                body[key] = f"service:{owner}-{slot}"
        names = [name, *(str(body[key]) for key in ("container_name", "hostname") if body.get(key))]
        if body.get("hostname"):
            body["hostname"] = host_name(str(body["hostname"]), slot)
        if member.role == "web":
            body.pop("ports", None)
        networks = _networks(body, names, own)
        if member.behind_edge:
            networks["edge"] = None
        _replace(body, "networks", networks)
        rendered[f"{name}-{slot}"] = _finish(body)
    networks = _outer_networks(model, rendered)
    for key in sorted(own):
        networks[f"slot.{key}"] = _own_network(model, key, project, slot)
    if any(member.behind_edge for member in members.values()):
        networks["edge"] = {"name": f"{service}-edge", "external": True}
    return _document(f"{project}-{slot}", model, rendered, networks, paths.rendered, paths.source)


def base_model(
    model: Mapping[str, Any],
    understanding: Understanding,
    *,
    paths: Paths,
    anchor_image: str,
    pins: Mapping[str, str] | None = None,
) -> Model:
    """The compose file of the user's own project with what stays there: the state services, all volumes and networks.

    Bodies of services stay what they were, so that Compose finds nothing to change in a container that runs already.
    *anchor_image* is any image, here or not: a service without containers names it, so that Compose makes the networks
    and volumes that only slots use.
    """
    states = {member.name for member in understanding.of_role("state")}
    rendered: dict[str, Any] = {}
    for name in sorted(states):
        body = copy.deepcopy(services(model)[name])
        for key in ("build", "develop", "profiles", "pull_policy"):
            body.pop(key, None)
        body["image"] = (pins or {}).get(name) or image_of(model, name)
        _replace(body, "depends_on", {one: how for one, how in (body.get("depends_on") or {}).items() if one in states})
        _replace(body, "volumes", [_mount(mount, paths.rendered, paths.data) for mount in mounts_of(body)])
        rendered[name] = body
    volumes = {key: copy.deepcopy(body or {}) for key, body in sorted((model.get("volumes") or {}).items())}
    networks = {key: copy.deepcopy(body or {}) for key, body in sorted((model.get("networks") or {}).items())}
    for body in volumes.values():
        device = str((body.get("driver_opts") or {}).get("device") or "")
        if device:
            body["driver_opts"]["device"] = _reroot(device, paths.rendered, paths.data)
    if volumes or networks:
        rendered[ANCHOR] = {
            "image": anchor_image,
            "pull_policy": "never",
            "deploy": {"replicas": 0},
            "networks": dict.fromkeys(networks),
            "volumes": [
                {"type": "volume", "source": key, "target": f"/volumes/{number}"} for number, key in enumerate(volumes)
            ],
        }
    document = _document(understanding.project, model, rendered, networks, paths.rendered, paths.data)
    document["volumes"] = volumes
    return document


def job_model(
    model: Mapping[str, Any],
    understanding: Understanding,
    *,
    service: str,
    release: str,
    name: str,
    pins: Mapping[str, str],
    paths: Paths,
    command: list[str] | None = None,
) -> Model:
    """A project ``<project>-job`` with the one service ``<name>-job``, for ``docker compose run --rm``.

    It has the networks, volumes, environment and secrets of the compose service *name*, and none of its ports, names
    or dependencies. *command* replaces its own.
    """
    member = understanding.services[name]
    body = _common(model, member, pins, paths, {"service": service, "release": release, "job": name})
    for key in ("depends_on", "ports", "hostname", "healthcheck", "deploy", "scale", *_NAMESPACES):
        if key != "network_mode" or str(body.get(key) or "").startswith("service:"):
            body.pop(key, None)
    resources = ((services(model)[name].get("deploy") or {}).get("resources")) or {}
    if resources:
        body["deploy"] = {"resources": copy.deepcopy(resources)}
    body["restart"] = "no"
    if command is not None:
        body["command"] = [escape(word) for word in command]
    _replace(body, "networks", _networks(body, [], ()))
    rendered = {f"{name}-job": _finish(body)}
    networks = _outer_networks(model, rendered)
    return _document(f"{understanding.project}-job", model, rendered, networks, paths.rendered, paths.source)


def plain_model(
    model: Mapping[str, Any],
    states: Iterable[str],
    *,
    paths: Paths,
    pins: Mapping[str, str] | None = None,
    scales: Mapping[str, Scale] | None = None,
) -> Model:
    """The user's own file, resolved: everything in the project that it names, as plain ``docker compose`` runs it.

    What is only read is *paths.source*'s; what is written, and all of the services *states*, is *paths.data*'s. *pins*
    are images instead of the file's own, *scales* what scale.yml was asked for.
    """
    document, states = copy.deepcopy(dict(model)), set(states)
    for name, body in (document.get("services") or {}).items():
        mounts = [
            (paths.source if one.get("read_only") and name not in states else paths.data, one)
            for one in mounts_of(body)
        ]
        _replace(body, "volumes", [_mount(mount, paths.rendered, new) for new, mount in mounts])
        if name in (pins or {}):
            body.pop("build", None)
            body["image"] = (pins or {})[name]
            body["pull_policy"] = "never" if body["image"].startswith("sha256:") else "missing"
        _scale(body, (scales or {}).get(name) or {})
    for kind in ("secrets", "configs"):
        for entry in (document.get(kind) or {}).values():
            if entry.get("file"):
                entry["file"] = _reroot(str(entry["file"]), paths.rendered, paths.source)
    for body in (document.get("volumes") or {}).values():
        device = str(((body or {}).get("driver_opts") or {}).get("device") or "")
        if device:
            body["driver_opts"]["device"] = _reroot(device, paths.rendered, paths.data)
    return document


def _scale(body: dict[str, Any], scale: Scale) -> None:
    """Say in the file what a slot's containers are given beside theirs, and nowhere else, or Compose would refuse."""
    deploy = copy.deepcopy(body.get("deploy") or {})
    limits = {key: str(scale[key]) for key in ("cpus", "memory") if scale.get(key)}
    if scale.get("replicas"):
        deploy["replicas"] = scale["replicas"]
    if limits:
        resources = deploy.get("resources") or {}
        deploy["resources"] = {**resources, "limits": {**(resources.get("limits") or {}), **limits}}
    said = {"replicas": ("scale",), "cpus": ("cpus",), "memory": ("mem_limit", "memswap_limit")}
    for key in (key for asked in scale for key in said[asked]):
        body.pop(key, None)
    if scale.get("replicas", 1) > 1:
        body.pop("container_name", None)  # as in a slot: two cannot have one name
    _replace(body, "deploy", deploy)


def base_paths(model: Mapping[str, Any], understanding: Understanding, rendered: str) -> dict[str, bool]:
    """What has to be in the ``data`` directory, relative to it: path -> True when the first release's source has it for
    a state service or as the beginning of data (copy it once), False when releases write all of it (a directory)."""
    needed: dict[str, bool] = {}
    for name, body in services(model).items():
        state = understanding.services[name].role == "state"
        declared = understanding.services[name].mounts
        for mount in mounts_of(body, declared):
            relative = inside(str(mount.get("source") or ""), rendered) if mount.get("type") == "bind" else None
            if relative is not None and (state or not mount.get("read_only")):
                begins = state or declared.get(str(mount.get("target"))) == "data"
                needed[relative] = needed.get(relative, False) or begins
        for kind in ("secrets", "configs"):
            for used in body.get(kind) or [] if state else []:
                relative = inside(str((model[kind][used["source"]] or {}).get("file") or ""), rendered)
                if relative is not None:
                    needed[relative] = True
    return dict(sorted(needed.items()))


def _common(
    model: Mapping[str, Any], member: Member, pins: Mapping[str, str], paths: Paths, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The parts that slots and jobs share. Keeps container_name and hostname for the caller to use as names."""
    body = copy.deepcopy(services(model)[member.name])
    name = body.get("container_name")
    for key in DROPPED:
        body.pop(key, None)
    if name:
        body["container_name"] = name
    body["image"] = pins[member.name]
    # An image that has no digest in a registry is known by its id, and nothing could be pulled for that.
    body["pull_policy"] = "never" if pins[member.name].startswith("sha256:") else "missing"
    for key in ("labels", "environment"):
        _replace(body, key, {one: value for one, value in (body.get(key) or {}).items() if one not in member.removed})
    ours = {f"steady.{key}": value for key, value in {**labels, "compose_service": member.name}.items()}
    body["labels"] = {**(body.get("labels") or {}), **ours}
    mounts = []
    for mount in mounts_of(body, member.mounts):
        keeps = paths.source if mount.get("read_only") else paths.data
        mounts.append(_mount(mount, paths.rendered, keeps))
    _replace(body, "volumes", mounts)
    return body


def _finish(body: dict[str, Any]) -> dict[str, Any]:
    body.pop("container_name", None)
    if not body.get("depends_on"):
        body.pop("depends_on", None)
    # Printed as null by Compose, and null means the image's own.
    return {key: value for key, value in sorted(body.items()) if value is not None}


def _replace(body: dict[str, Any], key: str, value: Any) -> None:
    if value:
        body[key] = value
    else:
        body.pop(key, None)


def _mount(mount: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    changed = copy.deepcopy(dict(mount))
    if changed.get("type") == "bind":
        changed["source"] = _reroot(str(changed.get("source") or ""), old, new)
    return changed


def _reroot(path: str, old: str, new: str) -> str:
    relative = inside(path, old)
    if relative is None:
        return path
    return escape(new.rstrip("/") if relative == "." else f"{new.rstrip('/')}/{relative}")


def own_networks(model: Mapping[str, Any], members: Mapping[str, Member]) -> set[str]:
    """The user's networks that a slot has a twin of, for the names of its services.

    Only where names are needed: networks that several services of the slot are in, and one for each service. So the
    services that could not reach each other still cannot, and few of the host's address pools are used.
    """
    users: dict[str, set[str]] = {}
    for name in members:
        for key in networks_of(services(model)[name]):
            users.setdefault(key, set()).add(name)
    own = {key for key, names in users.items() if len(names) > 1}
    for name in sorted(members):
        mine = [key for key, names in sorted(users.items()) if name in names]
        if mine and not own & set(mine):
            own.add(next((key for key in mine if not is_external(model, "networks", key)), mine[0]))
    return own


def own_network_name(project: str, slot: str, key: str) -> str:
    """A name is looked up in the alphabetically first network that has it, and the default route goes there too. "0-"
    sorts before anything a user has, so that `backend` is this slot's even while the base project still has one."""
    return f"0-{project}-{slot}-{key}"


def _own_network(model: Mapping[str, Any], key: str, project: str, slot: str) -> dict[str, Any]:
    theirs = (model.get("networks") or {}).get(key) or {}
    own: dict[str, Any] = {"name": own_network_name(project, slot, key)}
    if theirs.get("internal"):
        own["internal"] = True
    options = {
        option: value
        for option, value in (theirs.get("driver_opts") or {}).items()
        if (theirs.get("driver") or "bridge") == "bridge" and option != "com.docker.network.bridge.name"
    }
    _replace(own, "driver_opts", options)
    return own


def _networks(body: Mapping[str, Any], names: Iterable[str], own: Iterable[str]) -> dict[str, Any]:
    """``base.KEY``: the shared network without any name of the user's; ``slot.KEY``: its twin with all of them."""
    result: dict[str, Any] = {}
    theirs = networks_of(body)
    twins = [key for key in theirs if key in own]
    for key, options in theirs.items():
        result[f"base.{key}"] = {option: value for option, value in options.items() if option != "aliases"} or None
    for key in twins:
        # The names that it has in a network without a twin go to the first one, so that it still finds itself.
        sources = [key] + ([one for one in theirs if one not in own] if key == twins[0] else [])
        aliases = [str(alias) for one in sources for alias in theirs[one].get("aliases") or []]
        result[f"slot.{key}"] = {"aliases": list(dict.fromkeys([*names, *aliases]))}
    return result


def _outer_networks(model: Mapping[str, Any], rendered: Mapping[str, Any]) -> dict[str, Any]:
    used = {key for body in rendered.values() for key in body.get("networks") or {} if key.startswith("base.")}
    return {
        key: {"name": real_name(model, "networks", key.partition(".")[2]), "external": True} for key in sorted(used)
    }


def _document(
    project: str, model: Mapping[str, Any], rendered: dict[str, Any], networks: dict[str, Any], old: str, new: str
) -> Model:
    """A whole compose file with the volumes, secrets and configs that its services use; volumes are external."""
    document: Model = {"name": project, "services": rendered}
    _replace(document, "networks", networks)
    mounts = [mount for body in rendered.values() for mount in mounts_of(body)]
    used = {str(mount["source"]) for mount in mounts if mount["type"] == "volume" and mount.get("source")}
    volumes = {key: {"name": real_name(model, "volumes", key), "external": True} for key in sorted(used)}
    _replace(document, "volumes", volumes)
    for kind in ("secrets", "configs"):
        names = {one["source"] for body in rendered.values() for one in body.get(kind) or []}
        entries = {}
        for key in sorted(names):
            entry = copy.deepcopy(model[kind][key])
            if entry.get("file"):
                entry["file"] = _reroot(str(entry["file"]), old, new)
            entries[key] = entry
        _replace(document, kind, entries)
    return document


def needs_environment(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The variables that ``docker compose up`` has to be given: secrets and configs that come from the environment."""
    return tuple(
        sorted(
            {
                unescape(str(entry["environment"]))
                for kind in ("secrets", "configs")
                for entry in (document.get(kind) or {}).values()
                if entry.get("environment")
            }
        )
    )

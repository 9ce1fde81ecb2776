# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs by plain ``docker compose up``, as the release that an adoption takes over; read, and never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Refused, StepFailed, TimedOut
from ..run.variables import VARIABLES
from ..run.waiter import wait_for
from ..verify.smoke import version_at
from . import plain
from .host import Host, is_running, service_of
from .images import pin_of
from .model import (
    SLOT_ROLES,
    Member,
    Model,
    Port,
    Understanding,
    image_of,
    mounts_of,
    networks_of,
    real_name,
    services,
    unescape,
)
from .plain_tcp import refuse_other, speaks
from .ready import look, name_of
from .render import Paths, plain_model
from .scale import scales
from .understand import near

PROJECT = "com.docker.compose.project"
READY_SECONDS = 5.0  # one slow answer says nothing
HASH, MADE_BY = "com.docker.compose.config-hash", "com.docker.compose.version"


class Running:
    """The containers of the user's project. Raise :class:`Refused` (``nothing_plain``) when none of them runs."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.containers: dict[str, list[dict[str, Any]]] = {}
        for container in host.base_containers():
            if not plain.is_oneoff(container):
                self.containers.setdefault(service_of(container), []).append(container)
        running = [c for found in self.containers.values() for c in found if is_running(c)]
        if not running:
            projects = {_label(c, PROJECT) for c in host.containers(PROJECT) if is_running(c)}
            raise Refused(
                f"nothing runs by plain docker compose in the project {host.project}",
                code="nothing_plain",
                last_seen=sorted(projects),
                next_step="Start it as you always do (docker compose up -d), or correct service_project. "
                + near(host.project, projects),
            )
        newest = max(running, key=lambda c: str(c["Created"]))
        self.directory = _label(newest, f"{PROJECT}.working_dir")
        self.files = [one for one in _label(newest, f"{PROJECT}.config_files").split(",") if one]
        self.env_files = [one for one in _label(newest, f"{PROJECT}.environment_file").split(",") if one]

    @property
    def record(self) -> dict[str, Any]:
        """What is remembered of it, beside the containers themselves."""
        return {
            "directory": self.directory,
            "files": self.files,
            "env_files": [one for one in self.env_files if not one.startswith("/proc/")],
            "data": self._data,
        }

    @property
    def _ours(self) -> bool:
        """Whether an unadoption has made these containers, from the directory that it writes."""
        return self.directory == self.host.files.path(plain.HOME)

    @property
    def _data(self) -> str:
        return str(self.host.plain.get("data") or self.directory) if self._ours else self.directory

    def pins(self, model: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, str]:
        """The images that run, pinned; of services without a container none."""
        found = {}
        for name in wanted:
            images = {(str(c["Image"]), str(c["Config"]["Image"])) for c in self.containers.get(name, ())}
            if len({image for image, _name in images}) > 1:
                raise Refused(
                    f"containers of {name} run different images",
                    code="source_differs",
                    last_seen=sorted(known for _image, known in images),
                    next_step=f"Make them one by docker compose up -d {name}, then adopt.",
                )
            for image, known in images:
                found[name] = pin_of(self.host.docker, image, known)
        return found

    def version(self, model: Mapping[str, Any], understanding: Understanding) -> str:
        """What to call it when nobody has said: as it says itself, else as the release that an unadoption went back
        with, else by the tag of the image where users come in."""
        told = self._told_version(understanding) or self._kept_version()
        if told:
            return told
        name = next((name for name, _port in understanding.edge_ports), "")
        return _tag(self._named().get(name, "")) or _tag(image_of(model, name)) or "adopted"

    def _kept_version(self) -> str:
        """The version of the release that was written for plain compose, while exactly its images run."""
        kept = self.host.release(str(self.host.plain.get("release") or "")) or {}
        images, runs = kept.get("images") or {}, self._named()
        return str(kept["version"]) if images and all(runs.get(name) == images[name] for name in images) else ""

    def _told_version(self, understanding: Understanding) -> str:
        endpoint = self.host.settings["version_endpoint"]
        if not endpoint:
            return ""
        for name, port in understanding.edge_ports:
            asked = endpoint.get("service") in (None, name) and endpoint.get("port") in (None, port.target)
            if asked and port.mode == "http":
                version = str(version_at(_where(port), endpoint) or "")
                return version.lstrip("v") if re.fullmatch(VARIABLES["release"].pattern, version) else ""
        return ""

    def check_spoken(self, understanding: Understanding) -> list[str]:
        """Refuse when something that is no HTTP answers at a port that is taken for HTTP; return what to note."""
        notes = []
        for name, port in understanding.edge_ports:
            if port.mode == "http":
                spoken = speaks(*_where(port))
                refuse_other(name, port.published, spoken)
                if not spoken:
                    notes.append(
                        f"Port {port.published} of {name} did not answer a request for /: if it does not speak HTTP, "
                        f"declare service_edge_tcp_ports: [{port.published}]."
                    )
        return notes

    def check_ready(self, understanding: Understanding) -> None:
        """Refuse, naming it, whatever is not ready as it is declared: in a slot it would not become that either."""

        def seen() -> tuple[bool, list[str]]:
            found = [c for c in self.host.base_containers() if is_running(c) and not plain.is_oneoff(c)]
            missing = [one for c in found if (one := self._missing(c, understanding.services[service_of(c)]))]
            return not missing, missing

        try:
            wait_for(seen, what="what runs is ready", timeout=READY_SECONDS, clock=self.host.clock, interval=0.5)
        except TimedOut as late:
            raise Refused(
                "; ".join(late.last_seen),
                code="not_ready",
                last_seen=late.last_seen,
                next_step="Correct service_ready or the healthcheck, or mend the service first; one that still starts "
                "has to be waited for. An adoption starts the same in a slot, and waits for just that.",
            ) from late

    def _missing(self, container: Mapping[str, Any], member: Member) -> str:
        """What one that runs is short of; that it has crashed before is not."""
        try:
            state = look(self.host.docker, {**container, "RestartCount": 0}, member.readiness)
        except StepFailed as broken:
            return f"{member.name}: {broken.detail}"
        if not state.ready:
            return f"{member.name}: {state.seen}"
        starting = (container["State"].get("Health") or {}).get("Status") == "starting"
        return f"{member.name}: {name_of(container)} is still starting, says its healthcheck" if starting else ""

    def compare(self, model: Model, understanding: Understanding, source: str) -> list[str]:
        """Refuse, naming it, whatever in *model* (rendered in *source*) is not what runs; return what to note."""
        bodies = services(model)
        strangers = sorted(set(self.containers) - set(bodies))
        if strangers:
            raise self._otherwise(f"{strangers[0]} runs in {self.host.project}, but the source has no such service")
        asked = scales(self.host) if self._ours else {}  # which an unadoption has written into its file
        for name, member in understanding.services.items():
            count = int(asked.get(name, {}).get("replicas") or member.replicas)
            self._check_running(name, replace(member, replicas=count))
            if member.role in SLOT_ROLES:
                self._check_unnamed(model, name)
        states = [member.name for member in understanding.of_role("state")]
        read_from = os.path.join(self.directory, "source") if self._ours else self.directory
        paths = Paths(source, read_from, self._data)
        pins = {name: image for name, image in self._named().items() if name in bodies} if self._ours else {}
        resolved = plain_model(model, states, paths=paths, pins=pins, scales=asked)
        wanted = plain.hashes(self.host, resolved)
        notes = []
        for name, found in sorted(self.containers.items()):
            other = [c for c in found if _label(c, HASH) != wanted.get(name)]
            if not other:
                continue
            differences = list(_differences(resolved, name, other[0]))
            made_by = _release(_label(other[0], MADE_BY))
            if not differences and made_by == _release(
                self.host.docker("compose", "version", "--short")
            ):  # another version's digests cannot be compared
                differences = ["something of its definition was changed since it was started"]
            if differences:
                raise self._otherwise(f"{name} runs otherwise than the source says: {'; '.join(differences)}")
            notes.append(f"{name} was made by Compose {made_by}; nothing of it was found to differ.")
        files = plain.other_files(resolved, source, read_from) if os.path.isdir(read_from) else []
        if files:
            raise self._otherwise(f"{files[0]} is another file in {read_from} than in the source")
        return notes

    def _named(self) -> dict[str, str]:
        return {name: str(found[0]["Config"]["Image"]) for name, found in self.containers.items()}

    def _check_running(self, name: str, member: Member) -> None:
        found = self.containers.get(name, [])
        up = [c for c in found if is_running(c)]
        if member.role == "job":
            if up:
                raise Refused(
                    f"job {name} is at work", code="job_runs", next_step="Wait for its end, then run this again."
                )
            return
        if not up or len(up) < len(found):
            state = found[0]["State"] if found else {}
            ended = state.get("Status") == "exited" and state.get("ExitCode") == 0
            start = f"If it ends by itself: service_roles: {{{name}: job}}. Else start" if ended else "Start"
            raise Refused(
                f"{name} does not run" + (f" (it is {state['Status']})" if found else ""),
                code="not_running",
                next_step=f"{start} it (docker compose up -d {name}), or leave it out of service_source or "
                "service_profiles.",
            )
        if member.role != "state" and len(up) != member.replicas:
            raise self._otherwise(f"{name} runs {len(up)} times, and the source says {member.replicas}")

    def _check_unnamed(self, model: Model, name: str) -> None:
        """A volume that nobody has named (of the image, mostly) stays behind with its container."""
        named = {str(mount.get("target")) for mount in mounts_of(services(model)[name])}
        for mount in (mount for c in self.containers[name] for mount in c.get("Mounts") or []):
            target = str(mount["Destination"])
            if mount["Type"] == "volume" and target not in named and os.listdir(mount["Source"]):
                raise Refused(
                    f"{name} keeps something at {target} in a volume without a name: in a slot it would begin anew",
                    code="anonymous_volume",
                    last_seen=mount["Name"],
                    next_step=f"Name it in the compose file (`volumes: [NAME:{target}]`) with its content copied there "
                    f"from {mount['Name']}; or `tmpfs: [{target}]` when it may be lost.",
                )

    def _otherwise(self, detail: str) -> Refused:
        files = ", ".join(os.path.basename(file) for file in self.files)
        return Refused(
            detail,
            code="source_differs",
            last_seen={"directory": self.directory, "files": self.files},
            next_step=f"What runs was started in {self.directory} from {files}: have service_source, "
            "service_compose_files, service_profiles and service_environment say the same; or apply the change there "
            "first (docker compose up -d).",
        )


def in_front(understanding: Understanding) -> list[str]:
    """What a proxy of the host has to know, which is all that reaches a port of the loopback address."""
    ports = [port for member in understanding.of_role("web") for port in member.ports if port.mode == "http"]
    return [
        f"A proxy of this host is what reaches {port.host_ip}:{port.published}, and the edge does not believe it what "
        "X-Forwarded-* and X-Real-IP say. If it is to be believed: service_edge_trusted: "
        "[172.16.0.0/12, 192.168.0.0/16], from where Docker's networks have their addresses."
        for port in ports
        if port.host_ip.startswith("127.") or port.host_ip == "::1"
    ]


def understood(understanding: Understanding, strategy: str) -> list[str]:
    """What is made of each service, for people."""
    lines = []
    for name, member in sorted(understanding.services.items()):
        line = f"{name} is {member.role}: {member.why}"
        if member.role == "state":
            line += " It stays as it is, container and volumes."
        elif member.role == "job":
            line += " It has run for this release; from now on it runs once a release."
        elif member.exclusive:
            line += f" It cannot overlap: {' '.join(member.exclusive_why)}"
            line += f" If two may run at once, declare service_shared: [{name}]." if member.role == "web" else ""
        elif member.role == "web":
            line += " At an update two releases of it run side by side."
        else:
            line += " At an update it is handed over with the traffic."
        if member.behind_edge:
            modes = {"http": "HTTP", "tcp": "plain TCP"}
            ports = ", ".join(f"{port.host_ip or '*'}:{port.published} ({modes[port.mode]})" for port in member.ports)
            line += f" The edge takes its port {ports}."
        lines.append(line)
    held = "requests are held while it stops and starts again" if strategy == "hold" else "requests never wait"
    lines.append(f"At each later update {held}.")
    grace = max((member.grace_seconds for member in understanding.services.values() if member.behind_edge), default=0)
    lines.append(
        "The hand-over of the ports costs one short outage: from the stop of the plain containers (they have up to "
        f"{grace:.0f} s for the requests that they have begun) until the edge has started. It is measured and told."
    )
    return lines


def _tag(image: str) -> str:
    """``1.1.0`` of ``registry/app:1.1.0@sha256:…``; nothing of an image that is named by its id."""
    name = image.partition("@")[0]
    return "" if name.startswith("sha256:") else name.rpartition("/")[2].partition(":")[2]


def _where(port: Port) -> tuple[str, int]:
    return (port.host_ip if port.host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"), port.published


def _release(version: str) -> str:
    """``2.26.1`` of ``v2.26.1-4``: what a distribution adds is not in the labels of containers."""
    found = re.search(r"[0-9]+\.[0-9]+\.[0-9]+", version)
    return found.group(0) if found else version


def _label(container: Mapping[str, Any], name: str) -> str:
    return str((container["Config"]["Labels"] or {}).get(name) or "")


def _differences(model: Mapping[str, Any], name: str, container: Mapping[str, Any]) -> Iterator[str]:
    """What is otherwise in a container than in the file; of variables, labels and commands never the values."""
    body, config, host = services(model)[name], container["Config"], container["HostConfig"]
    image = unescape(image_of(model, name))
    if config["Image"] != image:
        yield f"image {config['Image']}, not {image}"
    yield from _maps("environment", _plain(body.get("environment")), dict(_pair(one) for one in config["Env"] or []))
    labels = dict(config["Labels"] or {})
    yield from _maps("labels", _plain(body.get("labels")), labels)
    for key, has in (("command", config.get("Cmd")), ("entrypoint", config.get("Entrypoint"))):
        wanted = body.get(key)
        if wanted is not None and [unescape(str(word)) for word in wanted] != list(has or []):
            yield f"another {key}"
    ports = {
        (str(p.get("published") or ""), str(p.get("target")), p.get("host_ip") or "") for p in body.get("ports") or []
    }
    bound = {
        (str(one.get("HostPort") or ""), target.partition("/")[0], one.get("HostIp") or "")
        for target, bindings in (host.get("PortBindings") or {}).items()
        for one in bindings or ()
    }
    if ports != bound:
        yield f"ports {_told(bound)}, not {_told(ports)}"
    mounts = {(str(m.get("target")), _source(model, m)) for m in mounts_of(body) if m.get("type") in ("bind", "volume")}
    has = {(str(m["Destination"]), str(m.get("Name") or m.get("Source"))) for m in container.get("Mounts") or []}
    missing = sorted(target for target, _where in mounts - has)
    if missing:
        yield f"another mount at {', '.join(missing)}"
    networks = {real_name(model, "networks", key) for key in networks_of(body)}
    if networks and networks != set(container["NetworkSettings"]["Networks"] or {}):
        yield f"networks {', '.join(sorted(container['NetworkSettings']['Networks'] or {}))}"


def _source(model: Mapping[str, Any], mount: Mapping[str, Any]) -> str:
    where = unescape(str(mount.get("source") or ""))
    return real_name(model, "volumes", where) if mount.get("type") == "volume" else where


def _plain(values: Any) -> dict[str, str]:
    return {key: unescape(str(value)) for key, value in (values or {}).items() if value is not None}


def _pair(text: str) -> tuple[str, str]:
    name, _equals, value = text.partition("=")
    return name, value


def _maps(what: str, wanted: Mapping[str, str], has: Mapping[str, str]) -> Iterator[str]:
    differ = sorted(name for name, value in wanted.items() if has.get(name) != value)
    if differ:
        yield f"{what} {', '.join(differ)} (values are not shown)"


def _told(ports: Iterable[tuple[str, str, str]]) -> str:
    return (
        ", ".join(f"{ip + ':' if ip else ''}{published}:{target}" for published, target, ip in sorted(ports)) or "none"
    )

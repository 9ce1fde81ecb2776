# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words for what was understood of a user's compose file; plain frozen data that survives a trip through JSON.

A *model* is everywhere the JSON object that ``docker compose config --format json`` prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import Refused

Model = dict[str, Any]

ROLES = ("web", "worker", "scheduler", "job", "state")
SLOTS = ("blue", "green")
# What runs in a slot; jobs run once a release, state stays in the base project.
SLOT_ROLES = ("web", "worker", "scheduler")
# What a person can say of one mount (service_mounts), by its path in the container.
MOUNTS = ("read_only", "shared", "fresh", "data")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|h|m|s)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Finding:
    """One thing to say about the compose file: a refusal or a note."""

    code: str
    service: str
    detail: str
    next_step: str = ""


@dataclass(frozen=True)
class Port:
    """One published port. ``host_ip`` is "" for all addresses; ``mode`` is how the edge treats it: http or tcp."""

    host_ip: str
    published: int
    target: int
    protocol: str = "tcp"
    mode: str = "http"


@dataclass(frozen=True)
class Readiness:
    """How it is told that a container is ready. Times in seconds.

    ``kind``: ``healthcheck`` (of the compose file), ``image`` (the image's own healthcheck), ``http`` (``path``,
    ``port``, ``status``), ``tcp`` (``port``), ``running`` (workers without a check) or ``none``. The test itself is not
    here: it may contain interpolated secrets, and the container knows it.
    """

    kind: str
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    retries: int = 3
    path: str = ""
    port: int = 0
    status: int = 200


@dataclass(frozen=True)
class Member:
    """One service of the compose file and what we make of it."""

    name: str
    role: str
    why: str
    image: str
    exclusive: bool = False
    exclusive_why: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    readiness: Readiness = Readiness("none")
    self_migrating: bool = False
    grace_seconds: float = 10.0
    replicas: int = 1
    # Compose service -> condition (service_started, service_healthy, service_completed_successfully).
    depends_on: Mapping[str, str] = field(default_factory=dict)
    # Names under which containers of other projects knew it: real network name -> names. A slot never answers to them.
    outside_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Labels and variables that the user had taken away because other programs act on them.
    removed: tuple[str, ...] = ()
    # What is declared of its mounts: path in the container -> one of MOUNTS.
    mounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def behind_edge(self) -> bool:
        """True when the edge takes its published ports."""
        return self.role == "web" and bool(self.ports)


@dataclass(frozen=True)
class Understanding:
    """All services, everything that cannot be done (``refusals``) and everything that will be different (``notes``)."""

    project: str
    services: Mapping[str, Member]
    refusals: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    def of_role(self, *roles: str) -> tuple[Member, ...]:
        """The members with one of these roles, by name."""
        return tuple(member for _name, member in sorted(self.services.items()) if member.role in roles)

    @property
    def slot_members(self) -> tuple[Member, ...]:
        """What a slot is made of."""
        return self.of_role(*SLOT_ROLES)

    def waves(self, *roles: str) -> list[list[str]]:
        """Members with one of these roles in the order to start them: a wave may start when those before it are ready.

        Compose itself would wait for its own, slow, view of health between them. Only ``service_healthy`` makes a wave:
        the rest is ordered by Compose within one ``up``.
        """
        waiting = {
            member.name: {one for one, condition in member.depends_on.items() if condition == "service_healthy"}
            for member in self.of_role(*roles)
        }
        result: list[list[str]] = []
        while waiting:
            wave = [name for name, needs in waiting.items() if not needs & set(waiting)] or list(waiting)
            result.append(wave)
            waiting = {name: needs for name, needs in waiting.items() if name not in wave}
        return result

    def told(self) -> list[str]:
        """What each service is taken for and why, a line each."""
        return [
            f"{name} is {member.role}: {member.why}"
            + (f" Two never run at once: {' '.join(member.exclusive_why)}" if member.exclusive else "")
            for name, member in sorted(self.services.items())
        ]

    @property
    def exclusive(self) -> tuple[Member, ...]:
        """The members of a slot of which two may never run at once."""
        return tuple(member for member in self.slot_members if member.exclusive)

    @property
    def edge_ports(self) -> tuple[tuple[str, Port], ...]:
        """(service, port) for every port that the edge takes over."""
        return tuple((member.name, port) for member in self.slot_members if member.behind_edge for port in member.ports)

    def refuse(self) -> None:
        """Raise :class:`Refused` when there is anything that cannot be done; ``last_seen`` lists all of it."""
        if self.refusals:
            first = self.refusals[0]
            more = f" (and {len(self.refusals) - 1} more)" if len(self.refusals) > 1 else ""
            raise Refused(
                first.detail.rstrip(".") + more,
                code=first.code,
                next_step=first.next_step,
                last_seen=[asdict(finding) for finding in self.refusals],
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain data: what a plan carries and shows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Understanding:
        """The inverse of :meth:`as_dict`, also after JSON."""
        return cls(
            project=data["project"],
            services={name: _member(member) for name, member in data["services"].items()},
            refusals=tuple(Finding(**finding) for finding in data["refusals"]),
            notes=tuple(Finding(**finding) for finding in data["notes"]),
        )


def _member(data: Mapping[str, Any]) -> Member:
    return Member(
        **{
            **data,
            "ports": tuple(Port(**port) for port in data["ports"]),
            "readiness": Readiness(**data["readiness"]),
            "exclusive_why": tuple(data["exclusive_why"]),
            "removed": tuple(data["removed"]),
            "outside_names": {network: tuple(names) for network, names in data["outside_names"].items()},
        }
    )


def words(text: str) -> frozenset[str]:
    """A set written as a text, for long tables."""
    return frozenset(text.split())


def seconds(duration: Any, default: float = 0.0) -> float:
    """A Go duration (``1m30s``, ``500ms``) in seconds; *default* when there is none."""
    if duration in (None, ""):
        return default
    if isinstance(duration, (int, float)):
        return float(duration) / 1e9  # Docker's own JSON counts in nanoseconds
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(str(duration)))


def services(model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services of a model by name, in a stable order."""
    return {name: body or {} for name, body in sorted((model.get("services") or {}).items())}


def real_name(model: Mapping[str, Any], kind: str, key: str) -> str:
    """The name that Docker knows a ``volumes`` or ``networks`` entry by."""
    body = (model.get(kind) or {}).get(key) or {}
    return str(body.get("name") or f"{model.get('name', '')}_{key}")


def is_external(model: Mapping[str, Any], kind: str, key: str) -> bool:
    """True when the user declared a volume, network, secret or config as not made by this project."""
    return bool(((model.get(kind) or {}).get(key) or {}).get("external"))


def image_of(model: Mapping[str, Any], name: str) -> str:
    """The image reference of a service; Compose's own default name for one that is only built."""
    body = services(model)[name]
    return str(body.get("image") or f"{model.get('name', '')}-{name}")


def networks_of(service: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The networks of a service with their options; empty with a ``network_mode``."""
    if service.get("network_mode"):
        return {}
    return {key: dict(options or {}) for key, options in sorted((service.get("networks") or {"default": None}).items())}


def mounts_of(service: Mapping[str, Any], declared: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """The volumes and binds of a service in Compose's long form; read-only where that is *declared* of a path."""
    for mount in service.get("volumes") or []:
        only = {"read_only": True} if (declared or {}).get(str(mount.get("target"))) == "read_only" else {}
        yield {**mount, **only}


def repository(reference: str) -> str:
    """``registry:5000/team/app`` of ``registry:5000/team/app:1.2@sha256:…``, without Docker Hub's default prefix."""
    name = reference.split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.split(":", 1)[0]
    for prefix in ("docker.io/library/", "docker.io/", "library/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def registry_of(reference: str) -> str:
    """The registry that a reference names; ``docker.io`` when it names none."""
    head, slash, _rest = reference.partition("/")
    return head if slash and ("." in head or ":" in head or head == "localhost") else "docker.io"


def unescape(text: str) -> str:
    """The value itself: Compose prints every ``$`` as ``$$`` so that its output can be read again."""
    return text.replace("$$", "$")


def escape(text: str) -> str:
    """The inverse of :func:`unescape`, for what we put into a model."""
    return text.replace("$", "$$")

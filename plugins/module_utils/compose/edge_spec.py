# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the edge is told: its ports and settings (:class:`EdgeSpec`) and who serves (:class:`Traffic`). Pure data."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused

SLOTS = ("blue", "green")
LIVE = (*SLOTS, "hold", "none")
MODES = ("http", "tcp")
REPLICAS = 64  # the most containers of one service in a slot

# HAProxy answers with the page out of one buffer (edge_config.BUFFER_BYTES), which the head of the answer shares.
PAGE_BYTES = 30_000

DEFAULT_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Back in a moment</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.1rem/1.5 system-ui, sans-serif; }
main { max-width: 32rem; padding: 2rem; text-align: center; }
</style>
</head>
<body>
<main>
<h1>Back in a moment</h1>
<p>This service is being maintained. Please try again shortly.</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class EdgePort:
    """A port that the edge takes over from a compose service.

    *host_ip* is the address on the host as in the compose file ("" means all), *published* the port there, *service*
    and *target* the compose service and the port inside its containers, *mode* "http" or "tcp". With a *certificate*
    (PEM: certificate, chain and key) the edge speaks TLS at an HTTP port.
    """

    host_ip: str
    published: int
    service: str
    target: int
    mode: str = "http"
    certificate: str = field(default="", repr=False)


@dataclass(frozen=True)
class EdgeSpec:
    """Everything that the edge's files are rendered from.

    *service* is the steady service (project, container and network are called ``<service>-edge``); *probe_token* the
    secret by which our own requests are known; *trusted* the CIDRs whose ``X-Forwarded-*`` are kept; *hold_seconds*
    the longest time a request is held before it gets the maintenance page; *maintenance_html* that page ("" for a
    plain one); *replicas* the most containers of one compose service in one slot; *published* is false while somebody
    else still has the ports: the edge then serves nobody yet.
    """

    service: str
    image: str
    ports: tuple[EdgePort, ...]
    probe_token: str
    trusted: tuple[str, ...] = ()
    hold_seconds: int = 60
    maintenance_html: str = ""
    replicas: int = 8
    published: bool = True

    def check(self) -> None:
        """Raise :class:`Refused` that names the first setting which cannot become a configuration."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.service):
            raise _refused("service_name", self.service, "lower-case letters, digits and -, at most 31, a letter first")
        if not self.image or re.search(r"[\s$]", self.image):
            raise _refused("service_edge_image", self.image, "an image reference")
        if not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", self.probe_token):
            raise Refused(
                "the edge's probe token is not 16 to 128 letters, digits, _ or -",
                code="edge_probe_token",
                next_step="Let the platform make one: secrets.token_hex(24).",
            )
        if not self.ports:
            raise _refused("ports", self.ports, "at least one published port of a web service")
        if not 1 <= self.hold_seconds <= 3600:
            raise _refused("service_hold_seconds", self.hold_seconds, "1 to 3600 seconds")
        if not 1 <= self.replicas <= REPLICAS:
            raise _refused("replicas", self.replicas, f"1 to {REPLICAS} containers of one service in a slot")
        if len(self.maintenance_html.encode()) > PAGE_BYTES:
            raise _refused(
                "service_edge_maintenance",
                f"{len(self.maintenance_html.encode())} bytes",
                f"at most {PAGE_BYTES} bytes",
            )
        for cidr in self.trusted:
            if not is_network(cidr):
                raise _refused("service_edge_trusted", cidr, "networks as 10.0.0.0/8 or 2001:db8::/32")
        self._check_ports()

    def _check_ports(self) -> None:
        seen: dict[tuple[str, int], EdgePort] = {}
        behind: dict[int, tuple[str, int, str]] = {}
        for port in self.ports:
            where = f"published port {ascii(port.host_ip)[1:-1] or '*'}:{port.published}"
            if port.mode not in MODES or (port.certificate and port.mode != "http"):
                raise _refused(f"mode of {where}", port.mode, "http" if port.certificate else "http or tcp")
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,54}", port.service):
                raise _refused(f"service of {where}", port.service, "a compose service's name of at most 55 characters")
            if not (1 <= port.published <= 65535 and 1 <= port.target <= 65535):
                raise _refused(where, f"{port.published}:{port.target}", "two port numbers, 1 to 65535")
            if port.host_ip and ("/" in port.host_ip or not is_network(port.host_ip)):
                raise _refused(f"address of {where}", port.host_ip, "an IP address of the host")
            taken = seen.setdefault((port.host_ip, port.published), port)
            if taken is not port:
                raise Refused(
                    f"edge: {where} is taken by {taken.service} and by {port.service}",
                    code="edge_setting",
                    next_step="Publish it for one of them only, in `ports` of the compose file.",
                )
            there = (port.service, port.target, port.mode)
            if behind.setdefault(port.published, there) != there:
                raise _refused(
                    f"published port {port.published}",
                    f"{behind[port.published]} and {there}",
                    "the same service, target and mode on each address of the host that publishes this number",
                )

    @property
    def frontends(self) -> tuple[EdgePort, ...]:
        """One port for each published number: the same number on two addresses is one frontend."""
        return tuple({port.published: port for port in sorted(self.ports, key=lambda port: port.published)}.values())


@dataclass(frozen=True)
class Traffic:
    """Who serves: the whole state of the edge.

    *live* is a slot, "hold" (requests wait) or "none" (nothing was released yet; requests get the maintenance page).
    *canary* is the other slot or "", *share* the whole percentage of requests that it gets. With *maintenance* users
    get the page whoever serves, and only our probes go where *live* says.
    """

    live: str
    canary: str = ""
    share: int = 0
    maintenance: bool = False

    def __post_init__(self) -> None:
        if self.live not in LIVE:
            raise _refused("live", self.live, " | ".join(LIVE))
        if self.canary not in ("", *SLOTS):
            raise _refused("canary", self.canary, "blue | green | empty")
        if isinstance(self.share, bool) or not isinstance(self.share, int) or not 0 <= self.share <= 100:
            raise _refused("share", self.share, "a whole percentage, 0 to 100")
        if self.canary and (self.live not in SLOTS or self.live == self.canary):
            raise _refused("canary", self.canary, "the other slot, while a slot is live")
        if self.share and not self.canary:
            raise _refused("share", self.share, "0 without a canary")

    def entries(self) -> dict[str, str]:
        """The keys of the map. A map has no empty values, so no canary is ``none``."""
        said = {"live": self.live, "canary": self.canary or "none", "share": str(self.share)}
        return {**said, **({"maintenance": "on"} if self.maintenance else {})}

    def as_dict(self) -> dict[str, Any]:
        return {"live": self.live, "canary": self.canary, "share": self.share, "maintenance": self.maintenance}

    @classmethod
    def from_entries(cls, entries: dict[str, str]) -> Traffic:
        """The reverse of :meth:`entries`; raise :class:`Refused` when it is not what we write."""
        maintenance = entries.get("maintenance") == "on"
        known = {"live", "canary", "share", *(["maintenance"] if maintenance else [])}
        if set(entries) != known or not re.fullmatch(r"[0-9]{1,3}", entries["share"]):
            raise _refused("edge map", entries, "the keys live, canary and share, and maintenance only while it is on")
        canary = entries["canary"]
        return cls(entries["live"], "" if canary == "none" else canary, int(entries["share"]), maintenance)


def is_network(text: Any) -> bool:
    """Whether *text* is a network such as 10.0.0.0/8. A scope (``fe80::1%…``) could hold anything, and is none."""
    try:
        return isinstance(text, str) and "%" not in text and bool(ipaddress.ip_network(text))
    except ValueError:
        return False


def map_text(traffic: Traffic) -> str:
    """The map file of *traffic*."""
    return "".join(f"{key} {value}\n" for key, value in traffic.entries().items())


def parse_map(text: str) -> Traffic:
    """The traffic that a map file describes; raise :class:`Refused` when somebody else wrote it."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, _space, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            entries[key] = value.strip()
    return Traffic.from_entries(entries)


def _refused(field: str, value: Any, wanted: str) -> Refused:
    return Refused(
        f"edge: {field} is {value!r}, but has to be {wanted}",
        code="edge_setting",
        last_seen=value if isinstance(value, (str, int)) else str(value),
        next_step=f"Set {field} to {wanted}.",
    )

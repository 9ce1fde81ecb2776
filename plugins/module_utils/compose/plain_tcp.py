# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Published ports that do not speak HTTP: how they are known, and what is said of them before anything is done."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import Refused
from .keys import PLAIN_TCP
from .model import Finding, Member

ASK_SECONDS = 2.0


def port_notes(member: Member, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """What is different at ports that are passed on as plain TCP, and where a connection has to do as readiness."""
    name = member.name
    ports = [port for port in member.ports if (port.mode, port.protocol, member.role) == ("tcp", "tcp", "web")]
    if ports:
        kinds = [f"Port {ports[0].published} of {name} leads to {_kind(ports[0].target)}"]
        kinds += [f"port {port.published} to {_kind(port.target)}" for port in ports[1:]]
        seconds = settings.get("drain_seconds", 30)
        yield Finding(
            "plain_tcp",
            name,
            f"{', '.join(kinds)}: passed on as plain TCP. At a switch new connections go to the new "
            f"release, and open ones stay with the old one until they end or are closed after service_drain_seconds "
            f"({seconds} s)"
            + (", for which all requests are held, as two of it never run" if member.exclusive else "")
            + ". While requests are held new ones wait without a page; in maintenance they are closed, and open ones "
            f"stay. {name} sees the edge as the client of all of them.",
        )
    if member.role == "web" and member.readiness.kind == "tcp" and name not in (settings.get("ready") or {}):
        yield Finding(
            "tcp_readiness",
            name,
            f"{name} has no healthcheck, and is taken to be ready when its port {member.readiness.port} accepts "
            "connections.",
            f"To know better: `service_ready: {{{name}: {{path: /, port: {member.readiness.port}}}}}`.",
        )


def _kind(target: int) -> str:
    return f"{target} ({PLAIN_TCP[target]})" if target in PLAIN_TCP else str(target)


def without_http(members: Mapping[str, Member], settings: Mapping[str, Any]) -> Iterator[Finding]:
    """What is declared to be asked over HTTP of services that publish plain TCP only; and that nothing is probed."""
    published = {name: {port.mode for port in one.ports} for name, one in members.items() if one.behind_edge}
    asked = [("service_version_endpoint", settings.get("version_endpoint") or {})]
    asked += [(f"smoke test {one.get('name')}", one) for one in settings.get("smoke_tests") or ()]
    for what, declared in asked:
        service = declared.get("service")
        modes = set().union(*(found for name, found in published.items() if service in (None, "", name)))
        if declared and not declared.get("port") and modes == {"tcp"}:
            yield Finding(
                "no_http",
                service or "",
                f"{what} asks over HTTP, but {service or 'the service'} publishes plain TCP only.",
                "Name a port inside the containers that speaks HTTP (`port: N`), or remove it.",
            )


def refuse_other(service: str, published: int, spoken: str) -> None:
    """Raise :class:`Refused` when something that is no HTTP has answered at a port that is taken for HTTP."""
    if spoken == "other":
        raise Refused(
            f"port {published} of {service} does not speak HTTP",
            code="not_http",
            next_step=f"Declare it as plain TCP: service_edge_tcp_ports: [{published}].",
        )


def speaks(host: str, port: int) -> str:
    """What answers a request for / there: ``http``, ``other`` (something that is no HTTP), or "" when nothing did."""
    try:
        with socket.create_connection((host, port), ASK_SECONDS) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            said = b""
            while len(said) < 5:
                piece = connection.recv(64)
                if not piece:
                    break
                said += piece
    except OSError:
        return ""
    return ("http" if said.startswith(b"HTTP/") else "other") if said else ""

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's address pools: each network of its own takes a subnet of them, and by default there are only 31."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .model import Understanding, is_external, real_name
from .render import own_network_name, own_networks

# What the engine has unless default-address-pools is set: (base, size of a network's prefix).
DEFAULT = (
    *((f"172.{number}.0.0/16", 16) for number in range(17, 32)),
    ("192.168.0.0/16", 20),
)
ENOUGH = 8  # more than a service needs at once; nobody wants to know how many more there are


def pools_needed(model: Mapping[str, Any], understanding: Understanding) -> dict[str, list[str]]:
    """The networks of a release that take a subnet of the pools: ``base`` by their names, ``slot`` by their keys."""
    base = []
    for key, body in (model.get("networks") or {}).items():
        body = body or {}
        subnets = [one.get("subnet") for one in (body.get("ipam") or {}).get("config") or []]
        if (
            not is_external(model, "networks", key)
            and (body.get("driver") or "bridge") == "bridge"
            and not any(subnets)
        ):
            base.append(real_name(model, "networks", key))
    members = {member.name: member for member in understanding.slot_members}
    return {"base": sorted(base), "slot": sorted(own_networks(model, members))}


def needed_networks(
    pools: Mapping[str, Iterable[str]], service: str, project: str, slot: str, networks: Iterable[Mapping[str, Any]]
) -> int:
    """How many subnets are taken from the pools when a release with *pools* is staged in *slot*."""
    there = {str(network["Name"]) for network in networks}
    wanted = {own_network_name(project, slot, key) for key in pools.get("slot") or ()}
    given = sum(name.startswith(own_network_name(project, slot, "")) for name in there - wanted)  # removed before
    lasting = {*(pools.get("base") or ()), f"{service}-edge"}
    return max(0, len(wanted - there) + len(lasting - there) - given)


def free_networks(pools: Iterable[Mapping[str, Any]] | None, networks: Iterable[Mapping[str, Any]]) -> int:
    """How many networks the engine can still make, up to ENOUGH. *pools* are DefaultAddressPools of its info."""
    ranges = [(str(pool["Base"]), int(pool["Size"])) for pool in pools or ()] or list(DEFAULT)
    taken = [*_subnets(networks), *_routes()]
    free = 0
    for base, size in ranges:
        network = ipaddress.ip_network(base, strict=False)
        if network.version != 4:
            continue
        near = [one for one in taken if one.overlaps(network)]
        for subnet in network.subnets(new_prefix=max(size, network.prefixlen)):
            free += not any(subnet.overlaps(one) for one in near)
            if free >= ENOUGH:
                return free
    return free


def _subnets(networks: Iterable[Mapping[str, Any]]) -> Iterator[ipaddress.IPv4Network]:
    for network in networks:
        for entry in (network.get("IPAM") or {}).get("Config") or []:
            found = ipaddress.ip_network(str(entry.get("Subnet") or "::/128"), strict=False)
            if isinstance(found, ipaddress.IPv4Network):
                yield found


def _routes(file: str = "/proc/net/route") -> Iterator[ipaddress.IPv4Network]:
    """Where this host reaches others: the engine makes no network over that."""
    try:
        with open(file, encoding="ascii") as stream:
            rows = [line.split() for line in stream][1:]
    except OSError:
        return
    for row in rows:
        address, mask = (socket.inet_ntoa(struct.pack("<L", int(row[column], 16))) for column in (1, 7))
        if mask != "0.0.0.0":
            yield ipaddress.IPv4Network(f"{address}/{mask}", strict=False)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a service from overlapping with another slot, from having slots at all, or makes it different in one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .edge_spec import REPLICAS
from .keys import CHANGED, DROPPED, FOREIGN, HARMLESS, KEPT, REFUSED, TOP, TOP_REFUSED
from .model import Finding, is_external, mounts_of, networks_of, real_name, unescape

# Devices that any number of containers may use at once.
_SHARED_DEVICES = ("/dev/dri", "/dev/fuse", "/dev/kfd", "/dev/net/tun", "/dev/null", "/dev/zero", "/dev/urandom")
_ENGINE_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_NETWORK_FIXED = ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address")


def inside(path: str, directory: str) -> str | None:
    """*path* relative to *directory* ("." for itself), or None when it is not in it."""
    path, directory = unescape(path).rstrip("/") or "/", directory.rstrip("/")
    if path == directory:
        return "."
    return path[len(directory) + 1 :] if path.startswith(directory + "/") else None


def foreign(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Labels and variables of a service that other programs act on: program -> their names, never values."""
    labels, variables = body.get("labels") or {}, body.get("environment") or {}
    found: dict[str, list[str]] = {}
    for program, (prefixes, names) in FOREIGN.items():
        mine = [label for label in sorted(labels) if _has_prefix(label, prefixes)]
        # "Leave me alone" is the one thing that these programs may go on hearing.
        if all(str(labels[label]).lower() == "false" and label.endswith("enable") for label in mine):
            mine = []
        mine += [variable for variable in names if variables.get(variable) is not None]
        if mine:
            found[program] = mine
    return found


def _has_prefix(label: str, prefixes: tuple[str, ...]) -> bool:
    return any(label.startswith(prefix) if prefix[-1] in "._" else label == prefix for prefix in prefixes)


def replicas(body: Mapping[str, Any]) -> int:
    """How many containers a service has."""
    value = (body.get("deploy") or {}).get("replicas", body.get("scale"))
    return 1 if value is None else int(value)


def exclusive_because(
    body: Mapping[str, Any], role: str, shared: bool, mounts: Mapping[str, str], source: str
) -> Iterator[str]:
    """Each reason (one sentence) why two containers of this service of a slot may not run at once."""
    if role == "scheduler":
        yield "A scheduler that runs twice does everything twice."
    if body.get("network_mode") == "host":
        yield "It uses the host's own network: two would want the same ports."
    if role != "web" and body.get("ports"):
        yield f"It publishes ports itself, as a {role} is not behind the edge."
    if body.get("mac_address") or any(
        options.get(key) for options in networks_of(body).values() for key in _NETWORK_FIXED
    ):
        yield "It has a fixed address in a network."
    for device in body.get("devices") or []:
        path = str(device.get("source", "") if isinstance(device, dict) else device).split(":", 1)[0]
        if not path.startswith(_SHARED_DEVICES) and not shared:
            yield f"It uses the device {path}."
    for mount in mounts_of(body, mounts):
        path = unescape(str(mount.get("source", "")))
        if shared or mounts.get(str(mount.get("target"))) == "shared":
            continue
        if path in _ENGINE_SOCKETS:  # read-only is the file, not what is said through it
            yield "It controls the Docker engine."
        elif mount.get("read_only"):
            continue
        elif mount.get("type") == "volume" and path:
            yield f"It writes to the volume {path}."
        elif mount.get("type") == "bind":
            relative = inside(path, source)
            yield f"It writes to {'./' + relative if relative is not None else path} on the host."


def refusals(
    model: Mapping[str, Any],
    name: str,
    body: Mapping[str, Any],
    role: str,
    settings: Mapping[str, Any],
    roles: Mapping[str, str],
    source: str,
) -> Iterator[Finding]:
    """Everything about one service that cannot be done in slots; state stays as it is, so little applies there."""
    yield from _keys(name, body, role)
    yield from _networking(name, body, role, settings, roles)
    yield from _references(model, name, body, role, roles)
    if role == "state":
        return
    if role == "web":
        yield from _ports(name, body)
    number = replicas(body)
    least, most = (1, REPLICAS) if role == "web" else (0, 1000)
    if not least <= number <= most:
        yield Finding(
            "replicas",
            name,
            f"{name} has {number} replicas; a {role} has {least} to {most} in a slot.",
            "Correct `deploy: {replicas: N}` or `scale`.",
        )
    mode = (body.get("deploy") or {}).get("mode")
    if mode not in (None, "", "replicated"):
        yield Finding(
            "deploy_mode",
            name,
            f"{name} has `deploy.mode: {mode}`, which is Swarm's.",
            "Remove it, or say how many containers it has by `deploy: {replicas: N}`.",
        )
    declared = (settings.get("mounts") or {}).get(name) or {}
    yield from _mounts(name, body, declared, source, settings.get("source_files"))
    allowed = settings.get("labels") or {}
    for program, found in foreign(body).items():
        if program not in HARMLESS and allowed.get(program) not in ("keep", "remove"):
            yield Finding(
                "foreign_labels",
                name,
                f"{name} has {', '.join(found)}, which {program} acts on; it would see the containers of both slots.",
                f"Declare `service_labels: {{{program}: remove}}` (and lead {program} to the published port) or "
                f"`{{{program}: keep}}` when two containers at once do no harm.",
            )


def _keys(name: str, body: Mapping[str, Any], role: str) -> Iterator[Finding]:
    known = KEPT | CHANGED | DROPPED
    for key, value in sorted(body.items()):
        if value in (None, [], {}, "") or key in known or key.startswith("x-"):
            continue
        if key in REFUSED:
            if role == "state" and key in ("external_links", "volumes_from", "credential_spec", "use_api_socket"):
                continue
            why, way_out = REFUSED[key]
            yield Finding(key, name, f"{name} has `{key}`: it {why}.", way_out)
        else:
            yield Finding(
                "unsupported_key",
                name,
                f"{name} has `{key}`, which is not known here, so what it would do in a slot is not known either.",
                f"Remove `{key}`, or declare `service_roles: {{{name}: state}}` to leave the service as it is.",
            )
    for link in body.get("links") or []:
        target, _colon, alias = str(link).partition(":")
        if role != "state" and alias and alias != target:
            yield Finding(
                "links",
                name,
                f"{name} has `links: [{link}]`: a name that only this container knows.",
                f"Use the name {target}, or give {target} the alias {alias} in `networks`; then remove the link.",
            )


def _networking(
    name: str, body: Mapping[str, Any], role: str, settings: Mapping[str, Any], roles: Mapping[str, str]
) -> Iterator[Finding]:
    mode = str(body.get("network_mode") or "")
    if role == "state" and not mode.startswith("service:"):
        return
    if mode == "host" and (role == "web" or name not in (settings.get("roles") or {})) and role != "job":
        yield Finding(
            "host_network",
            name,
            f"{name} uses `network_mode: host`: the edge cannot take its ports, and two slots would want the same.",
            f"Publish its ports with `ports` instead, or declare `service_roles: {{{name}: worker}}`: it is then "
            "stopped and started at each switch, with a gap.",
        )
    elif mode.startswith("container:") or mode == "bridge":
        yield Finding(
            "network_mode",
            name,
            f"{name} has `network_mode: {mode}`, where a slot cannot have names of its own.",
            "Use `networks`; a container of another project is reached over an external network.",
        )
    elif mode not in ("", "host", "none") and not mode.startswith("service:"):
        yield Finding("network_mode", name, f"{name} has `network_mode: {mode}`.", "Use `networks`.")
    for key in ("network_mode", "ipc", "pid"):
        value = str(body.get(key) or "")
        if value.startswith("container:") and key != "network_mode":
            yield Finding(key, name, f"{name} has `{key}: {value}`.", f"Use `{key}: service:…` or remove it.")
        if not value.startswith("service:"):
            continue
        owner = value.partition(":")[2]
        if (roles.get(owner) == "state") != (role == "state") or roles.get(owner) == "job" or role == "job":
            yield Finding(
                key,
                name,
                f"{name} has `{key}: {value}`, but {owner} is a {roles.get(owner, 'service that does not exist')} and "
                f"{name} a {role}: they do not live in one project.",
                f"Give both the same kind of role by `service_roles`, or remove `{key}`.",
            )


def _references(
    model: Mapping[str, Any], name: str, body: Mapping[str, Any], role: str, roles: Mapping[str, str]
) -> Iterator[Finding]:
    if role == "state":
        others = [
            *(body.get("depends_on") or {}),
            *(str(one).partition(":")[0] for one in body.get("volumes_from") or []),
        ]
        for other in sorted({one for one in others if roles.get(one, "state") != "state"}):
            yield Finding(
                "state_depends",
                name,
                f"{name} is state and stays where it is, but needs {other}, which is a {roles[other]}.",
                # What ends is no state: nobody would ever find it running.
                "Remove the dependency: jobs run when the state services have been started."
                if roles[other] == "job"
                else f"Declare `service_roles: {{{other}: state}}`, or remove the dependency.",
            )
    for kind in ("secrets", "configs"):
        for used in body.get(kind) or []:
            key = used.get("source", "") if isinstance(used, dict) else str(used)
            entry = (model.get(kind) or {}).get(key) or {}
            if is_external(model, kind, key) or not any(entry.get(way) for way in ("file", "environment", "content")):
                yield Finding(
                    "unsupported_value",
                    name,
                    f"{name} uses {kind[:-1]} {key}, which is external: Compose has that in Swarm only.",
                    f"Give it a `file:` or `environment:` in `{kind}`.",
                )


def _ports(name: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    others = [port for port in body.get("ports") or [] if port.get("protocol") not in (None, "", "tcp")]
    for port in body.get("ports") or []:
        target, published = port.get("target"), str(port.get("published") or "")
        shown = f"{published or '(any)'}:{target}/{port.get('protocol') or 'tcp'}"
        if port in others[1:]:
            continue
        if port in others:
            more = f" (and {len(others) - 1} more)" if others[1:] else ""
            yield Finding(
                "udp_port",
                name,
                f"{name} publishes {shown}{more}: the edge passes on TCP and HTTP only.",
                f"Declare `service_roles: {{{name}: worker}}`: it then keeps its ports, and is stopped and started at "
                "each switch, with a gap.",
            )
        elif not published or published == "0":
            yield Finding(
                "port_random",
                name,
                f"{name} publishes its port {target} on a port that Docker picks: nobody could rely on it.",
                f'Say which: `ports: ["8080:{target}"]`; or use `expose` when only other services need it.',
            )
        elif not published.isdigit():
            yield Finding(
                "port_range",
                name,
                f"{name} publishes the range {shown}, one port for each replica.",
                f"Publish one port; the edge balances between the replicas: `ports: "
                f'["{published.partition("-")[0]}:{target}"]`.',
            )


def _mounts(
    name: str, body: Mapping[str, Any], declared: Mapping[str, str], source: str, files: Any
) -> Iterator[Finding]:
    for mount in mounts_of(body, declared):
        kind, path, target = mount.get("type"), str(mount.get("source") or ""), str(mount.get("target"))
        said = declared.get(target)
        if kind not in ("volume", "bind", "tmpfs"):
            article = "an" if str(kind)[:1] in "aeiou" else "a"
            yield Finding(
                "unsupported_value", name, f"{name} mounts {article} {kind} at {target}.", "Use a volume or a bind."
            )
        if kind == "volume" and not path and said not in ("fresh", "read_only"):
            yield Finding(
                "anonymous_volume",
                name,
                f"{name} has a volume without a name at {target}: what is in it would not come along.",
                f"Name it (`- NAME:{target}`) to keep its content. If each slot may begin with what the image has "
                f"there: `service_mounts: {{{name}: {{{target}: fresh}}}}`.",
            )
        relative = inside(path, source) if kind == "bind" else None
        if relative is None or mount.get("read_only") or said == "data":
            continue
        if relative == ".":
            yield Finding(
                "source_bind",
                name,
                f"{name} mounts the whole source directory writable at {target}; each release has one of its own.",
                "Mount the directory that it writes to. If it only reads: "
                f"`service_mounts: {{{name}: {{{target}: read_only}}}}`, or `:ro`.",
            )
        elif _ships(relative, files or ()):
            yield Finding(
                "source_bind",
                name,
                f"{name} mounts ./{relative} writable at {target}, and that comes with the source: is it data, or a "
                "file of the release?",
                f"To read each release's own ./{relative}: `service_mounts: {{{name}: {{{target}: read_only}}}}`, or "
                "`:ro`. To go on with one that is written to, and begins as it comes: `data` instead of `read_only`.",
            )


def _ships(relative: str, files: Any) -> bool:
    """True when a release brings files for that path; placeholders like .gitkeep are none."""
    below = relative + "/"
    return any(
        one == relative or (one.startswith(below) and not one.rpartition("/")[2].startswith(".")) for one in files
    )


def notes(model: Mapping[str, Any], name: str, body: Mapping[str, Any], role: str) -> Iterator[Finding]:
    """What is different in a slot, although it works."""
    if role == "state":
        return
    if body.get("container_name"):
        yield Finding(
            "container_name",
            name,
            f"{name} has `container_name: {body['container_name']}`; containers of slots have names of their own. The "
            "name still works between the services of a slot.",
        )
    if body.get("hostname"):
        yield Finding(
            "hostname",
            name,
            f"{name} is called {host_name(str(body['hostname']), '<slot>')} inside, as newer engines resolve host "
            "names.",
        )
    if body.get("pull_policy") not in (None, "", "missing", "if_not_present"):
        yield Finding("pull_policy", name, f"{name} has `pull_policy: {body['pull_policy']}`; slots run pinned images.")
    for key in networks_of(body):
        if is_external(model, "networks", key):
            yield Finding(
                "outside_name",
                name,
                f"Containers of other projects in the network {real_name(model, 'networks', key)} do not find {name} "
                "by that name any more; they reach it at its published port.",
            )
        network = (model.get("networks") or {}).get(key) or {}
        if network.get("enable_ipv6"):
            yield Finding(
                "ipv6",
                name,
                f"{name} is in a network with IPv6 ({key}); a slot's own for its names has IPv4 only.",
            )
        if (network.get("driver") or "bridge") not in ("bridge", "overlay"):
            yield Finding(
                "network_driver", name, f"{name} is in the network {key} with another driver; a bridge is added."
            )
    for key, when in (("post_start", "started"), ("pre_stop", "stopped")):
        if body.get(key):
            yield Finding(key, name, f"{name} has `{key}`, which Compose runs (from 2.30 on) when a slot is {when}.")
    if role == "job" and body.get("ports"):
        yield Finding("job_ports", name, f"{name} runs once a release, and does not publish its ports while it does.")
    removed = [program for program in foreign(body) if program in HARMLESS]
    if removed:
        yield Finding("foreign_labels", name, f"{', '.join(removed)} will see a container of each slot of {name}.")


def host_name(name: str, slot: str) -> str:
    """What a container with a host name is called in a slot; its domain, if it has one, stays."""
    host, dot, domain = name.partition(".")
    return f"{host}-{slot}{dot}{domain}"


def unknown_elements(model: Mapping[str, Any]) -> Iterator[Finding]:
    """Top-level elements that nobody here knows: newer versions of Compose have new ones."""
    for key, value in sorted(model.items()):
        if key not in TOP and not key.startswith("x-") and value:
            why, step = TOP_REFUSED.get(key, ("is not known here, so what it would do is not known either", ""))
            yield Finding(
                "unsupported_element", "", f"The compose file has `{key}`: it {why}.", step or f"Remove `{key}`."
            )


def clashes(names: Mapping[str, Any]) -> Iterator[Finding]:
    """Service names that a slot's names would collide with."""
    for name in names:
        match = re.match(r"(.+)-(blue|green|job)$", name)
        if match and match.group(1) in names:
            yield Finding(
                "name_clash",
                name,
                f"{name} is what {match.group(1)} is called in a slot.",
                f"Give the service {name} another name.",
            )

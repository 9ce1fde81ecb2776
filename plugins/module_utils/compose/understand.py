# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a rendered compose file to what can be done with it: a pure function, so that a plan can be made and tested
without a server."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import limits
from .keys import FOREIGN, PLAIN_TCP, REPLACERS
from .model import (
    ROLES,
    SLOT_ROLES,
    Finding,
    Member,
    Port,
    Readiness,
    Understanding,
    image_of,
    is_external,
    mounts_of,
    networks_of,
    real_name,
    repository,
    seconds,
    services,
    unescape,
)
from .plain_tcp import port_notes, without_http
from .roles import DATA_DIRECTORIES, NOTHING_SHOWN, derive, looks_like_scheduler, may_end, migrates, owner_of, who_calls


def understand(
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    source: str = "",
    image_tests: Mapping[str, Iterable[str]] | None = None,
    image_ports: Mapping[str, Iterable[int]] | None = None,
) -> Understanding:
    """What each service of *model* is, what cannot be done and what will be different.

    *settings* are the target's, as ``settings.checked`` leaves them (``roles``, ``shared``, ``exclusive``, ``mounts``,
    ``ready``, ``self_migrating``, ``labels``, ``edge_tcp_ports``), and ``source_files``: the files that come with a
    release, relative to its source, and ``mounted_texts``: by service what is in those that it mounts. *source* is the
    directory that the model was rendered in. *image_tests* are healthchecks of images, by service, where they are
    known, *image_ports* the ports that they say they have. Never raises for what the user wrote: everything is in
    ``refusals``.
    """
    bodies = services(model)
    refused = [*_check_settings(bodies, settings)]
    declared = {name: role for name, role in (settings.get("roles") or {}).items() if name in bodies and role in ROLES}
    texts = settings.get("mounted_texts") or {}
    roles = derive(model, declared, texts)
    plain = {name: role for name, (role, _why) in roles.items()}
    members: dict[str, Member] = {}
    notes: list[Finding] = []
    for name, body in bodies.items():
        role, why = roles[name]
        # Where it answers, of one that others of the slot ask: a TCP connection shows that it does.
        ports = {_exposed(port) for port in body.get("expose") or []} or set((image_ports or {}).get(name, ()))
        port = who_calls(bodies, name, texts)[1] or (ports.pop() if len(ports) == 1 else 0)
        tests = tuple((image_tests or {}).get(name, ()))
        member = _member(model, name, body, role, why, settings, source, tests, port)
        members[name] = member
        refused += limits.refusals(model, name, body, role, settings, plain, source)
        notes += limits.notes(model, name, body, role)
        notes += _own_notes(member, body, settings)
        notes += _data_in_source(name, body, settings, source)
        notes += port_notes(member, settings)
        if role == "web" and member.readiness.kind == "none":
            refused.append(_no_readiness(member, body))
    refused += _check_tls(members.values(), settings)
    refused += without_http(members, settings)
    refused += limits.clashes(bodies)
    refused += limits.unknown_elements(model)
    if not bodies:
        refused.append(Finding("no_services", "", "The compose file has no services.", "Check `service_profiles`."))
    return Understanding(str(model.get("name", "")), members, tuple(refused), tuple(notes))


def near(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelled word: "Did you mean x?", or what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(str(word), known, 1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known) or 'none'}."


def _member(
    model: Mapping[str, Any],
    name: str,
    body: Mapping[str, Any],
    role: str,
    why: str,
    settings: Mapping[str, Any],
    source: str,
    image_test: tuple[str, ...],
    port: int,
) -> Member:
    shared = name in (settings.get("shared") or ())
    slotted = role in SLOT_ROLES
    mounts = dict((settings.get("mounts") or {}).get(name) or {})
    reasons = tuple(limits.exclusive_because(body, role, shared, mounts, source)) if slotted else ()
    if slotted and name in (settings.get("exclusive") or ()):
        reasons += ("It is declared in service_exclusive.",)
    word = looks_like_scheduler(name, body)
    if role == "web" and word and name not in (settings.get("roles") or {}):
        reasons += (f'It publishes a port, but its name or command says "{word}": it may be a scheduler as well.',)
    names = (name, *(str(body[key]) for key in ("container_name",) if body.get(key)))
    removed = [
        found
        for program, found_names in limits.foreign(body).items()
        if (settings.get("labels") or {}).get(program) == "remove"
        for found in found_names
    ]
    return Member(
        name=name,
        role=role,
        why=why,
        image=unescape(image_of(model, name)),
        exclusive=bool(reasons),
        exclusive_why=reasons,
        ports=tuple(_ports(body, settings)),
        readiness=_readiness(name, body, role, settings, image_test, port),
        self_migrating=slotted and (name in (settings.get("self_migrating") or ()) or migrates(body)),
        grace_seconds=seconds(body.get("stop_grace_period"), 10.0),
        replicas=limits.replicas(body),
        depends_on={
            other: str((how or {}).get("condition") or "service_started")
            for other, how in sorted((body.get("depends_on") or {}).items())
        },
        outside_names={
            real_name(model, "networks", key): (*names, *(str(alias) for alias in options.get("aliases") or []))
            for key, options in networks_of(body).items()
            if is_external(model, "networks", key) and role != "state"
        },
        removed=tuple(removed),
        mounts=mounts,
    )


def _ports(body: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Port]:
    plain_tcp = {str(port) for port in settings.get("edge_tcp_ports") or ()}
    for port in body.get("ports") or []:
        published = str(port.get("published") or "")
        if published.isdigit() and published != "0":  # everything else is refused
            yield Port(
                host_ip=str(port.get("host_ip") or ""),
                published=int(published),
                target=int(port["target"]),
                protocol=str(port.get("protocol") or "tcp"),
                mode="tcp" if published in plain_tcp or int(port["target"]) in PLAIN_TCP else "http",
            )


def _exposed(port: Any) -> int:
    """The number of an entry of ``expose``, as ``9000/tcp``; 0 for a range."""
    number = str(port).partition("/")[0]
    return int(number) if number.isdigit() else 0


def _readiness(
    name: str,
    body: Mapping[str, Any],
    role: str,
    settings: Mapping[str, Any],
    image_test: tuple[str, ...],
    inner: int,
) -> Readiness:
    declared = (settings.get("ready") or {}).get(name)
    if declared is not None:
        ports = [int(port["target"]) for port in body.get("ports") or []]
        port = declared.get("port") or (ports[0] if len(set(ports)) == 1 else 0)
        return Readiness(
            "http" if declared.get("path") else "tcp",
            timeout=float(declared.get("timeout") or 5),
            path=str(declared.get("path") or ""),
            port=int(port),
            status=int(declared.get("status") or 200),
        )
    check = body.get("healthcheck") or {}
    test = check.get("test") or []
    words = tuple(unescape(str(word)) for word in ([test] if isinstance(test, str) else test))
    off = check.get("disable") or words[:1] == ("NONE",) or words == ("CMD-SHELL", "NONE")
    kind, used = ("healthcheck", words) if words else ("image", image_test)
    if off or not used or used[0] == "NONE":
        if owner_of(body):  # and has no address of its own; what it answers is asked of the owner of the network
            return Readiness("running")
        if role == "web" and inner and not body.get("ports"):
            return Readiness("tcp", timeout=5.0, port=inner)
        return Readiness("running" if role != "web" else "none")
    return Readiness(
        kind,
        interval=seconds(check.get("interval"), 30.0),
        timeout=seconds(check.get("timeout"), 30.0),
        start_period=seconds(check.get("start_period")),
        retries=int(check.get("retries") or 3),
    )


def _no_readiness(member: Member, body: Mapping[str, Any]) -> Finding:
    port = member.ports[0].target if member.ports else "PORT"
    off = "has its healthcheck turned off" if body.get("healthcheck") else "has no healthcheck"
    return Finding(
        "no_readiness",
        member.name,
        f"{member.name} {off} and no declared readiness, so nobody could tell when a new release may get requests.",
        f"Give it a `healthcheck: {{test: …}}` in the compose file, or declare "
        f"`service_ready: {{{member.name}: {{path: /, port: {port}}}}}` (without `path`: a TCP connection)."
        + ("" if member.ports else f" If it takes no requests: `service_roles: {{{member.name}: worker}}`."),
    )


def _data_in_source(name: str, body: Mapping[str, Any], settings: Mapping[str, Any], source: str) -> Iterator[Finding]:
    for mount in mounts_of(body):
        path = limits.inside(str(mount.get("source") or ""), source) if mount.get("type") == "bind" else None
        keeps = DATA_DIRECTORIES.get(str(mount.get("target")).rstrip("/"))
        if path and keeps and any(one.startswith(f"{path}/") for one in settings.get("source_files") or ()):
            yield Finding(
                "data_in_source",
                name,
                f"{name} keeps the data of {keeps} in ./{path}, and each release takes a copy of that along.",
                f"Leave it out of releases: `service_source_exclude: [{path}]`.",
            )


def _own_notes(member: Member, body: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Finding]:
    name = member.name
    if name in (settings.get("shared") or ()) and member.role != "state":
        yield Finding("shared", name, f"What {name} writes to is shared by both slots, as declared.")
    if member.exclusive and member.role == "web":
        yield Finding(
            "exclusive",
            name,
            f"{name} cannot run twice: requests are held while it is switched. " + " ".join(member.exclusive_why),
            f"If two may write there at once: `service_shared: [{name}]`, or for one mount `service_mounts: "
            f"{{{name}: {{PATH: shared}}}}`.",
        )
    writes = any(mount.get("type") == "volume" and not mount.get("read_only") for mount in mounts_of(body))
    hidden = member.role == "worker" or (member.role == "web" and not member.ports)
    if hidden and writes and name not in (settings.get("roles") or {}):
        yield Finding(
            "maybe_state",
            name,
            f"{name} writes to a volume and is taken for a {member.role}"
            + (" of the release." if member.role == "worker" else " service of the release."),
            f"If it is a store that outlives releases: `service_roles: {{{name}: state}}`"
            + ("; if others send it requests: `web`." if member.role == "worker" else "."),
        )
    if repository(member.image).rpartition("/")[2] in REPLACERS:
        yield Finding(
            "replaces",
            name,
            f"{name} replaces containers by itself, and would do so with those of slots, whose images are pinned.",
            "Have it leave containers alone that do not ask for it (WATCHTOWER_LABEL_ENABLE=true), or remove it.",
        )
    if (member.role, member.why) == NOTHING_SHOWN and may_end(body):
        yield Finding(
            "maybe_job",
            name,
            f"{name} is not restarted when it ends, and is taken for a worker, which has to go on running.",
            f"If it ends when its work is done: `service_roles: {{{name}: job}}`.",
        )
    if member.self_migrating and name not in (settings.get("self_migrating") or ()):
        yield Finding(
            "self_migrating",
            name,
            f"{name} migrates the database when it starts: starting a slot already changes the schema.",
            "Move the migration into a service of its own that others wait for (`service_completed_successfully`).",
        )
    if member.removed:
        yield Finding("removed_labels", name, f"{name} runs without {', '.join(member.removed)}, as declared.")


def _check_tls(members: Iterable[Member], settings: Mapping[str, Any]) -> Iterator[Finding]:
    ports = {str(port.published): port for member in members if member.role == "web" for port in member.ports}
    for number in settings.get("edge_tls") or ():
        if number not in ports:
            yield Finding(
                "unknown_port",
                "",
                f"service_edge_tls names {number}, which no web service publishes.",
                near(number, ports),
            )
        elif ports[number].mode == "tcp":
            target = ports[number].target
            why = PLAIN_TCP.get(target)
            yield Finding(
                "tls_of_tcp",
                "",
                f"service_edge_tls names {number}, which is passed on as plain TCP"
                + (f": it leads to {target} ({why})." if why else " (service_edge_tcp_ports)."),
                "Publish a port by which the container speaks HTTP, or leave TLS to the container.",
            )


def _check_settings(bodies: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Finding]:
    for field in ("roles", "shared", "exclusive", "ready", "self_migrating", "mounts"):
        for name in settings.get(field) or ():
            if name not in bodies:
                yield Finding(
                    "unknown_service",
                    str(name),
                    f"service_{field} names {name}, which is no service of the compose file (with these profiles).",
                    near(name, bodies),
                )
    for name, role in (settings.get("roles") or {}).items():
        if role not in ROLES:
            yield Finding("unknown_role", str(name), f"service_roles gives {name} the role {role}.", near(role, ROLES))
    published = {str(port.get("published")) for body in bodies.values() for port in body.get("ports") or []}
    for number in settings.get("edge_tcp_ports") or ():
        if str(number) not in published:
            yield Finding(
                "unknown_port",
                "",
                f"service_edge_tcp_ports names {number}, which no service publishes.",
                near(str(number), published),
            )
    for program, action in (settings.get("labels") or {}).items():
        if program not in FOREIGN:
            yield Finding(
                "unknown_label", "", f"service_labels names {program}, which is not known here.", near(program, FOREIGN)
            )
        elif action not in ("keep", "remove"):
            yield Finding(
                "unknown_label", "", f"service_labels says {action} for {program}.", "Say `keep` or `remove`."
            )
    for name, declared in (settings.get("mounts") or {}).items():
        there = {str(mount.get("target")) for mount in mounts_of(bodies.get(name) or {})}
        for target in sorted(set(declared) - there) if name in bodies else ():
            yield Finding(
                "unknown_mount",
                name,
                f"service_mounts names {target}, where {name} mounts nothing.",
                near(target, there),
            )
    for name, declared in (settings.get("ready") or {}).items():
        targets = {port.get("target") for port in (bodies.get(name) or {}).get("ports") or []}
        if name in bodies and declared.get("port") is None and len(targets) != 1:
            yield Finding(
                "bad_ready",
                name,
                f"service_ready of {name}: port is missing, and the service does not publish exactly one.",
                f"For example `service_ready: {{{name}: {{path: /health, port: 8000, status: 200, timeout: 5}}}}`.",
            )

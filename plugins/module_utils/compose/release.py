# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new release: its source rendered and understood, its images pinned, everything that it is in one record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ..errors import Refused
from ..run.contract import Observation, Release
from ..run.overlay import Overlay, change, lost, overlay_of, told
from ..run.plain import refuse_unadopted
from .adopting import Running, in_front, understood
from .archive import unpack
from .base import has
from .build import builders
from .config import mounted_texts, overlooked, source_files
from .digest import changed
from .edge_spec import PAGE_BYTES, EdgePort, EdgeSpec
from .headroom import needs
from .hidden import is_secret
from .host import service_of
from .images import apply_images, ensure_present, image_override, image_ports, image_tests, resolve
from .model import Understanding, services
from .names import EDGE_IMAGE
from .platform import ComposePlatform
from .pools import pools_needed
from .render import ANCHOR, Paths, base_model
from .understand import near, understand


def new_release(
    platform: ComposePlatform,
    params: Mapping[str, Any],
    observed: Observation,
    scratch: str,
    running: Running | None = None,
) -> Release:
    """Unpack and render the source, understand it, pin its images: the record of a new release.

    What set_env changed in the release that serves is changed in this one too. With *running* it is the release that
    runs by plain compose, from the images that run; refused when it is not.
    """
    settings, asked = platform.host.settings, params["release"]
    source = os.path.join(scratch, "source")
    unpack(params["archive"], source)
    environment = {**(settings.get("environment") or {}), **((asked.get("manifest") or {}).get("environment") or {})}
    if asked["version"] or not running:
        environment.setdefault("VERSION", asked["version"] or "")
    live = _live(observed)
    return _record(platform, asked, source, settings, environment, overlay_of(live), observed, running)


def changed_release(platform: ComposePlatform, options: Mapping[str, Any], observed: Observation) -> Release:
    """The release that serves with one variable changed: same source, images, interpolation and manifest."""
    live, host = _live(observed), platform.host
    if not live or not host.files.exists(f"releases/{live['id']}/source"):
        raise Refused(
            f"the source of {live['version']} is lost" if live else "no release serves here",
            code="source_missing" if live else "nothing_live",
            next_step="Apply an update first (apply_update.yml).",
        )
    before = overlay_of(live)
    overlay = change(before, options, host.secrets)
    asked = {name: live.get(name) for name in ("version", "images", "manifest", "commit", "source_digest")}
    rules, source = {**host.settings, **live["render"]}, host.paths(live["id"]).source
    was = host.render(source, rules, live["environment"])
    _check_change(overlay, before, was, live["roles"])
    now = host.render(source, {**rules, "overlay": overlay}, live["environment"])
    differences = changed(was, now)
    touched = [line for line in differences if live["roles"].get(line.partition(":")[0]) != "state"]
    if not touched and overlay != before:
        raise Refused(
            f"nothing would change: {_asked(options)} is so already, or nothing in the compose file reads it",
            code="nothing_to_change",
            next_step="For a variable of its containers that the compose file does not mention, name the service: "
            "-e service=NAME.",
        )
    record = _record(platform, asked, source, rules, live["environment"], overlay, observed)
    said = [f"set: {one}" for one in lost(overlay, before)] + [f"no longer: {one}" for one in lost(before, overlay)]
    return {
        **record,
        "source_of": live["id"],
        "changes": said,
        "jobs": [],  # the same images have done them
        "jobs_done": live.get("jobs_done") or [],
        "notes": [*said, *touched, *record["notes"]],
    }


def _live(observed: Observation) -> Release | None:
    live = observed["live"]
    record: Release | None = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
    return record


def _asked(options: Mapping[str, Any]) -> str:
    return f"{options['variable']} of {options['service']}" if options.get("service") else str(options["variable"])


def _check_change(overlay: Overlay, before: Overlay, model: Mapping[str, Any], roles: Mapping[str, str]) -> None:
    for entry in (one for one in overlay if one not in before):
        service, value = entry["service"], str(entry.get("value") or "")
        if service and service not in roles:
            raise Refused(
                f"there is no service {service}", code="unknown_service", next_step=near(service, services(model))
            )
        if service and roles[service] == "state":
            raise Refused(
                f"{service} is a state service, which no release touches",
                code="state_service",
                next_step="Change it in your compose file, and start it again yourself when that suits its data.",
            )
        if value and is_secret(entry["name"], value):
            raise Refused(
                f"{entry['name']} has the name of a secret, or its value holds a password",
                code="secret_value",
                next_step="Put the value into service_secrets, and name it there: -e secret=NAME.",
            )


def _record(
    platform: ComposePlatform,
    asked: Mapping[str, Any],
    source: str,
    settings: Mapping[str, Any],
    environment: dict[str, Any],
    overlay: Overlay,
    observed: Observation,
    running: Running | None = None,
) -> Release:
    settings = {**settings, "overlay": overlay}
    model = platform.host.render(source, settings, environment)
    unread = overlooked(source, settings["compose_files"])
    model = apply_images(model, asked.get("images") or {})
    named = set(asked.get("images") or ())
    if asked.get("image"):
        before, model = model, image_override(model, asked["image"], settings.get("roles"))
        named |= {name for name, body in services(model).items() if body != services(before)[name]}
    settings = {**settings, "source_files": source_files(source), "mounted_texts": mounted_texts(model, source)}
    understanding = understand(model, settings, source=source)
    if any(finding.code != "no_readiness" for finding in understanding.refusals):
        understanding.refuse()
    states = {member.name for member in understanding.of_role("state")}
    made_of = {"directory": source, "source_digest": asked["source_digest"], "environment": environment}
    values = {**environment, **platform.host.secrets}
    make = builders(platform.host.docker, model, named, states, made_of, values, platform.host.mask.data)
    wanted = set(understanding.services) - states
    pins = running.pins(model, wanted) if running else {}
    resolved, notes = resolve(platform.host.docker, model, wanted - set(pins), make)
    pins.update(resolved)
    # Those that have containers keep their images; the others must not turn out to have none when they are started.
    resolve(platform.host.docker, model, states - set(map(service_of, platform.host.base_containers())), make)
    mute = {finding.service: pins[finding.service] for finding in understanding.refusals}
    if mute:
        # An image may bring its own healthcheck, which only the image itself can tell; so it is pulled, in check mode
        # too: nothing but the store of images changes by that.
        ensure_present(platform.host.docker, mute)
        tests = image_tests(platform.host.docker, mute)
        ports = image_ports(platform.host.docker, mute)
        understanding = understand(model, settings, source=source, image_tests=tests, image_ports=ports)
    understanding.refuse()
    check_edge(platform.host.service, settings, understanding, source)
    platform.check_certificates()
    if running:
        asked = {**asked, "version": asked["version"] or running.version(model, understanding)}
        notes += running.compare(model, understanding, source)
        running.check_ready(understanding)
        notes += running.check_spoken(understanding)
    else:
        refuse_unadopted(observed, {name: member.role for name, member in understanding.services.items()})
        platform.check_ports(understanding)
    switches = strategy(understanding, settings)
    paths = Paths(source, source, platform.host.data)
    base = base_model(model, understanding, paths=paths, anchor_image=EDGE_IMAGE)
    notes += state_changes(platform.host.files.read_json("base/compose.json") or {}, base)
    manifest = asked.get("manifest") or {}
    jobs = [member.name for member in understanding.of_role("job")]
    return {
        "id": release_id(asked, pins, environment, settings),
        "version": asked["version"],
        "images": pins,
        "source_digest": asked["source_digest"],
        "commit": asked.get("commit") or manifest.get("commit") or "",
        "type": manifest.get("type") or "",
        "changes": manifest.get("changes") or [],
        "schema": _schema(manifest, observed),
        "manifest": manifest,
        "jobs": ordered(jobs, manifest.get("order") or []),
        "jobs_done": jobs if running else [],
        "self_migrating": any(member.self_migrating for member in understanding.services.values()),
        "base": has(base),
        "needs": needs(model, understanding),
        "pools": pools_needed(model, understanding),
        "strategy": switches,
        "workers": bool(understanding.of_role("worker", "scheduler")),
        "roles": {name: member.role for name, member in understanding.services.items()},
        "replicas": {member.name: member.replicas for member in understanding.of_role("web")},
        "environment": environment,
        "render": {name: settings[name] for name in ("compose_files", "profiles", "ready", "overlay")},
        "understanding": understanding.as_dict(),
        "notes": [
            *(understood(understanding, switches) if running else ()),
            *(in_front(understanding) if running and not settings["edge_trusted"] else ()),
            *(f"{finding.detail} {finding.next_step}".strip() for finding in understanding.notes),
            *(f"{name} is not read, as service_compose_files does not name it." for name in unread),
            *(f"{told(entry)}, as set_env set it." for entry in overlay if entry in overlay_of(_live(observed))),
            *(
                f"{told(entry)} is kept for nothing: there is no service {entry['service']}."
                for entry in overlay
                if entry["service"] and entry["service"] not in services(model)
            ),
            *notes,
        ],
        "previous": None,
        **({"plain": running.record} if running else {}),
    }


def check_edge(service: str, settings: Mapping[str, Any], understanding: Understanding, source: str) -> None:
    """Refuse before anything changes what the edge would refuse in the middle of a run."""
    ports = understanding.edge_ports
    if not ports:
        raise Refused(
            "no web service publishes a port, so there is nothing that could be switched",
            code="no_entrance",
            next_step="Publish the port where users come in (`ports` in the compose file), or correct service_roles: "
            + ", ".join(f"{member.name} is taken for {member.role}" for member in understanding.services.values())
            + ".",
        )
    EdgeSpec(
        service=service,
        image=settings["edge_image"],
        ports=tuple(EdgePort(port.host_ip, port.published, name, port.target, port.mode) for name, port in ports),
        probe_token="-" * 16,  # it has its own when it is made
        trusted=tuple(settings["edge_trusted"]),
        hold_seconds=settings["hold_seconds"],
        maintenance_html=_page(settings["edge_maintenance"], source),
    ).check()


def _page(name: str, source: str) -> str:
    """The maintenance page, or "" without one."""
    if not name:
        return ""
    try:
        with open(os.path.join(source, name), "rb") as file:
            content = file.read(PAGE_BYTES + 1)
        return content.decode(errors="strict" if len(content) <= PAGE_BYTES else "replace")
    except OSError:
        pages = [one for one in source_files(source) if one.endswith((".html", ".htm"))]
        problem, step = "is not in service_source", near(name, pages)
    except UnicodeDecodeError:
        problem, step = "is no UTF-8 text", "Save it as UTF-8."
    raise Refused(f"service_edge_maintenance names {name}, which {problem}", code="no_page", next_step=step)


def state_changes(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What the release would have otherwise in state services: said and not done, because they hold data."""
    names = set(services(present)) & set(services(wanted)) - {ANCHOR}
    before, after = ({"services": {name: services(model)[name] for name in names}} for model in (present, wanted))
    return [f"{change}: not done, an update does not touch state services." for change in changed(before, after)]


def _schema(manifest: Mapping[str, Any], observed: Observation) -> dict[str, Any]:
    """What the manifest declares; else a release can live with the revision that is live, and no other."""
    declared = dict(manifest.get("schema") or {})
    if declared:
        return declared
    return {"revision": observed["schema"], "compatible": [observed["schema"]]} if observed["schema"] else {}


def release_id(
    asked: Mapping[str, Any], pins: Mapping[str, str], environment: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:
    """Version and eight digits over everything that a release is: the same content has the same name."""
    parts = [asked["source_digest"], sorted(pins.items()), sorted((k, str(v)) for k, v in environment.items())]
    parts += [
        settings.get(name) for name in ("compose_files", "profiles", "roles", "shared", "exclusive", "mounts", "ready")
    ]
    parts += [settings["overlay"]] if settings.get("overlay") else []
    later = ("edge_tcp_ports", "labels", "self_migrating")  # releases of before have names without them
    parts += [(name, settings[name]) for name in later if settings.get(name)]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    return f"{asked['version']}-{digest}"


def strategy(understanding: Any, settings: Mapping[str, Any]) -> str:
    """``overlap``, or ``hold`` when two slots must not run at once; a worker alone never needs a hold."""
    exclusive = [member for member in understanding.exclusive if member.role == "web"]
    wanted = settings.get("switch") or "auto"
    if wanted == "overlap" and exclusive:
        raise Refused(
            f"{exclusive[0].name} cannot run twice at once: {'; '.join(exclusive[0].exclusive_why)}",
            code="exclusive",
            next_step="Leave service_switch at auto, or declare it shared if that is safe "
            f"(service_shared: [{exclusive[0].name}]).",
        )
    return "hold" if exclusive or wanted == "hold" else "overlap"


def ordered(names: list[str], order: list[str]) -> list[str]:
    """*names*, those that *order* lists first and in that order."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))

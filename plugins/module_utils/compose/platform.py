# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compose platform: the contract of ``run.contract`` on one Docker host."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import Refused, StepFailed
from ..run.clock import Clock
from ..run.contract import SLOTS, Evidence, Observation, Progress, Release, Room, Scale, Stock, other
from ..run.files import Files
from ..verify.http import Address
from ..verify.mask import Mask
from ..verify.watch import Sample
from . import base, edge_tls, live_exec, observe, plain, plain_tcp, scale, slots, stock
from .archive import unpack
from .database import remember_schema
from .docker import Docker
from .edge import Edge
from .edge_container import check_free
from .edge_spec import EdgePort, EdgeSpec, Traffic
from .host import Host, address_on, is_running, service_of
from .model import Understanding
from .names import EDGE_IMAGE, STATE
from .signals import SlotSource, failures, samples_of, timeline_of

CAPABILITIES = {"warm": True, "hold": True, "share": True, "jobs": True, "workers": True, "drain": True}


class ComposePlatform:
    """One service on this host. Made by :meth:`open` from a request; tests hand in their own parts."""

    def __init__(self, host: Host, edge: Edge) -> None:
        self.host = host
        self.edge = edge
        self.restarts: dict[str, int] = {}

    @classmethod
    def open(cls, request: Mapping[str, Any]) -> ComposePlatform:
        settings = dict(request["settings"])
        files = Files(os.path.join(request.get("state_directory") or STATE, settings["name"]))
        docker = Docker(logins=request.get("registries") or ())
        clock = Clock()
        secrets = dict(request.get("secrets") or {})
        mask = Mask([*secrets.values(), *(login["password"] for login in request.get("registries") or ())])
        host = Host(settings, secrets, docker, files, clock, mask)
        return cls(host, Edge(files.path("edge"), settings["name"], docker, clock))

    def capabilities(self) -> dict[str, bool]:
        return dict(CAPABILITIES)

    def describe(self) -> Observation:
        return observe.describe(self.host, self.edge)

    def headroom(
        self, observed: Observation, release: Release | None, steps: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        from .headroom import checks  # only an update needs it

        return checks(self.host, observed, release, steps)

    def fetch(self, release: Release, progress: Progress) -> Evidence:
        return slots.fetch(self.host, release, progress)

    def prepare(self, release: Release) -> Evidence:
        """Unpack the source that the plan left in ``incoming``; at once, so a kill leaves all of it or nothing."""
        files, where = self.host.files, f"releases/{release['id']}"
        if not files.exists(f"{where}/source"):
            archive, same = f"incoming/{release['source_digest']}.tar", f"releases/{release.get('source_of')}/source"
            if not files.exists(archive) and not files.exists(same):
                raise StepFailed(
                    f"the source of {release['version']} is not on the host any more",
                    code="source_missing",
                    next_step="Run the same command again: the plan brings it.",
                )
            with files.made(f"{where}/source") as new:
                if files.exists(archive):
                    unpack(files.path(archive), new)
                else:
                    shutil.copytree(files.path(same), new, symlinks=True, dirs_exist_ok=True)
        known = self.host.release(release["id"]) or {}
        kept: Release = {name: known[name] for name in ("jobs_done", "previous", "live_since") if name in known}
        self.host.save_release({**release, **kept})
        return {"changed": not known}

    def base(self, release: Release, progress: Progress) -> Evidence:
        return base.start_base(self.host, release, progress)

    def run_job(self, release: Release, service: str, progress: Progress) -> Evidence:
        done = base.run_job(self.host, release, service, progress)
        remember_schema(self.host)
        return done

    def end_jobs(self, seconds: float, progress: Progress) -> Evidence:
        return base.end_jobs(self.host, seconds, progress)

    def stage(self, slot: str, release: Release, progress: Progress) -> Evidence:
        beside = self.host.release(self.host.slot(other(slot)).get("release") or "")
        edge = self.edge.ensure(self._spec(release, beside))
        said = slots.stage(self.host, self.edge, slot, release, progress)
        self._check_http(slot, release)
        return {**said, "edge": edge}

    def _check_http(self, slot: str, release: Release) -> None:
        """Refuse to send users' requests as HTTP to a port that speaks something else."""
        understanding = Understanding.from_dict(release["understanding"])
        for service, port in understanding.edge_ports:
            ready = understanding.services[service].readiness
            if port.mode == "http" and (ready.kind, ready.port) != ("http", port.target):  # which has been asked
                where = self.address(slot, service, port.target)
                plain_tcp.refuse_other(service, port.published, plain_tcp.speaks(where.host, where.port))

    def home(self, observed: Observation) -> dict[str, Any]:
        """Where an unadoption makes the plain containers of the live release from; {} when none is live."""
        live = observed["live"]
        record = observed["releases"].get(observed["slots"][live]["release"] or "") if live else None
        return plain.home_of(self.host, record) if record else {}

    def remember(self, release: Release) -> Evidence:
        return plain.remember(self.host, release)

    def take_ports(self, release: Release, slot: str, progress: Progress) -> Evidence:
        """The edge, with its ports, is made before the plain containers stop: the time without anybody is the least."""
        spec = replace(self._spec(release, None), published=True)
        seen = self.edge.observe()
        ports = {(str(host_ip), int(port)) for host_ip, port in seen["ports"]}
        wanted = {(port.host_ip, port.published) for port in spec.ports}
        if seen["state"] != "running" or ports != wanted:
            self.edge.create(spec, Traffic("hold"))
        progress("stopping the plain web containers")
        every = release["strategy"] == "hold"
        web = [c for c in plain.containers(self.host, *plain.WEB) if every or c["HostConfig"].get("PortBindings")]
        changed = plain.stop(self.host, web)
        edge = self.edge.ensure(spec)
        if slot:
            self.edge.wait_ready(slot, 15)
        return {"changed": changed or edge["changed"], "edge": edge}

    def dismiss(self) -> Evidence:
        return plain.dismiss(self.host)

    def draft(self, release: Release, home: Mapping[str, Any]) -> Evidence:
        return plain.draft(self.host, release, home)

    def restore(self, release: Release, progress: Progress) -> Evidence:
        """Give the ports back; two workers are never at once, nor two of what must not overlap."""
        if not self.host.plain:
            return {"changed": False}
        for slot in SLOTS:
            slots.rest(self.host, slot, plain.HANDS)
        self.edge.stop(Traffic("none"))
        if release["strategy"] == "hold":
            for slot in SLOTS:
                slots.halt(self.host, slot)
        return plain.start(self.host, release, progress)

    def dissolve(self) -> Evidence:
        """From its first change on there is no way back."""
        if self.host.plain:
            self.host.save_plain(stage="returned")
        for slot in SLOTS:
            slots.retire(self.host, slot)
        self.edge.remove()
        for file in ("base/base.json", "base/compose.json", "incoming"):
            self.host.files.remove(file)
        return {"changed": True}

    def shift(self, slot: str) -> Evidence:
        try:
            said = self.edge.send(slot)
        except StepFailed as error:
            release = self.host.release(self.host.slot(slot).get("release") or "")
            if error.code != "edge_unreachable" or not release:
                raise
            beside = self.host.release(self.host.slot(other(slot)).get("release") or "")
            self.edge.ensure(self._spec(release, beside))  # it had been stopped
            said = self.edge.send(slot)
        return {"changed": said["changed"], "before": said["before"]}

    def drain(self, slot: str, seconds: float, progress: Progress) -> Evidence:
        return {"changed": False, **self.edge.drain(slot, seconds, progress)}

    def hold(self) -> Evidence:
        return {"changed": self.edge.hold()["changed"]}

    def maintain(self, on: bool | None) -> Evidence:
        release, changed = self._live_release(), False
        if release:  # an edge of an older version knows no maintenance; one that was stopped could not be told
            changed = self.edge.ensure(self._spec(release, None))["changed"]
        return {"changed": changed if on is None else self.edge.maintain(on)["changed"] or changed}

    def handover(self, slot: str, progress: Progress) -> Evidence:
        plain.stop(self.host, plain.containers(self.host, *plain.HANDS))
        return slots.handover(self.host, slot, progress)

    def halt(self, slot: str) -> Evidence:
        return slots.halt(self.host, slot)

    def retire(self, slot: str) -> Evidence:
        return slots.retire(self.host, slot)

    def close(self) -> Evidence:
        if self.edge.observe()["state"] == "absent":
            return {"changed": False}
        return {"changed": self.edge.send("none")["changed"]}

    def settle(self, slot: str, release: Release, warm_until: float | None, previous: str | None) -> Evidence:
        """The record of who serves; the edge then has exactly this release's ports."""
        host, beside = self.host, other(slot)
        known = host.release(release["id"]) or release
        host.save_release({**known, "previous": previous, "live_since": host.clock.now()})
        host.save_slot(slot, {"release": release["id"], "warm_until": None})
        idle = host.slot(beside)
        warm = any(is_running(c) for c in host.slot_containers(beside))
        if idle:
            host.save_slot(beside, {**idle, "warm_until": warm_until if warm else None})
        edge = self.edge.ensure(self._spec(release, None))
        remember_schema(host)
        host.files.write(live_exec.NAME, live_exec.script(host.service, host.project, self.edge.map_path), 0o700)
        host.files.remove("incoming")
        return {"changed": True, "edge": edge, "warm_until": warm_until if warm and idle else None}

    def stock(self) -> Stock:
        return stock.stock(self.host)

    def discard(self, kind: str, names: list[str]) -> Evidence:
        return stock.discard(self.host, kind, names)

    def room(self) -> Room:
        return scale.room(self.host)

    def scale(self, service: str, wanted: Scale, progress: Progress) -> Evidence:
        changed = scale.remember(self.host, service, wanted)
        release = self._live_release()
        beside = self.host.release(self.host.slot(other(self.edge.serving().live)).get("release") or "")
        spec = self._spec(release, beside)
        # Without room for all that run, the edge might not know the ones that are to stay.
        self.edge.ensure(replace(spec, replicas=max(spec.replicas, scale.most_running(self.host, release, beside))))
        applied = scale.apply(self.host, self.edge, service, wanted, slots.start, progress)
        self.edge.ensure(spec)
        return {**applied, "changed": changed or applied["changed"]}

    def counters(self) -> dict[str, dict[str, float]]:
        counted = {slot: self.edge.counters(slot) for slot in SLOTS}
        return {slot: {"requests": one["requests"], "errors": failures(one)} for slot, one in counted.items()}

    def source(self, slot: str, overdue_seconds: float) -> SlotSource:
        return SlotSource(
            self.edge, slot, self.host.clock, overdue_seconds, lambda since: slots.logs(self.host, slot, since, 1000)
        )

    def history(self, slot: str, since: float, until: float) -> list[Sample]:
        return samples_of(self.edge.log(since, until), slot, since, until)

    def timeline(self, since: float, until: float) -> dict[str, Any]:
        """What users and our probes got between two times; see :func:`signals.timeline_of`."""
        return timeline_of(self.edge.log(since, until), since, until)

    def health(self, slot: str) -> tuple[bool, str]:
        return slots.health(self.host, slot, self.restarts)

    def logs(self, slot: str, since: float, lines: int = 200) -> list[str]:
        return slots.logs(self.host, slot, since, lines)

    def entrances(self) -> list[dict[str, Any]]:
        path = (self.host.settings.get("proof") or {}).get("path")
        release = self._live_release() or self.host.release(self.host.plain.get("release") or "") or {}
        ready = (release.get("render") or {}).get("ready") or {}
        encrypted = self.edge.certificates()
        return [
            {
                "host": port.host_ip if port.host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1",
                "port": port.published,
                "path": path or (ready.get(port.service) or {}).get("path") or "/",
                "mode": port.mode,
                "tls": bool(encrypted.get(port.published)),
            }
            for port in self._ports(release)
        ]

    def address(self, slot: str | None, service: str, port: int | None) -> Address:
        """In a slot: the container's own address. Without one: where the edge publishes it, else in what serves."""
        if slot is None:
            entrance, live = self._entrance(service, port), self.edge.serving().live
            if entrance:
                return entrance
            if not port or live not in SLOTS:
                raise Refused(
                    f"{service or 'no service'} publishes no port {port or ''} that the edge serves",
                    code="no_entrance",
                    next_step="Name a published service and port in service_smoke_tests.",
                )
            slot = live
        release = self.host.release(self.host.slot(slot).get("release") or "") or {}
        ports = [p for p in self._ports(release) if service in ("", p.service) and port in (None, p.target)]
        name = ports[0].service if ports else service
        for container in self.host.slot_containers(slot):
            where = address_on(container, self.host.edge_network)
            if service_of(container) == name and where and (ports or port):
                return Address(where, port or ports[0].target)
        raise StepFailed(
            f"no container of {name or 'a web service'} in {slot} answers at port {port or 'any'}",
            code="no_address",
            next_step="Name service and port as they are in the compose file.",
        )

    def probe_token(self) -> str:
        """Made once for a service, and known to the edge and to us."""
        content = self.host.files.read("edge.token")
        if content is None:
            content = secrets.token_hex(24).encode()  # HAProxy takes no pattern that begins with a "-"
            self.host.files.write("edge.token", content)
        return content.decode()

    def _entrance(self, service: str, port: int | None) -> Address | None:
        for entry in self._ports(self._live_release()):
            if service in ("", entry.service) and port in (None, entry.target, entry.published):
                host = entry.host_ip if entry.host_ip not in ("", "0.0.0.0", "::") else "127.0.0.1"
                return Address(host, entry.published, bool(self.edge.certificates().get(entry.published)))
        return None

    def _live_release(self) -> Release:
        live = self.edge.serving().live
        return self.host.release(self.host.slot(live).get("release") or "") or {} if live in ("blue", "green") else {}

    def _ports(self, *releases: Mapping[str, Any] | None) -> tuple[EdgePort, ...]:
        found: dict[tuple[str, int], EdgePort] = {}
        for release in releases:
            if not release:
                continue
            for service, port in Understanding.from_dict(release["understanding"]).edge_ports:
                entry = EdgePort(port.host_ip, port.published, service, port.target, port.mode)
                found.setdefault((port.host_ip, port.published), entry)
        # Whoever asks for no port in particular asks over HTTP.
        return tuple(sorted(found.values(), key=lambda port: port.mode != "http"))

    def check_ports(self, understanding: Understanding) -> None:
        """Refuse when something that is not the edge has a port that the edge would take."""
        seen = self.edge.observe()
        runs = seen["state"] in ("running", "broken")
        ours = {(str(host_ip), int(port)) for host_ip, port in seen["ports"]} if runs else set()
        check_free({(port.host_ip, port.published) for _service, port in understanding.edge_ports} - ours)

    def check_certificates(self) -> None:
        """Refuse certificates that the edge could not serve."""
        edge_tls.check(self.host.settings["edge_tls"], self.edge.certificates(), self.host.clock.now())

    def _with_tls(self, port: EdgePort) -> EdgePort:
        if port.mode != "http":
            return port
        settings, served = self.host.settings.get("edge_tls") or {}, self.edge.certificates()
        return replace(port, certificate=edge_tls.serve(port.published, settings, served))

    def _spec(self, release: Release, beside: Release | None) -> EdgeSpec:
        settings = self.host.settings
        page = settings.get("edge_maintenance")
        html = self.host.files.read(f"releases/{release['id']}/source/{page}") if page else None
        return EdgeSpec(
            service=self.host.service,
            image=settings.get("edge_image") or EDGE_IMAGE,
            ports=tuple(self._with_tls(port) for port in self._ports(release, beside)),
            probe_token=self.probe_token(),
            trusted=tuple(settings.get("edge_trusted") or ()),
            hold_seconds=int(settings["hold_seconds"]),
            published=self.host.plain.get("stage") != "begun" or bool(self.edge.observe()["ports"]),
            maintenance_html=(html or b"").decode(errors="replace"),
            replicas=max([8, *(n for one in (release, beside or {}) for n in scale.wanted(self.host, one).values())]),
        )

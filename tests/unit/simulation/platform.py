# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A platform in memory: the contract of ``run.contract``, one effect at a time, with a point after each."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import SLOTS, other
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.waiter import wait_for
from ansible_collections.steady.runbooks.plugins.module_utils.verify.mask import Mask
from ansible_collections.steady.runbooks.plugins.module_utils.verify.tally import Proof
from ansible_collections.steady.runbooks.plugins.module_utils.verify.watch import Sample

from .faults import Script
from .plain import PlainCalls
from .world import Job, Slot, World

Evidence = dict[str, Any]
STATE_SERVICES = ("db", "cache")
REQUESTS_A_SECOND = 50
START_TIMEOUT = 10.0


class MemoryPlatform(PlainCalls):
    """One target in memory. *acts* in a release's record says how it behaves.

    ``start_seconds`` until it is ready (None: never), ``errors`` as a share of its answers, ``migrates_to`` the schema
    that its job leaves, ``job_fails``.
    """

    def __init__(self, world: World, script: Script, files: Files) -> None:
        self.world = world
        self.script = script
        # What the act of the compose platform asks its host and its edge for.
        self.host = SimpleNamespace(
            files=files,
            clock=world.clock,
            mask=Mask(),
            settings_digest="",
            hide_kept=lambda: None,
            slot=lambda slot: vars(world.slot(slot)),
        )
        self.edge = SimpleNamespace(traffic=self._serving, serving=self._serving)

    def _serving(self) -> SimpleNamespace:
        return SimpleNamespace(live=self.world.state.traffic)

    @contextlib.contextmanager
    def _call(self, what: str, slot: str | None = None, changes: bool = True) -> Iterator[None]:
        self.script.point(what, "enter")
        if changes:
            self.world.before_change(what, slot)
        yield
        self.script.point(what, "after")

    def _did(self, what: str) -> None:
        self.world.check(what)
        self.script.point(what, "within")

    # -- read only ------------------------------------------------------------------------------------------------

    def headroom(self, observed: Any, release: Any, steps: Any) -> list[dict[str, Any]]:
        with self._call("headroom", changes=False):
            return []  # there is always room

    def describe(self) -> dict[str, Any]:
        with self._call("describe", changes=False):
            state = self.world.state
            live = state.traffic if state.traffic in SLOTS else None
            base = "running" if set(state.base) == set(STATE_SERVICES) else "partial" if state.base else "absent"
            return {
                "live": live,
                "traffic": {"live": state.traffic, "canary": "", "share": 0, "maintenance": state.maintenance},
                "edge": state.edge,
                "base": base if state.base_kept else "absent",
                "jobs": [{"release": job.release, "service": job.service}] if (job := state.job) else [],
                "slots": {slot: self._slot(slot) for slot in SLOTS},
                "releases": {name: dict(record) for name, record in state.releases.items()},
                "schema": self.world.schema(),
                "plain": self._observed(),
                "drift": [],
                "scale": {name: dict(one) for name, one in state.scale.items()},
                "checks": [],
            }

    def _slot(self, slot: str) -> dict[str, Any]:
        one, release = self.world.slot(slot), self.world.record(slot)
        expected = set(release.get("hands") or ())
        all_run = "running" if one.hands == expected else "partial" if one.hands else "stopped"
        return {
            "release": one.release,
            "state": one.web,
            "ready": self.world.ready(slot),
            "workers": all_run if expected else "none",
            "warm_until": one.warm_until,
        }

    def stock(self) -> dict[str, Any]:
        """A release has an image of its own; one is kept, however young."""
        with self._call("stock", changes=False):
            releases, busy = self.world.state.releases, {one.release for one in self.world.state.slots.values()}
            return {
                "at": self.world.clock.now() + 1.0,
                "keep": {"releases": 1, "runs": 1, "days": 0},
                "releases": {
                    name: {
                        "bytes": 1024,
                        "time": record.get("live_since") or 0.0,
                        "images": sorted(record["images"].values()),
                        "used": "a container" if name in busy else "",
                    }
                    for name, record in releases.items()
                },
                "runs": {},
                "images": {name: {"bytes": 1024, "used": ""} for name in sorted(self.world.state.images)},
            }

    def counters(self) -> dict[str, dict[str, float]]:
        with self._call("counters", changes=False):
            return {slot: {"requests": 0, "errors": 0} for slot in SLOTS}

    def source(self, slot: str, overdue_seconds: float) -> SimulatedSource:
        return SimulatedSource(self, slot)

    def history(self, slot: str, since: float, until: float) -> list[Sample]:
        with self._call("history", changes=False):
            return [Sample(until - since, int(REQUESTS_A_SECOND * (until - since)), 0, [20.0] * 100)]

    def health(self, slot: str) -> tuple[bool, str]:
        with self._call("health", changes=False):
            return self.world.ready(slot), self.world.slot(slot).web

    def logs(self, slot: str, since: float, lines: int = 200) -> list[str]:
        with self._call("logs", changes=False):
            return [f"{slot} said something"]

    def entrances(self) -> list[dict[str, Any]]:
        with self._call("entrances", changes=False):
            return [{"host": "127.0.0.1", "port": 80, "path": "/", "mode": "http", "tls": False}]

    def address(self, slot: str | None, service: str, port: int | None) -> tuple[str, int]:
        raise StepFailed("there is no network in memory", code="no_address")

    def probe_token(self) -> str:
        with self._call("probe_token", changes=False):
            return "token"

    # -- changes --------------------------------------------------------------------------------------------------

    def fetch(self, release: dict[str, Any], progress: Any) -> Evidence:
        with self._call("fetch", changes=False):
            return {"changed": False}

    def prepare(self, release: dict[str, Any]) -> Evidence:
        with self._call("prepare"):
            known = self.world.state.releases.get(release["id"]) or {}
            kept = {name: known[name] for name in ("jobs_done", "previous", "live_since") if name in known}
            self.world.state.releases[release["id"]] = {**copy.deepcopy(release), **kept}
            self.world.state.images.update(dict.fromkeys(release["images"].values()))
            self._did("prepare")
            return {"changed": not known}

    def base(self, release: dict[str, Any], progress: Any) -> Evidence:
        with self._call("base"):
            missing = [service for service in STATE_SERVICES if service not in self.world.state.base]
            for service in missing:
                self.world.state.base.append(service)
                self._did("base")
            changed = bool(missing) or not self.world.state.base_kept
            self.world.state.base_kept = True
            self._did("base")
            return {"changed": changed}

    def run_job(self, release: dict[str, Any], service: str, progress: Any) -> Evidence:
        with self._call("run_job"):
            world, state = self.world, self.world.state
            record, acts = state.releases[release["id"]], release.get("acts") or {}
            if service in record["jobs_done"]:
                return {"changed": False}
            me = (release["id"], service)
            if not state.job or (state.job.release, state.job.service) != me:
                if state.job:
                    self.world.wrong.append("two jobs at once")
                state.job = Job(*me, ends=world.clock.now() + 5.0)
                self._did("run_job")
            wait_for(lambda: (world.clock.now() >= state.job.ends, None), what="job", timeout=60, clock=world.clock)
            world.schema()
            self._did("run_job")
            state.job = None
            state.jobs_ended.remove(me)
            if acts.get("job_fails"):
                raise StepFailed(f"job {service} failed", code="job_failed")
            record["jobs_done"] = [*record["jobs_done"], service]
            self._did("run_job")
            return {"changed": True}

    def end_jobs(self, seconds: float, progress: Any) -> Evidence:
        with self._call("end_jobs"):
            world, job = self.world, self.world.state.job
            if not job:
                return {"changed": False}
            wait_for(lambda: (world.clock.now() >= job.ends, None), what="job", timeout=seconds, clock=world.clock)
            world.schema()
            self._did("end_jobs")
            world.state.job = None
            world.state.jobs_ended.remove((job.release, job.service))
            self._did("end_jobs")
            return {"changed": True}

    def stage(self, slot: str, release: dict[str, Any], progress: Any) -> Evidence:
        with self._call("stage"):
            one, acts, changed = self.world.slot(slot), release.get("acts") or {}, False
            if one.release != release["id"]:
                if one.release is not None:
                    self.world.wrong.append(f"{release['version']} staged over {one.release}")
                one.release, changed = release["id"], True
                begun = self.world.state.plain.stage == "begun" and self.world.state.edge != "running"
                self.world.state.edge = "portless" if begun else "running"
                self._did("stage")
            if one.web != "running":
                seconds = acts.get("start_seconds", 2.0)
                never = seconds is None or not self.world.lives(release)
                one.web, one.ready_at = "running", self.world.clock.now() + (float("inf") if never else seconds)
                changed = True
                self._did("stage")
            wait_for(
                lambda: (self.world.ready(slot), one.web),
                what=f"{release['version']} ready",
                timeout=START_TIMEOUT,
                clock=self.world.clock,
            )
            return {"changed": changed, "slot": slot}

    def shift(self, slot: str) -> Evidence:
        with self._call("shift", slot):
            changed = self.world.state.traffic != slot
            self.world.state.traffic, self.world.state.edge = slot, "running"
            self._did("shift")
            return {"changed": changed}

    def drain(self, slot: str, seconds: float, progress: Any) -> Evidence:
        with self._call("drain"):
            self.world.clock.sleep(0.2)
            return {"changed": False, "drained_s": 0.2, "cut": 0}

    def hold(self) -> Evidence:
        with self._call("hold"):
            changed = self.world.state.traffic != "hold"
            self.world.state.traffic = "hold"
            self._did("hold")
            return {"changed": changed}

    def maintain(self, on: bool | None) -> Evidence:
        with self._call("maintain"):
            on = self.world.state.maintenance if on is None else on
            changed = self.world.state.maintenance != on
            self.world.state.maintenance = on
            self._did("maintain")
            return {"changed": changed}

    def handover(self, slot: str, progress: Any) -> Evidence:
        with self._call("handover"):
            wanted, beside = set(self.world.record(slot).get("hands") or ()), self.world.slot(other(slot))
            plain = self.world.state.plain
            changed = bool(plain.hands)
            if plain.hands:
                plain.hands.clear()
                self._did("handover")
            for role, order in (("worker", ("start", "stop")), ("scheduler", ("stop", "start"))):
                for action in order:
                    if action == "start" and role in wanted and role not in self.world.slot(slot).hands:
                        self.world.slot(slot).hands.add(role)
                    elif action == "stop" and role in beside.hands:
                        beside.hands.discard(role)
                    else:
                        continue
                    changed = True
                    self._did("handover")
            return {"changed": changed}

    def halt(self, slot: str) -> Evidence:
        with self._call("halt"):
            one = self.world.slot(slot)
            changed = one.web == "running" or bool(one.hands)
            if one.hands:
                one.hands.clear()
                self._did("halt")
            one.web = "stopped" if one.web == "running" else one.web
            self._did("halt")
            one.warm_until = None
            self._did("halt")
            return {"changed": changed, "slot": slot}

    def retire(self, slot: str) -> Evidence:
        with self._call("retire"):
            one = self.world.slot(slot)
            changed = one.release is not None or one.web != "absent"
            one.hands.clear()
            one.web = "absent"
            self._did("retire")
            self.world.state.slots[slot] = Slot()
            self._did("retire")
            return {"changed": changed, "slot": slot}

    def room(self) -> dict[str, Any]:
        with self._call("room", changes=False):
            live = {"web": [1024] * (1 + self.world.state.counts.get("web", 0))}
            return {"cpus": 4, "free": 1 << 30, "slots": {self.world.state.traffic: live}}

    def scale(self, service: str, wanted: dict[str, Any], progress: Any) -> Evidence:
        with self._call("scale"):
            state, count = self.world.state, wanted.get("replicas", 1) - 1
            changed = state.scale.get(service, {}) != wanted or state.counts.get(service, 0) != count
            state.scale = {**{name: one for name, one in state.scale.items() if name != service}}
            if wanted:
                state.scale[service] = dict(wanted)
            self._did("scale")
            state.counts = {**{name: one for name, one in state.counts.items() if name != service}}
            if count:
                state.counts[service] = count
            self._did("scale")
            return {"changed": changed}

    def discard(self, kind: str, names: list[str]) -> Evidence:
        with self._call("discard"):
            kept = {"release": self.world.state.releases, "image": self.world.state.images, "run": {}}[kind]
            there = [name for name in names if name in kept]
            for name in there:
                self.world.discarding(name)
                del kept[name]
                self._did("discard")
            return {"changed": bool(there)}

    def close(self) -> Evidence:
        with self._call("close"):
            changed = self.world.state.traffic != "none"
            self.world.state.traffic = "none"
            self._did("close")
            return {"changed": changed}

    def settle(self, slot: str, release: dict[str, Any], warm_until: float | None, previous: Any) -> Evidence:
        with self._call("settle"):
            state, beside = self.world.state, self.world.slot(other(slot))
            known = state.releases.get(release["id"]) or copy.deepcopy(release)
            state.releases[release["id"]] = {**known, "previous": previous, "live_since": self.world.clock.now()}
            self._did("settle")
            state.slots[slot].release, state.slots[slot].warm_until = release["id"], None
            self._did("settle")
            if beside.release:
                beside.warm_until = warm_until if beside.web == "running" or beside.hands else None
            self._did("settle")
            self.host.files.remove("incoming")
            return {"changed": True}


class SimulatedSource:
    """What a watch sees: steady traffic, and as many errors as the release is said to answer."""

    def __init__(self, platform: MemoryPlatform, slot: str) -> None:
        self.platform = platform
        self.slot = slot
        self.last = platform.world.clock.now()

    def sample(self, slot: str) -> Sample:
        with self.platform._call("sample", changes=False):
            now = self.platform.world.clock.now()
            requests = int(REQUESTS_A_SECOND * min(2.0, now - self.last))
            self.last = now
            share = (self.platform.world.record(self.slot).get("acts") or {}).get("errors", 0.0)
            return Sample(now, requests, int(share * requests), [20.0] * requests)


class SimulatedProber:
    """Probes that are answered by whatever serves."""

    def __init__(self, world: World) -> None:
        self.world = world

    def start(self) -> None:
        pass

    def mark(self, slot: str) -> None:
        pass

    def seen(self, slot: str) -> bool:
        return self.world.state.traffic == slot and self.world.ready(slot)

    def stop(self) -> Proof:
        return Proof(sent=100)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true on the simulated target: it survives every kill, and tells when something was wrong for a moment."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import SLOTS, other
from ansible_collections.steady.runbooks.plugins.module_utils.run.schema import lives_with

from .faults import VirtualClock


@dataclass
class Slot:
    """One slot: its record, and what runs of it."""

    release: str | None = None
    web: str = "absent"  # absent | running | stopped
    ready_at: float = 0.0
    hands: set[str] = field(default_factory=set)  # worker, scheduler: those that run
    warm_until: float | None = None


@dataclass
class Plain:
    """The service by plain compose: what its containers are made of, and what runs of them."""

    release: dict[str, Any] | None = None
    web: str = "absent"  # absent | made | stopped | running
    ready_at: float = 0.0
    hands: set[str] = field(default_factory=set)
    stage: str = ""


@dataclass
class Job:
    """A one-off container: it goes on when the act that started it is dead."""

    release: str
    service: str
    ends: float


@dataclass
class State:
    """Everything that a snapshot has to hold."""

    slots: dict[str, Slot] = field(default_factory=lambda: {slot: Slot() for slot in SLOTS})
    traffic: str = "none"
    maintenance: bool = False
    edge: str = "absent"
    base: list[str] = field(default_factory=list)
    base_kept: bool = False
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    scale: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # containers that run beside the first, by service
    images: dict[str, None] = field(default_factory=dict)
    schema: str | None = None
    plain: Plain = field(default_factory=Plain)
    job: Job | None = None
    jobs_ended: list[tuple[str, str]] = field(default_factory=list)
    time: float = field(default=0.0, repr=False)


class World:
    """The target. *wrong* collects every moment in which something was not as it always has to be."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.state = State()
        self.wrong: list[str] = []
        self.one_way = False  # somebody accepted that the old release serves on a schema that it does not know
        self.intent: Callable[[], dict[str, Any] | None] = lambda: None  # the one that is written down

    # -- what is true ---------------------------------------------------------------------------------------------

    def slot(self, slot: str) -> Slot:
        self._pass_time()
        return self.state.slots[slot]

    def record(self, slot: str) -> dict[str, Any]:
        return self.state.releases.get(self.state.slots[slot].release or "") or {}

    def ready(self, slot: str) -> bool:
        one = self.slot(slot)
        return one.web == "running" and self.clock.now() >= one.ready_at

    def schema(self) -> str | None:
        self._pass_time()
        return self.state.schema

    def _pass_time(self) -> None:
        """A job ends by itself, whoever waits for it."""
        job = self.state.job
        if job and self.clock.now() >= job.ends and (job.release, job.service) not in self.state.jobs_ended:
            self.state.jobs_ended.append((job.release, job.service))
            acts = self.state.releases[job.release].get("acts") or {}
            self.state.schema = acts.get("migrates_to", self.state.schema)

    # -- what always has to be true -------------------------------------------------------------------------------

    def before_change(self, what: str, slot: str | None = None) -> None:
        """Called before each change: the intent that allows it is on the disk already."""
        intent = self.intent()
        if not intent:
            self.wrong.append(f"{what} before any intent was written")
        elif what == "shift" and intent["direction"]:
            end = intent["to"] if intent["direction"] == "forward" else intent["from"]
            if slot != (end or {}).get("slot"):
                self.wrong.append(f"the intent says {intent['direction']}, but requests are sent to {slot}")

    def check(self, what: str) -> None:
        """Called after each single effect."""
        state, wrong = self.state, []
        live = state.traffic if state.traffic in SLOTS else None
        if live and not self.ready(live):
            wrong.append(f"requests go to {live}, which is {state.slots[live].web} and not ready")
        schedulers = [slot for slot in SLOTS if "scheduler" in state.slots[slot].hands]
        schedulers += ["plain"] if "scheduler" in state.plain.hands else []
        if state.plain.web == "running" and state.edge == "running":
            wrong.append("the edge and a plain container want the same ports")
        if len(schedulers) > 1:
            wrong.append("two schedulers run")
        running = [self.record(slot) for slot in SLOTS if state.slots[slot].web == "running"]
        running += [state.plain.release or {}] if state.plain.web == "running" else []
        if len(running) > 1 and any(record.get("strategy") == "hold" for record in running):
            wrong.append("two releases run at once, and one of them cannot")
        if len(state.base) != len(set(state.base)):
            wrong.append(f"a state service runs twice: {state.base}")
        if live and not self.one_way and not self.lives(self.record(live)):
            wrong.append(f"{self.record(live)['version']} serves on schema {state.schema}")
        self.wrong += [f"after {what}: {one}" for one in wrong]

    def discarding(self, name: str) -> None:
        """Called before a release, an image or a run is removed."""
        for slot in SLOTS:
            if name in (self.state.slots[slot].release, self.record(slot).get("previous")):
                self.wrong.append(f"what a rollback needs is removed: {name}")

    def lives(self, release: dict[str, Any]) -> bool:
        return lives_with(release, self.schema(), self.state.releases.values())

    def at_rest(self) -> list[str]:
        """What is not as it has to be when no run is at work and none is dead."""
        state, live = self.state, self.state.traffic
        found = list(self.wrong)
        if state.plain.web != "absent" and live not in SLOTS:
            return found + self._plain_at_rest()
        if state.plain.web != "absent" or state.plain.stage not in ("", "taken"):
            found.append(f"plain containers are left: {state.plain}")
        if live == "none":
            busy = [slot for slot in SLOTS if state.slots[slot].web == "running" or state.slots[slot].hands]
            return found + [f"nothing serves, but {slot} runs" for slot in busy]
        if live not in SLOTS:
            return [*found, f"requests are on {live}"]
        mine, idle, record = state.slots[live], state.slots[other(live)], self.record(live)
        expected = set(record.get("hands") or ())
        extra = {name: one["replicas"] - 1 for name, one in state.scale.items() if one.get("replicas", 1) > 1}
        checks = [
            (state.counts == extra, f"more containers than one run: {state.counts} instead of {extra}"),
            (set(record.get("images", {}).values()) <= set(state.images), "an image of what serves is gone"),
            (bool(record), f"no record of what serves in {live}"),
            (self.ready(live), f"{live} serves, but is {mine.web} and not ready"),
            (self.lives(record), f"{record.get('version')} cannot live with schema {state.schema}"),
            (mine.hands == expected, f"workers in {live}: {sorted(mine.hands)} instead of {sorted(expected)}"),
            (not idle.hands, f"workers run beside what serves: {sorted(idle.hands)}"),
            (idle.web != "running" or idle.warm_until is not None, f"{other(live)} runs without an end"),
            (mine.warm_until is None, f"{live} serves, and is to be stopped at the end of a warm window"),
            (state.edge == "running", "the edge does not run"),
            (sorted(state.base) == ["cache", "db"], f"state services: {state.base}"),
            (not state.job, "a job's container is left"),
        ]
        return found + [text for good, text in checks if not good]

    def _plain_at_rest(self) -> list[str]:
        state, plain = self.state, self.state.plain
        expected = set((plain.release or {}).get("hands") or ())
        checks = [
            (plain.web == "running" and self.clock.now() >= plain.ready_at, f"plain containers are {plain.web}"),
            (plain.hands == expected, f"plain workers: {sorted(plain.hands)} instead of {sorted(expected)}"),
            (plain.stage in ("", "returned"), f"the record says {plain.stage}"),
            (state.edge == "absent", f"an edge is left, {state.edge}"),
            (all(state.slots[slot] == Slot() for slot in SLOTS), "a slot is left"),
            (sorted(state.base) == ["cache", "db"], f"state services: {state.base}"),
        ]
        return [text for good, text in checks if not good]

    # -- snapshots ------------------------------------------------------------------------------------------------

    def save(self) -> bytes:
        self.state.time = self.clock.at
        return pickle.dumps(self.state)

    def load(self, saved: bytes) -> None:
        self.state = pickle.loads(saved)
        self.clock.at = self.state.time
        self.wrong = []

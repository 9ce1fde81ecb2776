# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run needs from a platform. Nothing in this package knows more about one than this.

Every call that changes something is level-triggered: it looks at what is true, makes its part true, and answers with
evidence (a dict with at least ``changed``). Called again after a kill it finishes what it had begun.

``describe()`` answers the *observation* that plans are made from::

    {"live": "blue" | "green" | None,            # the slot that gets all new requests
     "traffic": {"live", "canary", "share",      # as the edge has it; live may be "hold" or "none"
                 "maintenance": bool,            # users get the maintenance page, whoever serves
                 "told": bool},                  # false when the edge would do something else after a restart
     "edge": "running" | "stopped" | "absent" | "broken",
     "base": "running" | "partial" | "absent" | "none",
     "base_has": [name, ...],                    # state services, networks and volumes that are set up
     "slots": {"blue": {"release": id | None, "state": "running" | "partial" | "stopped" | "absent",
                        "ready": bool, "workers": "running" | "partial" | "stopped" | "none",
                        "warm_until": seconds | None},
               "green": {...}},
     "releases": {id: {"version", "previous", "schema", "commit", "images", "jobs_done", "strategy", "workers"}},
     "jobs": [{"release": id, "service": name}], # one-off services whose containers are there, at work or ended
     "schema": revision | None,                  # what the database says now; None when none is declared
     "schema_unread": why | "",                  # the database does not answer: "schema" is what it said at last
     "plain": {"stage": begun | taken | leaving | returned | "",  # what runs by plain compose, where there is that
               "directory", "running": [service, ...], "containers": {name: id}},
     "edge_due": bool,                           # the edge has renewed certificates to take
     "scale": {service: Scale},                  # what was asked for beside what the releases say
     "drift": [sentence, ...],                   # what is not as we left it
     "checks": [{"name", "status", "detail", "next_step"}, ...]}   # what only the platform can see
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

from ..verify.http import Address
from ..verify.watch import Sample, Source

Evidence = dict[str, Any]
Observation = dict[str, Any]
Release = dict[str, Any]
Scale = dict[str, Any]  # of one service: {"replicas": n, "cpus": n, "memory": bytes}, each of them or not
Room = dict[str, Any]
Stock = dict[str, Any]
Progress = Callable[[str], None]

SLOTS = ("blue", "green")
PLAIN = "plain"  # where a release runs by plain compose, beside the slots; it answers without the edge


def other(slot: str) -> str:
    """The slot beside this one."""
    return SLOTS[1 - SLOTS.index(slot)]


class Platform(Protocol):
    """One target on one platform."""

    def describe(self) -> Observation:
        """What runs now. Changes nothing."""

    def headroom(
        self, observed: Observation, release: Release | None, steps: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Checks of go or no-go: is there room for what *steps* start of *release* beside what runs? Changes nothing.

        Without a release: for an update like the present one. [] when nothing is started.
        """

    def fetch(self, release: Release, progress: Progress) -> Evidence:
        """Bring what the release consists of to the target, by digest. Called before the lock is taken."""

    def prepare(self, release: Release) -> Evidence:
        """Keep the release's record and source, so that it can be started again later."""

    def base(self, release: Release, progress: Progress) -> Evidence:
        """Start the state services that are not running. Never recreates one that is there."""

    def run_job(self, release: Release, service: str, progress: Progress) -> Evidence:
        """Run a one-off service of the release to its end; once a release."""

    def end_jobs(self, seconds: float, progress: Progress) -> Evidence:
        """Wait until no one-off service is at work any more, and remove what they left, whatever became of them."""

    def remember(self, release: Release) -> Evidence:
        """Record what runs by plain compose, so that it can be started again as it was."""

    def take_ports(self, release: Release, slot: str, progress: Progress) -> Evidence:
        """Stop the plain web containers and hold requests at their ports; wait for the edge to reach *slot*, if any."""

    def dismiss(self) -> Evidence:
        """Remove the plain containers of what slots run. Not state, volumes and networks."""

    def draft(self, release: Release, home: dict[str, Any]) -> Evidence:
        """Make the plain containers of a release from a directory, and start none."""

    def restore(self, release: Release, progress: Progress) -> Evidence:
        """Stop the edge and the slots' workers, start the plain containers and wait until they are ready.

        Where an adoption goes back to it is enough, after that time, that they run."""

    def dissolve(self) -> Evidence:
        """Remove slots and edge; the records stay."""

    def stage(self, slot: str, release: Release, progress: Progress) -> Evidence:
        """Start a release in a slot without traffic and wait until it is ready and the edge can reach it."""

    def shift(self, slot: str) -> Evidence:
        """Give a slot all new requests, those held too; return when it has converged."""

    def drain(self, slot: str, seconds: float, progress: Progress) -> Evidence:
        """Wait until a slot has answered its last request; at the deadline cut what is left open."""

    def hold(self) -> Evidence:
        """Hold new requests instead of failing them, up to the declared longest time."""

    def maintain(self, on: bool | None) -> Evidence:
        """Answer users with the maintenance page, or not any more. Who serves stays, and our probes reach it.

        In any case, and with None only this: let the edge take what was renewed on the target."""

    def handover(self, slot: str, progress: Progress) -> Evidence:
        """Make a slot's workers and schedulers the ones that run."""

    def halt(self, slot: str) -> Evidence:
        """Stop a slot and keep it, so that it can be looked at or started again."""

    def retire(self, slot: str) -> Evidence:
        """Remove a slot."""

    def close(self) -> Evidence:
        """No slot serves: the state before the first release."""

    def settle(self, slot: str, release: Release, warm_until: float | None, previous: str | None) -> Evidence:
        """Record which release a slot serves, which was live before it, and how long the other slot is kept warm."""

    def stock(self) -> Stock:
        """What is kept here for later, and how much of it is wanted. Changes nothing::

        {"at": now, "keep": {"releases", "runs", "days"},
         "releases": {id: {"bytes", "time": when it went live last, "images": [name], "used": by whom, or ""}},
         "runs": {id: {"bytes", "time": when it ended}},          # those that nobody is at work on
         "images": {name: {"bytes", "used": by whom beside our own releases, or ""}}}   # those that are here
        """

    def home(self, observed: Observation) -> dict[str, Any]:
        """Where an unadoption makes the plain containers of the live release from; {} when none is live."""

    def discard(self, kind: str, names: list[str]) -> Evidence:
        """Remove what :meth:`stock` told: *kind* is ``release``, ``run`` or ``image``."""

    def room(self) -> Room:
        """What there is left: ``{"cpus": n, "free": bytes or None, "slots": {slot: {service: [bytes, ...]}}}``."""

    def scale(self, service: str, wanted: Scale, progress: Progress) -> Evidence:
        """Run as many containers of a service as wanted, each with as much, now and in later releases; an empty
        *wanted* is what the release itself says."""

    def counters(self) -> dict[str, dict[str, float]]:
        """``requests`` and ``errors`` by slot since the edge started counting."""

    def source(self, slot: str, overdue_seconds: float) -> Source:
        """Where a watch gets a slot's figures from; an open request older than *overdue_seconds* counts as bad."""

    def history(self, slot: str, since: float, until: float) -> list[Sample]:
        """What users got from a slot between two times, a sample a second."""

    def health(self, slot: str) -> tuple[bool, str]:
        """Whether the slot's containers are all up and healthy, and what was seen."""

    def logs(self, slot: str, since: float, lines: int = 200) -> list[str]:
        """The slot's own log lines since a time, oldest first."""

    def entrances(self) -> list[dict[str, Any]]:
        """Where users come in: ``{"host", "port", "path", "mode", "tls"}`` each."""

    def address(self, slot: str | None, service: str, port: int | None) -> Address:
        """Where a service answers: in a slot directly, or (slot None) through the edge."""

    def probe_token(self) -> str:
        """The secret by which the edge knows our own requests."""

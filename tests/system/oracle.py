# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be true on this machine when all runs of a service have ended, however they died."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections import Counter
from typing import Any
from urllib.parse import quote

from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import is_running, service_of
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused, RunbookError
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import SLOTS, other
from ansible_collections.steady.runbooks.plugins.module_utils.run.journal import unfinished
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import HostLock, process_identity
from ansible_collections.steady.runbooks.tests.system.acting import Act, Acting
from ansible_collections.steady.runbooks.tests.system.hello import docker

REQUESTS = 25  # on new connections, and as many on a kept one
HANDS = ("worker", "scheduler")


def not_whole(acting: Acting) -> list[str]:
    """Everything that is not as it has to be: empty when one whole release serves and nothing is left over."""
    observed = acting.platform.describe()
    found = [f"drift: {sentence}" for sentence in observed["drift"]]
    live = observed["live"]
    if live is None:
        found.append(f"no slot serves: {observed['traffic']}")
    else:
        found += _serving(acting, observed, live) + _idle(acting, observed, other(live))
    found += _containers(acting) + _networks_and_volumes(acting) + _files(acting) + _records(acting)
    return found + _second_recovery(acting)


def recorded(acting: Acting, act: Act) -> bool:
    """Whether a run had ended when it was killed: its line in the ledger comes before its result."""
    return act.ended() or (Ledger(acting.files).last() or {}).get("run") == act.run


def unreported(acting: Acting) -> list[str]:
    """The same when a run was killed after its end: its record is complete, and it only wrote its result or a report.
    What is left of that goes with the next run."""
    return [one for one in not_whole(acting) if not re.match("runs/.*/.new-", one)]


def answers(acting: Acting) -> Counter[str]:
    """How often which version answered at the published port; what is no answer counts as its error."""
    seen: Counter[str] = Counter()
    url = f"http://127.0.0.1:{acting.hello.port}/"
    for _number in range(REQUESTS):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                seen[json.load(answer)["version"]] += 1
        except (OSError, ValueError) as error:
            seen[repr(error)] += 1
    return seen


def _serving(acting: Acting, observed: dict[str, Any], live: str) -> list[str]:
    state, found = observed["slots"][live], []
    record = observed["releases"].get(state["release"] or "")
    if not record:
        return [f"no record of what serves in {live}"]
    if not state["ready"]:
        found.append(f"{live} serves, but is {state['state']} and not ready")
    if state["warm_until"] is not None:
        found.append(f"{live} serves, and is to be stopped at the end of a warm window")
    seen = answers(acting)
    if set(seen) != {record["version"]}:
        found.append(f"{record['version']} serves, but the answers are from {dict(seen)}")
    edge = acting.platform.edge.observe()
    if edge["state"] != "running" or edge["running_traffic"] != edge["traffic"] or observed["traffic"]["share"]:
        found.append(f"the edge is {edge['state']} and sends {edge['running_traffic']} by {edge['traffic']}")
    hands = sorted(name for name, role in record["roles"].items() if role in HANDS)
    running = sorted(service_of(c) for c in _of(acting, live) if service_of(c) in hands and is_running(c))
    if running != hands:
        found.append(f"workers in {live}: {running} instead of {hands}")
    wanted = [name for name, role in record["roles"].items() if role == "state"]
    base = {service_of(c): is_running(c) for c in acting.platform.host.base_containers()}
    if base != dict.fromkeys(wanted, True):
        found.append(f"state services: {base}")
    return found


def _idle(acting: Acting, observed: dict[str, Any], idle: str) -> list[str]:
    state, found = observed["slots"][idle], []
    running = [c["Name"] for c in _of(acting, idle) if is_running(c) or c["State"]["Status"] == "restarting"]
    record = observed["releases"].get(state["release"] or "") or {}
    if running and state["warm_until"] is None:
        found.append(f"{idle} runs without an end: {running}")
    roles = record.get("roles") or {}
    hands = [c["Name"] for c in _of(acting, idle) if is_running(c) and roles.get(service_of(c)) in HANDS]
    if hands:
        found.append(f"workers run beside what serves: {hands}")
    if _of(acting, idle) and not record:
        found.append(f"{idle} has containers and no record")
    return found


def _of(acting: Acting, slot: str) -> list[dict[str, Any]]:
    return acting.platform.host.slot_containers(slot)


def _projects(acting: Acting) -> list[str]:
    return [acting.hello.name + end for end in ("", "-blue", "-green", "-edge", "-job")]


def _containers(acting: Acting) -> list[str]:
    """Containers that belong to no slot, base or edge, or are neither up nor stopped: of jobs, of checks, half made."""
    name, found = acting.hello.name, []
    files = acting.files
    for line in docker("ps", "--all", "--no-trunc", "--format", "{{.Names}}\t{{.State}}\t{{.Labels}}\t{{.Mounts}}"):
        container, state, labels, mounts = line.split("\t")
        project = dict(word.partition("=")[::2] for word in labels.split(",")).get("com.docker.compose.project", "")
        ours = project in _projects(acting) or container.startswith(f"{name}-") or files.root in mounts
        if not ours or "steady.placeholder=" in labels:
            continue
        slot = next((slot for slot in SLOTS if project == f"{name}-{slot}"), "")
        if project == f"{name}-job" or not project:
            found.append(f"container {container} is left ({state})")
        elif slot and not files.exists(f"slots/{slot}/slot.json"):
            found.append(f"container {container} is in a free slot")
        elif state not in ("running", "exited") and not (
            slot and state == "created"
        ):  # kept before it was ever started
            found.append(f"container {container} is {state}")
    return found


def _networks_and_volumes(acting: Acting) -> list[str]:
    name, found = acting.hello.name, []
    for project in _projects(acting):
        label = f"label=com.docker.compose.project={project}"
        slot = next((slot for slot in SLOTS if project == f"{name}-{slot}"), "")
        free = slot and not acting.files.exists(f"slots/{slot}/slot.json")
        for kind in ("network", "volume"):
            names = docker(kind, "ls", "--filter", label, "--format", "{{.Name}}")
            wrong = free or project.endswith("-job") or (slot and kind == "volume")
            found += [f"{kind} {each} of {project} is left" for each in names if wrong]
            found += [f"{kind} {each} is there twice" for each, count in Counter(names).items() if count > 1]
    return found


def _files(acting: Acting) -> list[str]:
    """Whatever was not yet in its place when something died."""
    found = []
    ended = max((path.stat().st_mtime for path in acting.hello.state.glob("runs/*/result.json")), default=0.0)
    for path in acting.hello.state.rglob("*"):
        relative = path.relative_to(acting.hello.state)
        parts = relative.parts
        writer = re.match(r"\.new-([0-9]+)-", path.name)
        left = (
            path.name.startswith(".new")
            and not (writer and process_identity(int(writer[1]))["process_start"])  # by somebody who lives
            or (parts[0] == "incoming" and path.stat().st_mtime < ended)  # a plan for nobody is not
            or relative.match("edge/config.next")
        )
        if left:
            found.append(f"{relative} is left")
    return found


def _records(acting: Acting) -> list[str]:
    files, clock, found = acting.files, acting.platform.host.clock, []
    held = HostLock(files, clock).holder()
    if held and held.get("runbook") != "warm window":
        found.append(f"the lock is held: {held}")
    dead = unfinished(files, clock)
    if dead:
        found.append(f"run {dead.run} is left unfinished")
    try:
        if Ledger(files).verify()["torn"]:
            found.append("the ledger's last line is torn")
    except RunbookError as error:
        found.append(error.detail)
    return found


def _second_recovery(acting: Acting) -> list[str]:
    try:
        planned = acting.plan("recover")
    except Refused as error:
        return [] if error.code == "nothing_to_recover" else [f"a second recover says: {error.detail}"]
    return [f"a second recover would do: {planned['text']}"]


class Watcher:
    """Looks all the time that no two schedulers run, nor two of an exclusive service; used as a context manager."""

    def __init__(self, acting: Acting, *alone: str) -> None:
        self.acting, self.alone = acting, alone
        self.wrong: list[str] = []
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        engine = self.acting.platform.host.docker.engine
        filters = quote(json.dumps({"label": [f"steady.service={self.acting.hello.name}"], "status": ["running"]}))
        while not self._stop.wait(0.03):
            try:
                _status, listed = engine.json("GET", f"/containers/json?filters={filters}")
            except RunbookError:
                continue  # an engine that a test has stopped
            self.looks += 1
            up = Counter(one["Labels"].get("steady.compose_service") for one in listed or [])
            self.wrong += [f"at {time.time():.3f} {up[name]} {name} run" for name in self.alone if up[name] > 1]

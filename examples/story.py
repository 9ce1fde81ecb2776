# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the demo is told: stages, runbooks with what they say, what users saw of each, and the summary."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.steady.runbooks.tests.system.runner import Played, play
from ansible_collections.steady.runbooks.tests.system.traffic import Seen, Traffic

RATE = 100  # requests a second
LONGEST_STORY = 1500  # seconds; then the users go home
REPEATED = ("] go: ", "] not configured: ", "]   - ")  # shown for the first release only


class StoryError(Exception):
    """It did not go as it is told; the sentence says where."""


class Story:
    """Tells on standard output, and stops by :class:`StoryError` as soon as something is not as it was told."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._number = 0
        self._traffic: Traffic | None = None
        self._since = 0.0
        self._heard: dict[str, Seen] = {}  # run id: what users saw from its begin to its end
        self._last: Played | None = None
        self._entries: list[dict[str, Any]] = []

    def stage(self, title: str) -> None:
        self._number += 1
        at = time.monotonic() - self._begun
        print(f"\n== {self._number}. {title}  [{int(at // 60)}:{int(at % 60):02d}]", flush=True)

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def runbook(self, name: str, expected: str = "done", **extra: Any) -> None:
        """Run a runbook, show what it says, and hold it to the outcome that the story expects."""
        words = ["ansible-playbook", f"playbooks/{name}.yml", "-e", "env=local"]
        for key, value in extra.items():
            words += ["-e", f"{key}={value}" if isinstance(value, str) else json.dumps({key: value})]
        print(f"   $ {shlex.join(words)}", flush=True)
        self._since = time.time()
        played = self._last = play(name, extra, on_text=self._show)
        outcome = played.run.get("outcome", "done" if played.rc == 0 else "failed")
        if outcome != expected or (played.rc == 0) != (expected == "done"):
            print(played.stdout)
            raise StoryError(f"{shlex.join(words)} ended as {outcome} (exit status {played.rc}), not as {expected}")
        if played.complaints:
            raise StoryError(f"{shlex.join(words)} warned: {played.complaints[0]}")
        if name == "status":
            for line in played.result("compose_info")["text"].splitlines():
                self.say(line)
        if self._traffic and "run" in played.run:
            time.sleep(0.5)  # the last answers are still under way
            self._heard[played.run["run"]] = self._traffic.seen(self._since)

    def _show(self, text: str) -> None:
        for line in text.splitlines():
            if any(mark in line for mark in REPEATED) and self._number > 2:
                continue
            if line.startswith("  ["):
                print(f"   {line.strip()}", flush=True)
            elif line.startswith("[ERROR]"):
                print(f"   {line.replace('[ERROR]: Task failed: Action failed: ', 'failed: ')}", flush=True)

    @contextlib.contextmanager
    def users(self, url: str, requests: Sequence[str]) -> Iterator[None]:
        """People who use the service until the block ends."""
        with Traffic(url, rate=RATE, seconds=LONGEST_STORY, requests=list(requests)) as traffic:
            self._traffic = traffic
            self.say(f"From now on {RATE} requests a second go to {url}: pages, orders, and what the pages ask for.")
            yield
            self._traffic = None

    def expect_nobody_noticed(self, serves: str) -> None:
        seen = self._told(serves)
        if seen.failed:
            raise StoryError(f"{seen.failed} requests of users failed: {seen.reasons}")

    def expect_errors_of(self, bad: str, serves: str) -> None:
        """Users may have seen errors, but only the bad release's own, and only while it served."""
        seen = self._told(serves)
        if bad not in seen.versions:
            raise StoryError(f"{bad} never served")
        if set(seen.reasons) - {"status 500"}:
            raise StoryError(f"users saw more than the errors of {bad}: {seen.reasons}")
        shown = seen.lasts[bad] - seen.firsts[bad]
        self.say(f"{bad} served for {shown:.1f} s; nobody had to do anything.")

    def _told(self, serves: str) -> Seen:
        assert self._traffic and self._last
        seen = self._heard[self._last.run["run"]]
        self.say(f"users: {seen}")
        now = self._traffic.seen(time.time() - 0.4)
        if set(now.versions) != {serves}:
            raise StoryError(f"{sorted(now.versions)} answers now, not {serves}")
        return seen

    def ledger(self) -> None:
        """The ledger, checked against its chain, as a runbook tells it."""
        self.runbook("history", verify="true")
        assert self._last
        told = self._last.result("compose_history_info")
        self._entries = told["entries"]
        for line in told["text"].splitlines():
            self.say(line)

    def summary(self, seconds: float) -> None:
        print("\n== Each switch: our own probes, as the ledger has them, and the users' requests")
        for entry in self._entries:
            ends = " -> ".join((entry[end] or {}).get("version", "nothing") for end in ("from", "to"))
            print(f"   {entry['runbook']} {ends}: {entry['outcome']} in {entry['seconds']:.0f} s")
            for name, kind in (("proof", "probes"), ("proof_back", "probes on the way back")):
                if entry.get(name):
                    print(f"      {kind}: {entry[name]['say']}")
            seen = self._heard.get(entry["run"])
            if seen:
                why = ", all of them answered with an error by the bad release" if seen.failed else ""
                gap = f"longest gap {seen.longest_gap_ms:.0f} ms"
                print(f"      users:  {seen.failed} of {seen.sent} failed{why}, {gap}")
        print(f"\nDone in {int(seconds // 60)} min {int(seconds % 60)} s. The shop runs on http://127.0.0.1:8080.")
        print("Go on by hand:")
        print("   source .venv/bin/activate && ansible-playbook playbooks/rollback.yml -e env=local")
        print("   make clean     # takes everything away")

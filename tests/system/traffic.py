# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of a service: a load that runs in a process of its own, so that what else is done here does not slow it down,
and that can be asked at any time what its users have seen since then.

    with Traffic("http://127.0.0.1:8000", rate=300, seconds=120, requests=["75 GET /version"]) as traffic:
        since = time.time()
        ...                                   # act
        seen = traffic.seen(since)            # see Seen; more than once
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.steady.runbooks.tests.system.load import Background, Load, Request
from ansible_collections.steady.runbooks.tests.system.load_h2 import H2Load

COLLECTIONS = Path(__file__).resolve().parents[2] / ".ansible" / "collections"


@dataclass(frozen=True)
class Seen:
    """What users saw between two moments; times in epoch seconds."""

    since: float
    until: float
    good: int
    failed: int
    reasons: dict[str, int]
    versions: dict[str, int]  # answers by X-Version
    firsts: dict[str, float]  # when each version first answered
    lasts: dict[str, float]
    longest_gap_ms: float  # between two good answers
    p50_ms: float
    p95_ms: float
    websockets: list[dict[str, Any]]  # {version, opened, closed}, all of them

    @property
    def sent(self) -> int:
        return self.good + self.failed

    def __str__(self) -> str:
        who = ", ".join(f"{number} from {version or '?'}" for version, number in self.versions.items())
        why = f" ({', '.join(f'{number} {reason}' for reason, number in self.reasons.items())})" if self.failed else ""
        return f"{self.failed} of {self.sent} failed{why}, longest gap {self.longest_gap_ms:.0f} ms; answers: {who}"


class Traffic:
    """Starts with the block and ends with it, at the latest after ``seconds``. Options are those of ``load.Load``, and
    ``http2``."""

    def __init__(self, url: str, **options: Any) -> None:
        self._words = [sys.executable, "-m", __name__ if __name__ != "__main__" else _NAME]
        self._words.append(json.dumps({"url": url, **options}))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Traffic:
        environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._answer() == "started"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def seen(self, since: float = 0.0, until: float | None = None) -> Seen:
        """What came back from *since* until now."""
        return Seen(**self._ask(since=since, until=until or time.time()))

    def stop(self) -> None:
        """Send no more, and be gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.communicate(timeout=30)
        process.wait(timeout=30)

    def _ask(self, **question: float) -> dict[str, Any]:
        assert self._process and self._process.stdin, "the traffic has ended"
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return dict(self._answer())

    def _answer(self) -> Any:
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the load generator ended"
        return json.loads(line)


_NAME = "ansible_collections.steady.runbooks.tests.system.traffic"


def between(load: Load, since: float, until: float) -> dict[str, Any]:
    """The fields of :class:`Seen` from what a load has noted so far."""
    number = min(len(load.answers), len(load.latencies))
    rows = [
        (when, version, took)
        for (when, version), took in zip(load.answers[:number], load.latencies[:number])
        if since <= when <= until
    ]
    reasons = Counter(reason for when, reason in list(load.failures) if since <= when <= until)
    marks = [max(since, load.began), *sorted(when for when, _version, _took in rows), min(until, time.time())]
    took = sorted(row[2] for row in rows)
    firsts: dict[str, float] = {}
    lasts: dict[str, float] = {}
    for when, version, _took in rows:
        firsts[version] = min(when, firsts.get(version, math.inf))
        lasts[version] = max(when, lasts.get(version, 0.0))
    return {
        "since": marks[0],
        "until": marks[-1],
        "good": len(rows),
        "failed": sum(reasons.values()),
        "reasons": dict(reasons),
        "versions": dict(Counter(version for _when, version, _took in rows)),
        "firsts": firsts,
        "lasts": lasts,
        "longest_gap_ms": round(1000 * max(after - before for before, after in zip(marks, marks[1:])), 1),
        "p50_ms": round(1000 * took[len(took) // 2], 1) if took else 0.0,
        "p95_ms": round(1000 * took[int(0.95 * len(took))], 1) if took else 0.0,
        "websockets": load.sockets,
    }


def main() -> None:
    """Answer questions from standard input until it is closed."""
    options = json.loads(sys.argv[1])
    options["requests"] = tuple(Request.parse(text) for text in options.get("requests", ()))
    options["echo"] = frozenset(options.get("echo", ()))
    kind = H2Load if options.pop("http2", False) else Load
    load = kind(options.pop("url"), **options)
    with Background(load) as background:
        print(json.dumps("started"), flush=True)
        for line in sys.stdin:
            print(json.dumps(between(load, **json.loads(line))), flush=True)
        background.stop()


if __name__ == "__main__":
    main()

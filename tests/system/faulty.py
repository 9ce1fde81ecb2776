# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The act in a world where something goes wrong: acting.py puts it beside the act and starts it instead of the act.

Everything that the act does outside of itself is a point with a name: a durable write, a docker command, a request to
the engine, a question to the edge. STEADY_FAULTS (JSON) says what happens at one of them, or what the clock does::

    {"log": file that gets the name of each point as it is passed,
     "point": name, "occurrence": 1 for the first time that it is passed,
     "do": "fail" | "kill" | "kill after" | "slow", "still": true when everything of that kind fails from then on,
     "clock": [[seconds since the start, seconds that the clock is wrong from then on], ...]}
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import time
from typing import Any, Callable

from .compose import act, platform
from .compose.docker import Docker
from .compose.edge_runtime import Runtime
from .compose.engine_api import _Local
from .run.clock import Clock
from .run.files import Files

SLOW_SECONDS = 3.0
FAULTS: dict[str, Any] = json.loads(os.environ.get("STEADY_FAULTS") or "{}")
Call = Callable[..., Any]


class Points:
    """Counts what is passed."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.broken = ""  # a kind of which everything fails

    def passing(self, kind: str, what: str, call: Callable[[], Any], failure: Callable[[], Any]) -> Any:
        """Do *call*, or what is to happen instead."""
        name = f"{kind} {what}"
        self.count[name] = self.count.get(name, 0) + 1
        if FAULTS.get("log"):
            with open(FAULTS["log"], "a", encoding="utf-8") as log:
                log.write(name + "\n")
        if kind == self.broken:
            return failure()
        if (name, self.count[name]) != (FAULTS.get("point"), FAULTS.get("occurrence", 1)):
            return call()
        do = FAULTS["do"]
        if do == "fail":
            self.broken = kind if FAULTS.get("still") else ""
            return failure()
        if do == "slow":
            time.sleep(SLOW_SECONDS)
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call()
        if do == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


POINTS = Points()


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken() -> None:
    raise ConnectionResetError("on purpose")


def named(path: str) -> str:
    """A path without what is another one in each run."""
    return re.sub(r"\d{8}T\d{6}-[a-z_]+-[0-9a-f]{6}", "RUN", re.sub(r"-[0-9a-f]{8}(?=/)|[0-9a-f]{12,}", "", path))


def write(original: Call, what: Callable[..., str]) -> Call:
    def passing(*args: Any, **options: Any) -> Any:
        return POINTS.passing("write", named(what(*args)), lambda: original(*args, **options), full)

    return passing


def run(original: Call) -> Call:
    """A docker command that fails as Docker's own do."""

    def passing(self: Docker, *arguments: str, **options: Any) -> Any:
        words = [named(os.path.basename(word)) for word in arguments if not word.startswith(("-", "{", "label"))]
        known = [word for word in words if re.match(r"[a-z]", word) and not word.isdigit()]
        said = subprocess.CompletedProcess(arguments, 1, "", "Error response from daemon: it fails on purpose")
        return POINTS.passing(
            "docker", " ".join(known[:4]), lambda: original(self, *arguments, **options), lambda: said
        )

    return passing


def connect(original: Call) -> Call:
    def passing(self: _Local) -> Any:
        return POINTS.passing("engine", "request", lambda: original(self), broken)

    return passing


def exchange(original: Call) -> Call:
    def passing(self: Runtime, text: str) -> Any:
        what = " ".join(re.sub(r"@\S+ ?", "", text).split()[:2])
        return POINTS.passing("edge", what, lambda: original(self, text), broken)

    return passing


def wrong_clock(original: Call) -> Call:
    begun = time.monotonic()

    def now(self: Clock) -> float:
        since = time.monotonic() - begun
        return float(original(self)) + sum(jump for after, jump in FAULTS.get("clock") or () if since >= after)

    return now


def main() -> None:
    """The act, with all of this around it."""
    durable = Files.append
    appended = write(durable, lambda files, path, *rest: f"append {path}")

    def append(files: Files, path: str, line: bytes, durable_too: bool = True, **options: bool) -> None:
        kept = options.get("durable", durable_too)
        (appended if kept else durable)(files, path, line, kept)

    for patched, name, replacement in (
        (Files, "write", write(Files.write, lambda files, path, *rest: path)),
        (Files, "append", append),
        (platform, "unpack", write(platform.unpack, lambda tar, where: f"unpack {os.path.basename(where)}")),
        (Docker, "run", run(Docker.run)),
        (_Local, "connect", connect(_Local.connect)),
        (Runtime, "_exchange", exchange(Runtime._exchange)),
        (Clock, "now", wrong_clock(Clock.now)),
    ):
        setattr(patched, name, replacement)
    act.main()

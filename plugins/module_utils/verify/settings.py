# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a watch (how long, when it is judged, the limits of each phase) and of the proof of a switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import fields

KEYS = ("seconds", "checkpoints", "errors_percent", "p95_ms", "p99_ms", "log_errors", "normal")
LIMITS = ("errors_percent", "p95_ms", "p99_ms", "log_errors")
LONGEST = 24 * 3600
DEFAULT_SECONDS = 300
DEFAULT_CHECKPOINTS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
WARMUP_SECONDS, WARMUP_REQUESTS = 60.0, 100


@dataclass(frozen=True)
class Limits:
    """What a release may not exceed. None means: not judged.

    The defaults are those of a release, which are tighter than in normal running: :data:`NORMAL`.
    """

    errors_percent: float | None = 0.5  # 5xx, failed connects, resets and overdue requests, of all requests
    p95_ms: float | None = 800.0
    p99_ms: float | None = 1000.0
    log_errors: int | None = None  # error lines since the release's own start
    warmup_seconds: float = WARMUP_SECONDS  # latencies before this do not count; errors always do
    warmup_requests: int = WARMUP_REQUESTS
    alpha: float = 0.01  # the chance, over the whole watch, that a release exactly at its limits is failed

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}


RELEASE = Limits()
NORMAL = Limits(errors_percent=1.0, p95_ms=1000.0, p99_ms=5000.0)


@dataclass(frozen=True)
class Watch:
    """How a new release is watched: *seconds* long (0: not at all), judged at the *checkpoints* (seconds)."""

    seconds: int
    checkpoints: tuple[int, ...]
    limits: Limits
    normal: Limits


def parse_watch(data: Any, name: str = "service_watch") -> Watch:
    """Read ``{seconds, checkpoints, errors_percent, p95_ms, p99_ms, log_errors, normal: {the four limits}}``.

    Everything has a default; a limit that is false (``off``) is not judged. The last checkpoint is always the end
    of the watch. Raises :class:`Refused` naming the field.
    """
    watch = fields.mapping({} if data is None else data, name, KEYS)
    seconds = DEFAULT_SECONDS
    if watch.get("seconds") is not None:
        seconds = fields.whole(watch["seconds"], f"{name}.seconds", 0, LONGEST)
    checkpoints = _checkpoints(watch.get("checkpoints"), f"{name}.checkpoints", seconds)
    warmup = min(WARMUP_SECONDS, seconds / 5.0)
    release = _limits(watch, name, RELEASE, warmup)
    normal_data = fields.mapping(watch.get("normal") or {}, f"{name}.normal", LIMITS)
    # Normal running is never judged harder than a release, whatever was declared for the release alone.
    looser = Limits(
        errors_percent=_looser(release.errors_percent, NORMAL.errors_percent),
        p95_ms=_looser(release.p95_ms, NORMAL.p95_ms),
        p99_ms=_looser(release.p99_ms, NORMAL.p99_ms),
        log_errors=release.log_errors,
    )
    normal = _limits(normal_data, f"{name}.normal", looser, WARMUP_SECONDS)
    return Watch(seconds, checkpoints, release, normal)


@dataclass(frozen=True)
class ProofLimits:
    """What users may notice of a switch: failed probes, and the longest time without a successful one."""

    path: str = "/"
    max_failed: int = 0
    max_gap_ms: int = 1000


def parse_proof(data: Any, name: str = "service_proof") -> ProofLimits:
    """Read ``{path, max_failed, max_gap_ms}``. Raises :class:`Refused` naming the field."""
    proof = fields.mapping({} if data is None else data, name, ("path", "max_failed", "max_gap_ms"))
    values: dict[str, Any] = {}
    if proof.get("path") is not None:
        values["path"] = fields.text(
            proof["path"], f"{name}.path", 2000, r"/[^#]*", "a path that starts with '/' and has no '#'"
        )
    if proof.get("max_failed") is not None:
        values["max_failed"] = fields.whole(proof["max_failed"], f"{name}.max_failed", 0, 1_000_000)
    if proof.get("max_gap_ms") is not None:
        values["max_gap_ms"] = fields.whole(proof["max_gap_ms"], f"{name}.max_gap_ms", 50, 3_600_000)
    return ProofLimits(**values)


def _checkpoints(data: Any, where: str, seconds: int) -> tuple[int, ...]:
    if seconds == 0:
        return ()
    if data is None:
        return tuple(second for second in DEFAULT_CHECKPOINTS if second < seconds) + (seconds,)
    points: list[int] = []
    for index, value in enumerate(fields.entries(data, where, 50)):
        point = fields.whole(value, f"{where}[{index}]", 1, seconds)
        if points and point <= points[-1]:
            raise fields.refuse(f"{where}[{index}]", f"must be later than {points[-1]}, not {point}")
        points.append(point)
    return tuple(points) if points and points[-1] == seconds else (*points, seconds)


def _limits(data: Mapping[str, Any], name: str, default: Limits, warmup: float) -> Limits:
    given = {key: data[key] for key in LIMITS if data.get(key) is not None}

    def limit(key: str, otherwise: float | None, least: float, most: float) -> float | None:
        if key not in given:
            return otherwise
        return None if given[key] is False else fields.number(given[key], f"{name}.{key}", least, most)

    errors = limit("errors_percent", default.errors_percent, 0, 99)
    p95 = limit("p95_ms", default.p95_ms, 1, 3_600_000)
    p99 = limit("p99_ms", default.p99_ms, 1, 3_600_000)
    if p95 is not None and p99 is not None and p99 < p95:
        if "p95_ms" in given and "p99_ms" in given:
            raise fields.refuse(f"{name}.p99_ms", f"must not be below {name}.p95_ms ({p95:g}), and is {p99:g}")
        # Whoever names one limit must not be held by a default that contradicts it.
        p95, p99 = (p95, p95) if "p95_ms" in given else (p99, p99)
    log_errors = default.log_errors
    if "log_errors" in given:
        off = given["log_errors"] is False
        log_errors = None if off else fields.whole(given["log_errors"], f"{name}.log_errors", 0, 1_000_000)
    return Limits(errors, p95, p99, log_errors, warmup)


def _looser(release: float | None, normal: float | None) -> float | None:
    if release is None:
        return None
    return release if normal is None else max(release, normal)

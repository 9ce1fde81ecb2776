# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a watch may be declared to be."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.verify.settings import (
    ProofLimits,
    parse_proof,
    parse_watch,
)


@pytest.mark.parametrize("data", [None, {}, {"seconds": None, "p95_ms": None, "normal": None}])
def test_everything_has_a_default(data: Any) -> None:
    watch = parse_watch(data)
    assert (watch.seconds, watch.checkpoints) == (300, (30, 60, 120, 300))
    release, normal = watch.limits, watch.normal
    assert (release.errors_percent, release.p95_ms, release.p99_ms, release.log_errors) == (0.5, 800, 1000, None)
    assert (normal.errors_percent, normal.p95_ms, normal.p99_ms) == (1.0, 1000, 5000)
    assert (release.warmup_seconds, release.warmup_requests) == (60, 100)


def test_what_is_declared_is_taken() -> None:
    watch = parse_watch(
        {
            "seconds": 20,
            "checkpoints": [5, 10],
            "errors_percent": 2,
            "p95_ms": 1500,
            "p99_ms": False,
            "log_errors": 0,
            "normal": {"p95_ms": 4000},
        }
    )
    assert watch.checkpoints == (5, 10, 20)
    assert watch.limits.as_dict() == {"errors_percent": 2.0, "p95_ms": 1500.0, "log_errors": 0}
    assert watch.limits.warmup_seconds == 4.0
    # Normal running is not judged harder than the release.
    assert watch.normal.as_dict() == {"errors_percent": 2.0, "p95_ms": 4000.0, "log_errors": 0}


def test_one_declared_latency_moves_the_default_of_the_other() -> None:
    assert parse_watch({"p95_ms": 3000}).limits.p99_ms == 3000
    assert parse_watch({"p99_ms": 300}).limits.p95_ms == 300
    assert parse_watch({"p95_ms": 900}).limits.p99_ms == 1000


def test_a_watch_may_be_none() -> None:
    assert parse_watch({"seconds": 0}).checkpoints == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "service_watch must be a mapping with seconds, checkpoints"),
        ({"secnods": 3}, "service_watch has the unknown key 'secnods' (did you mean 'seconds'?)"),
        ({"seconds": "300"}, "service_watch.seconds must be a whole number from 0 to 86400, not a string ('300')"),
        ({"seconds": 1.5}, "service_watch.seconds must be a whole number"),
        ({"seconds": -1}, "service_watch.seconds must be from 0 to 86400, not -1"),
        ({"checkpoints": 30}, "service_watch.checkpoints must be a list, not a number"),
        ({"checkpoints": [30, 20]}, "service_watch.checkpoints[1] must be later than 30, not 20"),
        ({"checkpoints": [30, 30]}, "service_watch.checkpoints[1] must be later than 30, not 30"),
        ({"checkpoints": [0]}, "service_watch.checkpoints[0] must be from 1 to 300, not 0"),
        ({"checkpoints": [600]}, "service_watch.checkpoints[0] must be from 1 to 300, not 600"),
        ({"errors_percent": "0.5"}, "service_watch.errors_percent must be a number from 0 to 99, not a string"),
        ({"errors_percent": True}, "service_watch.errors_percent must be a number from 0 to 99, not a boolean"),
        ({"errors_percent": float("nan")}, "service_watch.errors_percent must be from 0 to 99, not nan"),
        ({"errors_percent": 100}, "service_watch.errors_percent must be from 0 to 99, not 100"),
        ({"p95_ms": 0}, "service_watch.p95_ms must be from 1 to 3600000, not 0"),
        ({"p95_ms": 500, "p99_ms": 400}, "service_watch.p99_ms must not be below service_watch.p95_ms (500)"),
        ({"log_errors": 1.5}, "service_watch.log_errors must be a whole number"),
        ({"normal": {"seconds": 3}}, "service_watch.normal has the unknown key 'seconds'"),
        ({"normal": {"p95_ms": "1s"}}, "service_watch.normal.p95_ms must be a number"),
    ],
)
def test_what_is_no_watch_is_refused(data: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_watch(data)
    assert refused.value.detail.startswith(said)
    assert refused.value.next_step.startswith("Correct service_watch")


def test_the_proof_has_defaults() -> None:
    assert parse_proof(None) == ProofLimits("/", 0, 1000)
    assert parse_proof({"path": "/up", "max_failed": 2, "max_gap_ms": 500}) == ProofLimits("/up", 2, 500)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declared checks of a release: smoke tests and version, in a slot or through the edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..verify.http import Address
from ..verify.smoke import check_version, parse_smoke_tests, run_smoke_tests
from .clock import Clock
from .contract import Platform, Release


def check_release(
    platform: Platform,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    clock: Clock,
    slot: str | None,
    release: Release,
) -> list[dict[str, Any]]:
    """One result a check; *slot* None means through the edge, as users come in."""

    def address_of(service: str | None, port: int | None) -> Address:
        return platform.address(slot, service or "", port)

    mark = {"X-Steady-Probe": platform.probe_token()}
    results = run_smoke_tests(parse_smoke_tests(settings.get("smoke_tests") or []), address_of, secrets, clock, mark)
    if settings.get("version_endpoint"):
        results.append(check_version(settings["version_endpoint"], address_of, release["version"], mark))
    return results

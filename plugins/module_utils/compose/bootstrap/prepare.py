# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look, decide, make true, look again."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ...errors import StepFailed
from ...run.clock import Clock
from .decide import Change, Wish, decide, lacks_packages, live_restore_hindrance, packages
from .engine import start, turn_on_live_restore
from .install import install, repository_answers
from .observe import Seen, observe


def prepare(wish: Wish, clock: Clock, *, dry: bool) -> dict[str, Any]:
    """Make this host what *wish* says, or with *dry* only tell: ``changes``, ``warnings`` and what is there now."""
    seen = observe(wish.directory)
    if wish.install and wish.packages_from != "distribution" and lacks_packages(seen):
        seen = replace(seen, repository_answers=repository_answers(seen, wish.repository))
    changes, warnings = decide(seen, wish)
    if changes and not dry:
        for change in list(changes):
            warning = _make_true(change, seen, wish, clock)
            if warning:
                warnings.append(warning)
                changes.remove(change)
            seen = observe(wish.directory)
        _verify(seen, wish)
    return {
        "changes": [{"what": each.what, "before": each.before, "after": each.after} for each in changes],
        "warnings": warnings,
        "engine": seen.engine,
        "compose": seen.compose,
        "live_restore": seen.live_restore,
    }


def _make_true(change: Change, seen: Seen, wish: Wish, clock: Clock) -> str:
    """Return why the change was left out after all, or nothing."""
    if change.step == "packages":
        install(seen, packages(seen, wish), wish.repository)
    elif change.step == "engine" and not seen.engine:
        start(seen.systemd, wish.start_seconds, clock)
    elif change.step == "live_restore" and not seen.live_restore:
        return live_restore_hindrance(seen) or turn_on_live_restore(clock)
    elif change.step == "directory":
        os.makedirs(wish.directory, mode=0o700, exist_ok=True)
        os.chmod(wish.directory, 0o700)
    return ""


def _verify(seen: Seen, wish: Wish) -> None:
    """Raise when what was done did not help, or what was installed is too old."""
    left, _warnings = decide(seen, replace(wish, live_restore=False))
    if left:
        raise StepFailed(
            f"still not so: {', '.join(f'{each.what} {each.before}' for each in left)}",
            code="host",
            last_seen=seen.engine_error,
            next_step="Look at the host, then run bootstrap.yml again.",
        )

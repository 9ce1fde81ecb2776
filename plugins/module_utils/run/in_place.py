# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans that change something about what serves, and not who serves.

Their steps and those that undo them can be done at any moment, so both are known beforehand and go with the intent:
whoever ends a dead run of them looks at nothing else.
"""

from __future__ import annotations

from .contract import Observation
from .plan import Step, _named, _step

RUNBOOKS = ("maintenance",)


def maintenance(observed: Observation, on: bool) -> tuple[list[Step], list[Step]]:
    """The steps that put up the maintenance page or take it down, and those that undo them."""
    live = observed["live"]
    serves = f"{_named(observed, observed['slots'][live]['release'])} in {live}"
    texts = {True: "Answer users with the maintenance page", False: f"Give users back to {serves}"}
    both = {way: [_step("maintain", texts[way], texts[not way].lower(), on=way)] for way in (True, False)}
    there = observed["traffic"].get("maintenance", False) == on and observed["traffic"].get("told", True)
    return ([] if there else both[on]), both[not on]

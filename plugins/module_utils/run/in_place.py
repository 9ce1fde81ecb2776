# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans that change something about what serves, and not who serves.

Their steps and those that undo them can be done at any moment, so both are known beforehand and go with the intent:
whoever ends a dead run of them looks at nothing else.
"""

from __future__ import annotations

import time

from .contract import Observation, Release, Stock
from .plan import Step, _named, _step
from .schema import lives_with
from .sizes import size_text

RUNBOOKS = ("maintenance", "prune", "scale")


def maintenance(observed: Observation, state: str) -> tuple[list[Step], list[Step]]:
    """The steps that put up the maintenance page or take it down (``on``, ``off``), and those that undo them.

    Either brings the edge up to date, with renewed certificates, and starts it; with ``keep`` this is all.
    """
    down = observed["edge"] != "running"
    if state == "keep":
        title = "Start the edge" if down else "Let the edge take the renewed certificates"
        step = _step("maintain", title, "none: it is as it has to be", on=None)
        return ([step] if down or observed.get("edge_due") else []), [step]
    on = state == "on"
    live = observed["live"]
    serves = f"{_named(observed, observed['slots'][live]['release'])} in {live}"
    texts = {True: "Answer users with the maintenance page", False: f"Give users back to {serves}"}
    both = {way: [_step("maintain", texts[way], texts[not way].lower(), on=way)] for way in (True, False)}
    there = observed["traffic"].get("maintenance", False) == on and observed["traffic"].get("told", True)
    return ([] if there and not down else both[on]), both[not on]


def prune(observed: Observation, stock: Stock) -> tuple[list[Step], list[str]]:
    """The steps that remove what is kept for nothing, and what to know about what stays.

    A release or run goes when it is neither one of the newest, as many as are to be kept, nor younger than they are to
    be; and an image when every release that has it goes. What a rollback needs never goes.
    """
    needed, steps, notes = _needed(observed), [], []
    gone = _unneeded(observed, stock, needed)
    for name in gone:
        release = stock["releases"][name]
        title = f"Remove release {name}, live last on {_day(release['time'])} ({size_text(release['bytes'])})"
        steps.append(_discard(title, "none: apply it again as an update", "release", [name]))
    kept = {image for name, release in stock["releases"].items() if name not in gone for image in release["images"]}
    images = sorted({image for name in gone for image in stock["releases"][name]["images"]} - kept)
    for image in images:
        if image not in stock["images"]:
            continue
        size, used = size_text(stock["images"][image]["bytes"]), stock["images"][image]["used"]
        if used:
            notes.append(f"Image {image} ({size}) stays: {used}.")
        else:
            steps.append(_discard(f"Remove image {image} (up to {size})", "none: it can be pulled", "image", [image]))
    runs = _surplus(stock, "runs")
    if runs:
        size = size_text(sum(stock["runs"][name]["bytes"] for name in runs))
        title = f"Remove {len(runs)} runs with their reports ({size}): {', '.join(sorted(runs))}"
        steps.append(_discard(title, "none: the ledger keeps its line of each", "run", sorted(runs)))
    notes += [f"{_named(observed, name)} ({name}) stays: {why}." for name, why in needed.items()]
    return steps, notes


def _needed(observed: Observation) -> dict[str, str]:
    """What a rollback or a switch needs, and what serves: release -> why."""
    live, found = observed["live"], {}
    for slot, state in observed["slots"].items():
        if state["release"]:
            found[state["release"]] = "it serves" if slot == live else f"it is in {slot}, for a switch"
    for name in list(found):
        previous = (observed["releases"].get(name) or {}).get("previous")
        if previous:
            found.setdefault(previous, f"a rollback from {_named(observed, name)} goes there")
    return found


def _unneeded(observed: Observation, stock: Stock, needed: dict[str, str]) -> list[str]:
    """The releases that go. One that tells which others can live with the database stays as long as they do."""
    gone: list[str] = []
    known = dict(observed["releases"])
    stays = [one for name, one in known.items() if name in needed or name not in _surplus(stock, "releases")]

    def alive(records: dict[str, Release]) -> list[bool]:
        return [lives_with(one, observed["schema"], records.values()) for one in stays]

    for name in _surplus(stock, "releases"):
        without = {one: record for one, record in known.items() if one != name}
        if name not in needed and not stock["releases"][name]["used"] and alive(without) == alive(known):
            gone.append(name)
            known = without
    return gone


def _surplus(stock: Stock, kind: str) -> list[str]:
    entries, keep = stock[kind], stock["keep"]
    newest = sorted(entries, key=lambda name: (entries[name]["time"], name), reverse=True)
    until = stock["at"] - keep["days"] * 86_400
    return [name for name in newest[keep[kind] :] if entries[name]["time"] < until]


def _discard(title: str, undo: str, kind: str, names: list[str]) -> Step:
    return _step("discard", title, undo, kind=kind, names=names)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))

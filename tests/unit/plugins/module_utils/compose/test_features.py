# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each row of the documentation's table, played: understood and rendered as the table says."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Understanding
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import (
    ANCHOR,
    Paths,
    base_model,
    job_model,
    slot_model,
)
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand
from ansible_collections.steady.runbooks.tests.corpus.features import OUTCOMES, SOURCE, features, recorded

MODELS = recorded()
FEATURES = features()
PATHS = Paths(SOURCE, "/releases/r/source", "/base/source")


def known(model, feature, **more):
    settings = feature.settings_with(more)
    found = understand(model, settings, source=SOURCE)
    assert Understanding.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    return found


def outcome(found):
    if found.refusals:
        return "refused"
    if any(member.exclusive and member.role == "web" for member in found.services.values()):
        return "exclusive"
    return "note" if found.notes else "works"


def told(found):
    """Everything that is said about a file."""
    texts = [f"{one.detail} {one.next_step}" for one in (*found.refusals, *found.notes)]
    return "\n".join([*texts, *(why for member in found.services.values() for why in member.exclusive_why)])


def part(wanted, seen, where):
    """That *wanted* is a part of *seen*; null: that it is not there."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if value is None:
                assert not (seen or {}).get(key), f"{where}.{key}: {seen[key]}"
            else:
                assert key in (seen or {}), f"{where} has no {key}: {sorted(seen or {})}"
                part(value, seen[key], f"{where}.{key}")
    else:
        assert seen == wanted, where


def rendered(model, found):
    """All files that would be written: slots, base and jobs."""
    pins = {name: f"{member.image}@sha256:{'d' * 64}" for name, member in found.services.items()}
    common = {"service": "app", "release": "r", "pins": pins, "paths": PATHS}
    slots = {slot: slot_model(model, found, slot=slot, **common) for slot in ("blue", "green")}
    jobs = [job_model(model, found, name=member.name, **common) for member in found.of_role("job")]
    base = base_model(model, found, paths=PATHS, anchor_image="anchor")
    return slots, base, jobs


def sound(model, found, slots, base, jobs):
    """What holds for every file: no name leads to two slots, no second database, nothing of the user's left behind."""
    names = {found_name for name, body in model["services"].items() for found_name in _names(name, body)}
    for slot, file in slots.items():
        outside = {key for key, network in file.get("networks", {}).items() if network.get("external")}
        for name, body in file["services"].items():
            assert found.services[name[: -len(slot) - 1]].role in ("web", "worker", "scheduler")
            assert "container_name" not in body and (body.get("hostname") or "-") not in names
            assert not (body.get("ports") and found.services[name[: -len(slot) - 1]].role == "web")
            assert "build" not in body and "@sha256:" in body["image"]
            for key, options in (body.get("networks") or {}).items():
                if key in outside:
                    assert not (options or {}).get("aliases"), f"{name} answers to a plain name outside of its slot"
        twins = [network["name"] for key, network in file.get("networks", {}).items() if key not in outside]
        assert all(slot in twin for twin in twins)
    for file in (*slots.values(), *jobs):
        assert all(volume["external"] for volume in file.get("volumes", {}).values())
        for body in file["services"].values():
            made = {name["name"] for name in (base.get("volumes") or {}).values()}
            for mount in body.get("volumes") or []:
                if mount["type"] == "volume" and mount.get("source"):
                    assert file["volumes"][mount["source"]]["name"] in made
    states = {member.name for member in found.of_role("state")}
    assert set(base["services"]) - {ANCHOR} == states
    everywhere = states | {member.name for member in (*found.slot_members, *found.of_role("job"))}
    assert everywhere == set(model["services"])


def _names(name, body):
    aliases = [
        alias for options in (body.get("networks") or {}).values() for alias in (options or {}).get("aliases", [])
    ]
    return [name, *(body[key] for key in ("container_name", "hostname") if body.get(key)), *aliases]


@pytest.mark.parametrize("feature", FEATURES, ids=[one.id for one in FEATURES])
def test_feature(feature):
    made = MODELS[feature.id]
    assert made["digest"] == feature.digest, "run tests/checks/features"
    if "refused" in made:
        assert feature.outcome == "refused"
        assert all(sentence in " ".join(made["refused"]) for sentence in feature.says)
        return
    model = made["model"]
    found = known(model, feature)
    assert outcome(found) == feature.outcome, told(found)
    for sentence in feature.says:
        assert sentence in told(found)
    part(feature.roles, {name: member.role for name, member in found.services.items()}, "roles")
    if feature.outcome == "refused":
        assert all(one.next_step for one in found.refusals)
        if not feature.declare:
            return
    if feature.declare:
        found = known(model, feature, **feature.declare)
        # What is refused is allowed; what is exclusive overlaps.
        assert outcome(found) in (("works", "note", "exclusive") if feature.outcome == "refused" else ("works", "note"))
    slots, base, jobs = rendered(model, found)
    sound(model, found, slots, base, jobs)
    part(feature.slot, slots["blue"]["services"], "slot")
    part(feature.base, base["services"], "base")
    part(feature.job, {name: body for job in jobs for name, body in job["services"].items()}, "job")


def test_the_cases_are_whole():
    assert len({one.id for one in FEATURES}) == len(FEATURES)
    assert {one.id for one in FEATURES} == set(MODELS)
    for one in FEATURES:
        assert one.outcome in OUTCOMES and one.happens.endswith(".")
        assert one.says or one.outcome in ("works", "note"), one.id

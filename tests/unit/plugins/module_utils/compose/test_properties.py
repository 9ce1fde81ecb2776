# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every compose file: played with made-up ones."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Understanding, escape, unescape
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import (
    ANCHOR,
    Paths,
    base_model,
    slot_model,
)
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand

NAMES = ["api", "web", "worker", "beat", "db", "cache", "migrate", "web-blue", "x.y", "a_b"]
NETWORKS = ["default", "front", "outside"]
VOLUMES = ["data", "media", "old"]
PATHS = Paths("/srv/source", "/var/lib/steady/s/releases/r/source", "/var/lib/steady/s/base/source")

mounts = st.one_of(
    st.builds(
        lambda source, target, only: {"type": "volume", "source": source, "target": f"/{target}", "read_only": only},
        st.sampled_from(VOLUMES),
        st.sampled_from(["data", "var/lib/postgresql/data"]),
        st.booleans(),
    ),
    st.builds(
        lambda source, only: {"type": "bind", "source": source, "target": "/b", "read_only": only},
        st.sampled_from(["/srv/source/conf", "/srv/source", "/etc/localtime", "/srv/source-of-others"]),
        st.booleans(),
    ),
)
bodies = st.fixed_dictionaries(
    {"image": st.sampled_from(["app:1", "postgres:16", "redis", "nginx", "worker:2"])},
    optional={
        "command": st.lists(st.sampled_from(["serve", "celery", "beat", "$$HOME"]), max_size=3),
        "ports": st.lists(
            st.builds(
                lambda published, protocol: {"target": 80, "published": published, "protocol": protocol},
                st.sampled_from(["80", "8080", "", "1-2"]),
                st.sampled_from(["tcp", "udp"]),
            ),
            max_size=2,
        ),
        "depends_on": st.dictionaries(
            st.sampled_from(NAMES),
            st.sampled_from(["service_started", "service_healthy", "service_completed_successfully"]).map(
                lambda condition: {"condition": condition}
            ),
            max_size=2,
        ),
        "container_name": st.sampled_from(["one", "two"]),
        "hostname": st.sampled_from(["one", "three"]),
        "networks": st.dictionaries(
            st.sampled_from(NETWORKS),
            st.one_of(st.none(), st.fixed_dictionaries({"aliases": st.lists(st.sampled_from(NAMES), max_size=2)})),
            min_size=1,
        ),
        "volumes": st.lists(mounts, max_size=3),
        "restart": st.just("always"),
    },
)
models = st.dictionaries(st.sampled_from(NAMES), bodies, min_size=1, max_size=6).map(
    lambda services: {
        "name": "p",
        "services": services,
        "networks": {
            "default": {"name": "p_default"},
            "front": {"name": "p_front"},
            "outside": {"name": "out", "external": True},
        },
        "volumes": {"data": {"name": "p_data"}, "media": {"name": "special"}, "old": {"name": "old", "external": True}},
    }
)


def slots(model):
    found = understand(model, {}, source="/srv/source")
    pins = {name: f"{name}@sha256:{'0' * 64}" for name in found.services}
    common = {"service": "s", "release": "r", "pins": pins, "paths": PATHS}
    return found, {slot: slot_model(model, found, slot=slot, **common) for slot in ("blue", "green")}


def answers(rendered, service):
    """(real network name, name) for everything that a container of a service answers to there."""
    for key, options in (rendered["services"][service].get("networks") or {}).items():
        network = rendered["networks"][key]["name"]
        for name in [service, *((options or {}).get("aliases") or [])]:
            yield network, name
        if rendered["services"][service].get("hostname"):
            yield network, rendered["services"][service]["hostname"]


@settings(max_examples=200, deadline=None)
@given(models)
def test_no_name_is_answered_by_two_slots_or_outside_of_one(model):
    found, rendered = slots(model)
    if any(one.code == "name_clash" for one in found.refusals):
        return
    names = {
        slot: {pair for service in one["services"] for pair in answers(one, service)} for slot, one in rendered.items()
    }
    assert not names["blue"] & names["green"]
    shared = {network for network, _name in names["blue"]} & {network for network, _name in names["green"]}
    for slot in names:
        assert all(name.endswith(f"-{slot}") for network, name in names[slot] if network in shared)


@settings(max_examples=200, deadline=None)
@given(models)
def test_state_is_in_the_base_once_and_volumes_keep_their_names(model):
    found, rendered = slots(model)
    base = base_model(model, found, paths=PATHS, anchor_image="x")
    state = {member.name for member in found.of_role("state")}
    assert set(base["services"]) - {ANCHOR} == state
    assert base["volumes"] == model["volumes"]
    for one in rendered.values():
        assert {body["labels"]["steady.compose_service"] for body in one["services"].values()} == {
            member.name for member in found.slot_members
        }
        for key, volume in one.get("volumes", {}).items():
            assert volume == {"name": model["volumes"][key]["name"], "external": True}
        for key, network in one.get("networks", {}).items():
            assert network.get("external") or key.startswith("slot.")


@settings(max_examples=100, deadline=None)
@given(models)
def test_output_is_deterministic_and_plain_data(model):
    found, rendered = slots(model)
    turned = {**model, "services": dict(reversed(list(model["services"].items())))}
    assert json.dumps(slots(turned)[1]) == json.dumps(rendered)
    assert Understanding.from_dict(json.loads(json.dumps(found.as_dict()))) == found


@settings(max_examples=100, deadline=None)
@given(models)
def test_two_slots_differ_in_nothing_but_their_names(model):
    _found, rendered = slots(model)
    assert json.dumps(rendered["blue"]).replace("blue", "green") == json.dumps(rendered["green"]).replace(
        "blue", "green"
    )


@given(st.text())
def test_escaping_round_trips(text):
    assert unescape(escape(text)) == text

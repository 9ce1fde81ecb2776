# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of slots, base and jobs: nothing of the user's is lost, and no name is answered twice."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import (
    ANCHOR,
    base_model,
    base_paths,
    job_model,
    needs_environment,
    slot_model,
)
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand

SOURCE = "/srv/source"
RELEASE = "/var/lib/steady/s/releases/r1/source"
DATA = "/var/lib/steady/s/base/source"
PIN = "registry.example.com/app:1@sha256:" + "a" * 64


@pytest.fixture
def slot(understood, paths):
    def render(name, slot="blue", **settings):
        model, understanding = understood(name, **settings)
        pins = dict.fromkeys(understanding.services, f"{PIN}")
        return slot_model(model, understanding, service="shop", slot=slot, release="r1", pins=pins, paths=paths)

    return render


@pytest.fixture
def base(understood, paths):
    def render(name, **settings):
        model, understanding = understood(name, **settings)
        return base_model(model, understanding, paths=paths, anchor_image="haproxy:3.0")

    return render


def test_a_slot_has_the_services_of_a_release_and_no_others(slot):
    rendered = slot("full")
    assert rendered["name"] == "shape-blue"
    assert sorted(rendered["services"]) == ["beat-blue", "web-blue", "worker-blue"]
    assert sorted(slot("migrate", "green")["services"]) == ["api-green"]


def test_plain_names_are_on_the_slots_own_network_only(slot):
    rendered = slot("front")
    api = rendered["services"]["api-blue"]["networks"]
    assert api == {
        "base.back": None,
        "base.front": None,
        "slot.back": {"aliases": ["api", "my-api", "apihost", "backend"]},
        "slot.front": {"aliases": ["api", "my-api", "apihost"]},
    }
    assert rendered["services"]["nginx-blue"]["networks"] == {
        "base.front": None,
        "edge": None,
        "slot.front": {"aliases": ["nginx"]},
    }
    assert rendered["networks"] == {
        "base.back": {"name": "shape_back", "external": True},
        "base.front": {"name": "shape_front", "external": True},
        "edge": {"name": "shop-edge", "external": True},
        # Sealed where the user's is; with the same MTU, and without the one bridge name that there can be.
        "slot.back": {"name": "0-shape-blue-back", "internal": True},
        "slot.front": {"name": "0-shape-blue-front", "driver_opts": {"com.docker.network.driver.mtu": "1450"}},
    }


def test_a_network_with_one_service_has_no_twin_and_its_names_are_kept(slot):
    rendered = slot("front", roles={"mailer": "job"})
    assert sorted(rendered["networks"]) == ["base.back", "base.front", "edge", "slot.front"]
    aliases = rendered["services"]["api-blue"]["networks"]["slot.front"]["aliases"]
    assert aliases == ["api", "my-api", "apihost", "backend"]


def test_external_networks_keep_their_names(slot):
    rendered = slot("extends")
    assert rendered["networks"]["base.outside"] == {"name": "proxy", "external": True}
    assert rendered["services"]["queue-blue"]["networks"] == {
        "base.outside": None,
        "slot.outside": {"aliases": ["queue"]},
    }


def test_host_name_and_container_name_are_not_answered_outside(slot):
    api = slot("front")["services"]["api-blue"]
    assert api["hostname"] == "apihost-blue"
    assert "container_name" not in api


def test_volumes_are_the_bases(slot):
    assert slot("full")["volumes"] == {"media": {"name": "shape_media", "external": True}}
    assert slot("binds")["volumes"] == {"cache": {"name": "old_cache", "external": True}}


def test_images_are_pins_and_nothing_is_built_or_published(slot):
    for name in ("full", "front", "migrate", "extends"):
        for body in slot(name)["services"].values():
            assert body["image"] == PIN
            assert not {"build", "ports", "profiles", "container_name", "links", "env_file"} & set(body)
            assert body["pull_policy"] == "missing"


def test_an_image_that_is_only_here_is_never_pulled(understood, paths):
    model, understanding = understood("full")
    pins = dict.fromkeys(understanding.services, "sha256:" + "b" * 64)
    rendered = slot_model(model, understanding, service="s", slot="blue", release="r", pins=pins, paths=paths)
    assert {body["pull_policy"] for body in rendered["services"].values()} == {"never"}


def test_dependencies_are_cut_to_members(slot):
    assert slot("front")["services"]["nginx-blue"]["depends_on"] == {
        "api-blue": {"condition": "service_healthy", "required": True}
    }
    assert "depends_on" not in slot("migrate")["services"]["api-blue"]


def test_dollars_secrets_and_configs_survive(slot):
    rendered = slot("migrate")
    api = rendered["services"]["api-blue"]
    assert api["environment"] == {"INHERITED": None, "LITERAL": "a$$b", "PASSWORD_FILE": "/run/secrets/db_password"}
    assert rendered["secrets"] == {
        "api_token": {"name": "shape_api_token", "environment": "API_TOKEN"},
        "db_password": {"name": "shape_db_password", "file": f"{RELEASE}/secrets/db_password"},
    }
    assert rendered["configs"]["app_config"]["file"] == f"{RELEASE}/app.toml"
    assert rendered["configs"]["generated"]["content"] == 'token = "s3cret-token"\nprice = "5$$"\n'
    assert needs_environment(rendered) == ("API_TOKEN",)
    assert slot("full")["services"]["web-blue"]["command"][-1].endswith("HOST=$$HOSTNAME")
    assert slot("full")["services"]["web-blue"]["environment"]["PRICE"] == "5$$ a piece"


def test_read_only_binds_come_with_the_release_and_data_stays_where_it_is(slot):
    sources = {
        mount["target"]: mount.get("source")
        for body in slot("binds")["services"].values()
        for mount in body["volumes"]
        if mount["type"] == "bind"
    }
    assert sources == {
        "/data": f"{DATA}/data",
        "/etc/app.ini": f"{RELEASE}/conf/app.ini",
        "/photos": "/srv/photos",
        "/var/run/docker.sock": "/var/run/docker.sock",
    }


def test_fixed_addresses_are_kept_on_the_shared_network(slot):
    files = slot("binds")["services"]["files-blue"]["networks"]
    assert files == {"base.default": {"ipv4_address": "10.77.0.9"}, "slot.default": {"aliases": ["files"]}}


def test_limits_restart_and_replicas_are_kept(slot):
    web = slot("full")["services"]["web-blue"]
    assert (web["deploy"]["replicas"], web["restart"], web["stop_grace_period"]) == (2, "unless-stopped", "1m30s")
    assert slot("extends")["services"]["app-blue"]["logging"]["options"] == {"max-size": "10m"}


def test_labels_are_the_users_and_ours(slot):
    assert slot("traefik", labels={"traefik": "remove"})["services"]["app-blue"]["labels"] == {
        "com.centurylinklabs.watchtower.enable": "false",
        "org.example.owner": "team",
        "steady.compose_service": "app",
        "steady.release": "r1",
        "steady.service": "shop",
        "steady.slot": "blue",
    }
    blog = slot("traefik", labels={"nginx-proxy": "remove"})["services"]["blog-blue"]
    assert blog["environment"] == {"url": "https://blog.example.com"}


def test_a_worker_with_ports_keeps_them(slot):
    resolver = slot("host", roles={"resolver": "worker", "hub": "worker"})["services"]["resolver-blue"]
    assert [port["protocol"] for port in resolver["ports"]] == ["tcp", "udp"]
    assert "edge" not in resolver["networks"]


def test_host_networking_has_no_networks(slot):
    hub = slot("host", roles={"hub": "worker"})["services"]["hub-blue"]
    assert hub["network_mode"] == "host"
    assert "networks" not in hub


def test_namespaces_point_into_the_slot(paths):
    model = {
        "name": "p",
        "services": {
            "app": {"image": "x", "networks": {"default": None}},
            "side": {"image": "x", "network_mode": "service:app", "pid": "service:app", "ipc": "host"},
        },
    }
    rendered = slot_model(
        model,
        understand(model, {}),
        service="s",
        slot="green",
        release="r",
        pins={"app": PIN, "side": PIN},
        paths=paths,
    )
    side = rendered["services"]["side-green"]
    assert (side["network_mode"], side["pid"], side["ipc"]) == ("service:app-green", "service:app-green", "host")
    assert "networks" not in side


def test_the_base_has_state_and_whatever_slots_need(base):
    rendered = base("full")
    assert sorted(rendered["services"]) == ["db", "redis", ANCHOR]
    assert rendered["name"] == "shape"
    assert rendered["volumes"] == {
        "media": {"name": "shape_media"},
        "pgdata": {"name": "shape_pgdata"},
        "redis-data": {"name": "shared-redis"},
    }
    anchor = rendered["services"][ANCHOR]
    assert anchor["deploy"] == {"replicas": 0}
    assert [mount["source"] for mount in anchor["volumes"]] == ["media", "pgdata", "redis-data"]
    assert rendered["services"]["db"]["ports"][0]["published"] == "5432"


def test_state_is_left_as_it_is(base, shape):
    """Compose hashes a service to see whether to make its container anew: the body has to be the user's own."""
    assert base("full")["services"]["db"] == shape("full")["services"]["db"]
    db = base("migrate")["services"]["db"]
    original = copy.deepcopy(shape("migrate")["services"]["db"])
    original["volumes"][0]["source"] = f"{DATA}/init.sql"
    assert db == original


def test_the_base_declares_networks_as_the_user_did(base, shape):
    assert base("front")["networks"] == shape("front")["networks"]
    assert base("extends")["networks"] == {"outside": {"name": "proxy", "external": True, "ipam": {}}}


def test_secrets_of_state_are_kept_with_the_data(base):
    rendered = base("migrate")
    assert rendered["secrets"] == {"db_password": {"name": "shape_db_password", "file": f"{DATA}/secrets/db_password"}}
    assert needs_environment(rendered) == ()


def test_what_the_data_directory_needs(understood):
    model, understanding = understood("migrate")
    assert base_paths(model, understanding, SOURCE) == {"init.sql": True, "secrets/db_password": True}
    model, understanding = understood("binds")
    assert base_paths(model, understanding, SOURCE) == {"conf/pg.conf": True, "data": False, "pg": True}


def test_a_base_without_anything_to_make(paths):
    model = {"name": "p", "services": {"x": {"image": "x", "network_mode": "none"}}}
    rendered = base_model(model, understand(model, {}), paths=paths, anchor_image="x")
    assert rendered["services"] == {}


def test_volumes_that_point_into_the_source(paths):
    model = {
        "name": "p",
        "services": {"db": {"image": "postgres", "volumes": [{"type": "volume", "source": "v", "target": "/d"}]}},
        "volumes": {"v": {"name": "p_v", "driver_opts": {"type": "none", "o": "bind", "device": f"{SOURCE}/d$$"}}},
    }
    rendered = base_model(model, understand(model, {}), paths=paths, anchor_image="x")
    assert rendered["volumes"]["v"]["driver_opts"]["device"] == f"{DATA}/d$$"


def test_a_job_is_alone(understood, paths):
    model, understanding = understood("migrate")
    rendered = job_model(
        model, understanding, service="shop", release="r1", name="migrate", pins={"migrate": PIN}, paths=paths
    )
    assert rendered == {
        "name": "shape-job",
        "services": {
            "migrate-job": {
                "command": ["alembic", "upgrade", "head"],
                "image": PIN,
                "labels": {
                    "steady.compose_service": "migrate",
                    "steady.job": "migrate",
                    "steady.release": "r1",
                    "steady.service": "shop",
                },
                "networks": {"base.default": None},
                "pull_policy": "missing",
                "restart": "no",
                "secrets": [{"source": "db_password", "target": "/run/secrets/db_password"}],
            }
        },
        "networks": {"base.default": {"name": "shape_default", "external": True}},
        "secrets": {"db_password": {"name": "shape_db_password", "file": f"{RELEASE}/secrets/db_password"}},
    }


def test_any_service_can_run_a_command_as_a_job(understood, paths):
    model, understanding = understood("full")
    rendered = job_model(
        model,
        understanding,
        service="s",
        release="r",
        name="web",
        pins={"web": PIN},
        paths=paths,
        command=["echo", "$HOME"],
    )
    body = rendered["services"]["web-job"]
    assert body["command"] == ["echo", "$$HOME"]
    assert not {"ports", "depends_on", "deploy", "healthcheck"} & set(body)
    assert rendered["volumes"] == {"media": {"name": "shape_media", "external": True}}


def test_what_is_rendered_does_not_touch_the_model(understood, paths, shape):
    for name in ("full", "front", "migrate", "binds"):
        model, understanding = understood(name)
        pins = dict.fromkeys(understanding.services, PIN)
        first = slot_model(model, understanding, service="s", slot="blue", release="r", pins=pins, paths=paths)
        base_model(model, understanding, paths=paths, anchor_image="x")
        job_model(model, understanding, service="s", release="r", name=min(pins), pins=pins, paths=paths)
        again = slot_model(model, understanding, service="s", slot="blue", release="r", pins=pins, paths=paths)
        assert model == shape(name)
        assert json.dumps(first) == json.dumps(again)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room for a release beside the one that serves: what is missing is said, with the way out."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import headroom, pools
from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import check_settings
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand

MIB = 2**20
SETTINGS = check_settings({"name": "shop"})
NEED = {"replicas": 1, "limit": 0.0, "reserved": 0.0, "cpus": 0.0, "cpus_reserved": 0.0}


def seen(**changes):
    return {
        "needs": {"web": NEED},
        "host": {"available": 1000.0 * MIB},
        "cpus": 2,
        "load": 0.5,
        "serving": {"web": {"containers": 1, "memory": 300.0 * MIB}},
        "leaving": 0.0,
        "images": {},
        "disk": 10_000 * MIB,
        "networks": {"needed": 1, "free": 8},
        "databases": {},
        "ready_seconds": 4.2,
        **changes,
    }


def judged(alone=False, **changes):
    return {check["name"]: check for check in headroom.judge(seen(**changes), alone, SETTINGS)}


def need(**changes):
    return {"web": {**NEED, **changes}}


def test_all_is_well():
    found = judged()
    assert {name: check["status"] for name, check in found.items()} == {
        "memory": "go",
        "cpu": "go",
        "images": "go",
        "networks": "go",
        "connections": "not_configured",
    }
    assert found["memory"]["detail"] == "a second slot takes about 300 MiB (web 300), 936 MiB are free"


@pytest.mark.parametrize(
    ("needs", "wanted"),
    [
        (need(), 300),
        (need(replicas=3), 900),
        (need(limit=200.0 * MIB), 200),
        (need(limit=900.0 * MIB), 300),
        (need(limit=900.0 * MIB, reserved=600.0 * MIB), 600),
    ],
)
def test_memory_is_what_the_present_slot_uses_within_its_limits(needs, wanted):
    assert f"about {wanted} MiB" in judged(needs=needs)["memory"]["detail"]


def test_without_a_present_container_the_limit_is_taken():
    needs = {"web": {**NEED}, "api": {**NEED, "limit": 500.0 * MIB, "replicas": 2}, "new": NEED}
    detail = judged(needs=needs)["memory"]["detail"]
    assert "(api 1000, web 300)" in detail and detail.endswith("nothing is known of new: 364 MiB are missing")


def test_too_little_memory_offers_the_exclusive_way_with_its_outage():
    check = judged(host={"available": 200.0 * MIB})["memory"]
    assert check["status"] == "no_go" and check["detail"].endswith("136 MiB are free: 164 MiB are missing")
    assert "service_switch: hold" in check["next_step"] and "about 4 s" in check["next_step"]
    assert "at most 60 s" in check["next_step"]


def test_what_leaves_before_makes_room_and_who_is_alone_needs_none():
    assert judged(host={"available": 200.0 * MIB}, leaving=300.0 * MIB)["memory"]["status"] == "go"
    assert judged(alone=True, host={"available": 1.0})["memory"]["status"] == "go"
    assert judged(host={})["memory"]["status"] == "go"


def test_processors():
    assert judged(needs=need(cpus=3.0))["cpu"]["detail"] == "web may use 3 processors, and there are 2"
    assert judged(True, needs=need(cpus=3.0))["cpu"]["status"] == "no_go"
    check = judged(needs=need(cpus_reserved=1.5))["cpu"]
    assert check["status"] == "no_go" and "two slots reserve 3 processors" in check["detail"]
    assert judged(True, needs=need(cpus_reserved=1.5))["cpu"]["status"] == "go"


def test_images_are_as_large_as_the_present_ones():
    assert judged(images={"app@sha256:1": 0})["images"]["detail"] == "1 image to fetch, of unknown size"
    assert judged(images={"app@sha256:1": 400 * MIB}, disk=1000 * MIB)["images"]["status"] == "go"
    check = judged(images={"a": 400 * MIB, "b": 200 * MIB}, disk=1000 * MIB)["images"]
    assert check["status"] == "no_go" and check["detail"].endswith("1000 MiB are free and 1112 are needed")


def test_connections_count_both_slots_and_what_is_kept_for_superusers():
    database = {"most": 20, "reserved": 3, "used": 9, "serving": {"web": 8}, "leaving": 0}
    assert judged(databases={"db": database})["connections"]["status"] == "go"
    check = judged(databases={"db": {**database, "used": 12}})["connections"]
    assert check["status"] == "no_go"
    assert check["detail"] == (
        "db: 12 of 20 connections are taken, 3 kept for superusers; a second slot takes about 8, as the present one "
        "does now, and 5 are free"
    )
    assert "max_connections" in check["next_step"] and "service_switch: hold" in check["next_step"]
    assert judged(databases={"db": {**database, "used": 12, "leaving": 4}})["connections"]["status"] == "go"
    assert judged(True, databases={"db": {**database, "used": 17}})["connections"]["status"] == "go"
    assert judged(needs=need(replicas=2), databases={"db": database})["connections"]["status"] == "no_go"


def test_a_database_that_does_not_answer_stops_nothing():
    check = judged(databases={"db": {"why": "it starts"}})["connections"]
    assert (check["status"], check["detail"]) == ("go", "db did not tell: it starts")


def test_no_network_left():
    check = judged(networks={"needed": 2, "free": 1})["networks"]
    assert check["status"] == "no_go" and check["detail"] == "2 to make, 1 left in the engine's address pools"
    assert "default-address-pools" in check["next_step"]


def networks(*subnets):
    return [{"Name": f"n{number}", "IPAM": {"Config": [{"Subnet": one}]}} for number, one in enumerate(subnets)]


def test_the_engines_own_pools_have_31_networks(monkeypatch):
    monkeypatch.setattr(pools, "_routes", lambda: iter(()))
    monkeypatch.setattr(pools, "ENOUGH", 100)
    assert pools.free_networks(None, []) == 31
    assert pools.free_networks(None, networks("172.17.0.0/16", "192.168.16.0/20", "fd00::/64")) == 29
    assert pools.free_networks([{"Base": "10.200.0.0/22", "Size": 24}], networks("10.200.1.0/24", "10.0.0.0/30")) == 3


def test_routes_of_the_host_are_taken(tmp_path):
    table = tmp_path / "route"
    table.write_text("Iface\tDestination\n" + "eth0 00000000 0 3 0 0 0 00000000\neth0 000011AC 0 1 0 0 0 0000FFFF\n")
    assert [str(one) for one in pools._routes(str(table))] == ["172.17.0.0/16"]
    assert not list(pools._routes(str(tmp_path / "none")))


def test_networks_that_a_release_takes(shape, understood):
    model, found = understood("full")
    needed = pools.pools_needed(model, found)
    assert needed["slot"] and needed["base"]
    there = [{"Name": name} for name in (*needed["base"], "shop-edge")]
    assert pools.needed_networks(needed, "shop", "shop", "blue", []) == len(there) + len(needed["slot"])
    assert pools.needed_networks(needed, "shop", "shop", "blue", there) == len(needed["slot"])
    old = {"Name": "0-shop-blue-gone"}
    assert pools.needed_networks(needed, "shop", "shop", "blue", [*there, old]) == len(needed["slot"]) - 1


def test_networks_with_subnets_of_their_own_take_none():
    ipam = {"config": [{"subnet": "10.1.0.0/24"}]}
    body = {"image": "x", "ports": [{"target": 80, "published": "80"}], "networks": {"a": None}}
    model = {"name": "p", "services": {"web": body}, "networks": {"a": {"name": "p_a", "ipam": ipam}}}
    found = headroom.Understanding("p", {}, (), ())
    assert pools.pools_needed(model, found) == {"base": [], "slot": []}


def test_needs_are_read_from_both_ways_to_write_them():
    resources = {"limits": {"memory": "1048576", "cpus": 0.5}, "reservations": {"memory": "1024", "cpus": "0.25"}}
    bodies = {
        "web": {"image": "x", "ports": [{"target": 80, "published": "80"}], "deploy": {"resources": resources}},
        "worker": {"image": "x", "mem_limit": "2097152", "cpus": 1, "scale": 2},
        "alone": {"image": "x", "command": ["run", "worker"]},
        "beat": {"image": "x"},
        "db": {"image": "postgres"},
    }
    model = {"name": "p", "services": bodies, "networks": {"default": {"name": "p_default"}}}
    found = understand(model, {"exclusive": ["alone"]}, source="/srv/source")
    assert headroom.needs(model, found) == {
        "web": {"replicas": 1, "limit": 1048576.0, "reserved": 1024.0, "cpus": 0.5, "cpus_reserved": 0.25},
        "worker": {**NEED, "replicas": 2, "limit": 2097152.0, "cpus": 1.0},
    }

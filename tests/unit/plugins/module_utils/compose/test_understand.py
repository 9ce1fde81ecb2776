# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made of compose files: roles with reasons, what cannot overlap, what is refused and what is said."""

from __future__ import annotations

import json

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.keys import CHANGED, DROPPED, KEPT, REFUSED
from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Port, Understanding, words
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import near, understand
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

# The keys of a service in the JSON schema of the Compose specification.
DOCUMENTED = words(
    """annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name
    cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec
    depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file
    environment expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc
    isolation label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit
    models network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop
    privileged profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size
    stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode
    uts volumes volumes_from working_dir"""
)

PORT = {"target": 80, "published": "80"}


def roles(understanding):
    return {name: member.role for name, member in understanding.services.items()}


def refused(understanding, service=None):
    return sorted((one.code, one.service) for one in understanding.refusals if service in (None, one.service))


def one_service(body, **settings):
    model = {
        "name": "p",
        "services": {"web": {"image": "app:1", **body}},
        "networks": {"default": {"name": "p_default"}},
    }
    return understand(model, settings, source="/srv/source")


def test_each_documented_key_is_in_exactly_one_table():
    tables = [KEPT, CHANGED, DROPPED, frozenset(REFUSED)]
    assert {key: sum(key in table for table in tables) for key in DOCUMENTED} == dict.fromkeys(DOCUMENTED, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full", {"web": "web", "worker": "worker", "beat": "scheduler", "db": "state", "redis": "state"}),
        ("front", {"nginx": "web", "api": "web", "mailer": "worker", "db": "state"}),
        ("extends", {"app": "web", "queue": "worker"}),
        ("traefik", {"app": "web", "blog": "web"}),
        ("migrate", {"api": "web", "migrate": "job", "db": "state"}),
        ("host", {"hub": "worker", "resolver": "web"}),
        ("binds", {"app": "web", "files": "web", "store": "state"}),
    ],
)
def test_roles_are_derived_with_a_reason(understood, name, expected):
    _model, found = understood(name)
    assert roles(found) == expected
    assert all(member.why.endswith(".") for member in found.services.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full", []),
        ("front", []),
        ("extends", []),
        ("traefik", [("foreign_labels", "app"), ("foreign_labels", "blog"), ("no_readiness", "blog")]),
        ("migrate", []),
        ("host", [("host_network", "hub"), ("udp_port", "resolver")]),
        ("binds", []),
        (
            "legacy",
            [
                ("anonymous_volume", "web"),
                ("deploy_mode", "old"),
                ("external_links", "web"),
                ("links", "web"),
                ("name_clash", "web-blue"),
                ("network_mode", "old"),
                ("network_mode", "spy"),
                ("port_random", "web"),
                ("port_range", "web"),
                ("source_bind", "web"),
                ("state_depends", "cache"),
                ("unsupported_value", "cron"),
                ("volumes_from", "sidecar"),
            ],
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_with_a_next_step(understood, name, expected):
    _model, found = understood(name)
    assert refused(found) == expected
    for one in found.refusals:
        assert one.service in one.detail
        assert one.next_step


def test_what_is_understood_survives_json(understood):
    for name in ("full", "front", "migrate", "legacy", "binds"):
        _model, found = understood(name)
        assert Understanding.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_it_holds_no_value_of_the_environment(understood):
    for name in ("full", "migrate"):
        _model, found = understood(name)
        assert "s3cret" not in json.dumps(found.as_dict())


def test_it_holds_nothing_of_commands_and_healthchecks():
    """It is kept in records that outlive a release."""
    body = {
        "ports": [PORT],
        "command": ["serve", "--password", "pl4nted"],
        "entrypoint": ["pl4nted"],
        "healthcheck": {"test": ["CMD-SHELL", "curl http://me:pl4nted@localhost"]},
        "labels": {"traefik.http.middlewares.auth.basicauth.users": "me:pl4nted"},
        "logging": {"options": {"token": "pl4nted"}},
        "build": {"args": {"TOKEN": "pl4nted"}},
        "post_start": [{"command": ["pl4nted"]}],
    }
    found = one_service(body, labels={"traefik": "remove"})
    assert found.services["web"].readiness.kind == "healthcheck"
    assert "pl4nted" not in json.dumps(found.as_dict())


def test_writable_volumes_make_exclusive_unless_shared(understood):
    _model, found = understood("full")
    assert [member.name for member in found.exclusive] == ["beat", "web", "worker"]
    assert found.services["web"].exclusive_why == ("It writes to the volume media.",)
    _model, found = understood("full", shared=["web", "worker", "beat"])
    assert [member.name for member in found.exclusive] == ["beat"]
    assert "runs twice" in found.services["beat"].exclusive_why[0]


def test_binds_of_the_source_and_of_the_host(understood):
    _model, found = understood("binds")
    assert found.services["app"].exclusive_why == ("It writes to ./data on the host.",)
    assert found.services["files"].exclusive_why == (
        "It has a fixed address in a network.",
        "It controls the Docker engine.",
    )


def test_ports_as_the_edge_has_to_publish_them(understood):
    _model, found = understood("binds")
    assert found.edge_ports == (("app", Port("", 8080, 80)), ("app", Port("::1", 8081, 80)))
    _model, found = understood("full", edge_tcp_ports=[8000])
    assert found.edge_ports == (("web", Port("", 8000, 8000, mode="tcp")),)


def test_only_http_of_a_web_service_gets_tls(understood):
    def refused(shape, port, **settings):
        found = understood(shape, edge_tls={port: {"certificate": "/x"}}, **settings)[1].refusals
        return [finding.detail for finding in found if "service_edge_tls" in finding.detail]

    assert refused("full", "8000") == []
    assert refused("full", "9") == ["service_edge_tls names 9, which no web service publishes."]
    passed_on = "service_edge_tls names 8000, which is passed on as plain TCP"
    assert refused("full", "8000", edge_tcp_ports=[8000]) == [f"{passed_on} (service_edge_tcp_ports)."]


def test_times_and_replicas(understood):
    web = understood("full")[1].services["web"]
    assert (web.grace_seconds, web.replicas) == (90.0, 2)
    assert (web.readiness.kind, web.readiness.interval, web.readiness.start_period) == ("healthcheck", 30.0, 20.0)
    assert understood("full")[1].services["worker"].readiness.kind == "running"


def test_waves_follow_health_only(understood):
    assert understood("front")[1].waves("web") == [["api"], ["nginx"]]
    assert understood("full")[1].waves("web", "worker", "scheduler") == [["beat", "web", "worker"]]


def test_waves_of_a_circle_end():
    circle = {
        name: {"image": "x", "depends_on": {other: {"condition": "service_healthy"}}} for name, other in ("ab", "ba")
    }
    assert understand({"name": "p", "services": circle}, {"roles": {"a": "web", "b": "web"}}).waves("web") == [
        ["a", "b"]
    ]


@pytest.mark.parametrize("check", [{}, {"disable": True}, {"test": ["NONE"]}, {"interval": "5s"}])
def test_a_web_service_without_readiness_names_both_cures(check):
    found = one_service({"ports": [PORT], "healthcheck": check})
    (one,) = found.refusals
    assert one.code == "no_readiness"
    assert "healthcheck: {test:" in one.next_step
    assert "service_ready: {web: {path: /, port: 80}}" in one.next_step


def test_readiness_of_an_image_counts():
    model = {"name": "p", "services": {"web": {"image": "x", "ports": [PORT]}}}
    found = understand(model, {}, image_tests={"web": ("CMD", "true")})
    assert found.services["web"].readiness.kind == "image"
    assert not found.refusals


@pytest.mark.parametrize(
    ("declared", "kind", "port"), [({"path": "/up"}, "http", 80), ({"port": 9000}, "tcp", 9000), ({}, "tcp", 80)]
)
def test_declared_readiness(declared, kind, port):
    found = one_service({"ports": [PORT]}, ready={"web": declared})
    assert (found.services["web"].readiness.kind, found.services["web"].readiness.port) == (kind, port)
    assert not found.refusals


def test_a_port_that_nobody_could_guess_has_to_be_declared():
    found = one_service({"ports": [PORT, {"target": 81, "published": "81"}]}, ready={"web": {"path": "/up"}})
    assert refused(found) == [("bad_ready", "web")]


def test_settings_that_name_nothing_are_refused_with_the_near_match(understood):
    _model, found = understood("full", roles={"wbe": "web", "web": "wep"}, shared=["wroker"], ready={"rediss": {}})
    steps = {one.service: one.next_step for one in found.refusals}
    assert steps == {
        "wbe": "Did you mean web?",
        "web": "Did you mean web?",
        "wroker": "Did you mean worker?",
        "rediss": "Did you mean redis?",
    }
    assert found.services["web"].role == "web"


def test_the_users_word_wins(understood):
    _model, found = understood("host", roles={"hub": "worker", "resolver": "worker"})
    assert not found.refusals
    assert found.services["hub"].exclusive_why[0].startswith("It uses the host's own network")
    assert "publishes ports itself" in found.services["resolver"].exclusive_why[0]
    assert found.edge_ports == ()


def test_labels_of_proxies_are_named_without_values_and_taken_away_when_declared(understood):
    _model, found = understood("traefik")
    (of_app,) = [one for one in found.refusals if one.service == "app"]
    assert "traefik.enable, traefik.http.routers.app.rule" in of_app.detail
    assert "example.com" not in of_app.detail
    assert "watchtower" not in of_app.detail  # it only says "leave me alone"
    settings = {"labels": {"traefik": "remove", "nginx-proxy": "keep"}, "ready": {"blog": {}}}
    _model, found = understood("traefik", **settings)
    assert not found.refusals
    assert found.services["app"].removed == ("traefik.enable", "traefik.http.routers.app.rule")
    assert found.services["blog"].removed == ()
    _model, found = understood("traefik", labels={"trafik": "remove", "caddy": "yes"})
    assert [one.next_step for one in found.refusals if one.code == "unknown_label"] == [
        "Did you mean traefik?",
        "Say `keep` or `remove`.",
    ]


def test_a_key_that_nobody_knows_is_refused():
    found = one_service({"expose": ["80"], "healthcheck": {"test": ["CMD", "x"]}, "quantum": True, "x-mine": 1})
    (one,) = found.refusals
    assert (one.code, "`quantum`" in one.detail) == ("unsupported_key", True)


def test_files_of_the_source_that_are_mounted_writable_have_to_be_told_apart_from_data(understood):
    def codes(files):
        return refused(understood("binds", source_files=files)[1], "app")

    assert codes(["conf/app.ini", "data/.gitkeep"]) == []
    assert codes(["data/photo.jpg"]) == [("source_bind", "app")]


def test_namespaces_of_others():
    def found(**bodies):
        services = {name: {"image": name, **body} for name, body in bodies.items()}
        roles = {"app": "worker"} if "app" in bodies else {}
        return refused(understand({"name": "p", "services": services}, {"roles": roles}))

    assert found(app={}, side={"network_mode": "service:app"}) == []
    assert found(redis={}, side={"network_mode": "service:redis"}) == [("network_mode", "side")]
    assert found(redis={}, valkey={"pid": "service:redis"}) == []
    assert found(app={}, side={"ipc": "container:x"}) == [("ipc", "side")]
    assert found(app={}, side={"network_mode": "none"}) == []


def test_a_redundant_link_is_no_obstacle():
    body = {"expose": ["80"], "healthcheck": {"test": ["CMD", "x"]}}
    assert refused(one_service({**body, "links": ["db", "x:x"]})) == []
    assert refused(one_service({**body, "links": ["db:database"]})) == [("links", "web")]


def test_a_refusal_carries_all_of_them(understood):
    _model, found = understood("legacy")
    with pytest.raises(Refused) as caught:
        found.refuse()
    assert len(caught.value.last_seen) == len(found.refusals) > 5
    assert caught.value.next_step == found.refusals[0].next_step
    understood("full")[1].refuse()


def test_names_that_other_projects_used_are_listed(understood):
    _model, found = understood("extends")
    assert found.services["app"].outside_names == {"proxy": ("app",)}
    assert {(one.code, one.service) for one in found.notes} == {("outside_name", "app"), ("outside_name", "queue")}


def test_near():
    assert near("rol", ["roles", "shared"]) == "Did you mean roles?"
    assert near("zzz", ["a"]) == "There are: a."
    assert near("zzz", []) == "There are: none."


def test_nothing_to_do():
    assert refused(understand({"name": "p"}, {})) == [("no_services", "")]


def test_a_database_in_the_source_is_told():
    mount = {"type": "bind", "source": "/srv/source/pgdata", "target": "/var/lib/postgresql/data"}
    model = {"name": "p", "services": {"db": {"image": "postgres:17", "volumes": [mount]}}}
    with_data = understand(model, {"source_files": ["pgdata/base/1"]}, source="/srv/source")
    assert [(one.code, one.next_step) for one in with_data.notes] == [
        ("data_in_source", "Leave it out of releases: `service_source_exclude: [pgdata]`.")
    ]
    assert not understand(model, {"source_files": ["compose.yaml"]}, source="/srv/source").notes

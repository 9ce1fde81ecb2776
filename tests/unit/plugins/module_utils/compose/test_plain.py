# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs by plain compose: recorded, compared with a source, stopped, started and removed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import adopting, plain
from ansible_collections.steady.runbooks.plugins.module_utils.compose.images import pin_of
from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Member, Understanding
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import Paths, plain_model
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

from .plain_fake import DIGEST, ROLES, container, plain_host

MODEL = {
    "name": "shop",
    "services": {
        "web": {
            "image": "registry/web:1",
            "environment": {"MODE": "fast", "PRICE": "5$$"},
            "labels": {"a": "b"},
            "command": ["serve", "--all"],
            "ports": [{"published": "8080", "target": 80, "host_ip": "127.0.0.1"}],
            "volumes": [
                {"type": "bind", "source": "/tmp/s/conf", "target": "/conf", "read_only": True},
                {"type": "bind", "source": "/tmp/s/data", "target": "/data"},
                {"type": "volume", "source": "cache", "target": "/cache"},
            ],
            "networks": {"default": None},
            "secrets": [{"source": "key"}],
        },
        "db": {"image": "postgres:17", "volumes": [
            {"type": "bind", "source": "/tmp/s/init", "target": "/init", "read_only": True},
        ]},
    },
    "volumes": {"cache": {"name": "shop_cache"}},
    "networks": {"default": {"name": "shop_default"}},
    "secrets": {"key": {"file": "/tmp/s/key"}},
}  # fmt: skip


@pytest.fixture
def host(tmp_path):
    return plain_host(tmp_path)


def test_only_containers_of_services_are_observed(host):
    host.found = [container("web"), container("web", oneoff="True", number=2), container("worker", "exited")]
    host.found.append(container("db"))
    host.files.write_json("base/base.json", {"services": ["db"]})
    assert plain.observed(host, host.found) == {
        "stage": "",
        "directory": "",
        "running": ["web"],
        "containers": {"shop-web-1": "web100000000", "shop-worker-1": "worker100000"},
    }


@pytest.mark.parametrize(("stage", "where"), [("taken", "/srv/shop"), ("returned", "/var/lib/steady/shop/plain")])
def test_where_plain_compose_is_used_is_told(host, stage, where):
    host.plain.update(stage=stage, directory="/srv/shop", home={"directory": "/var/lib/steady/shop/plain"})
    assert plain.observed(host, [])["directory"] == where


def test_what_runs_is_recorded_once(host):
    host.found = [container("web"), container("db"), container("migrate", "exited")]
    record = {"directory": "/srv/shop", "files": ["/srv/shop/compose.yaml"], "env_files": [], "data": "/srv/shop"}
    release = {"id": "1-a", "roles": ROLES, "plain": record}
    assert plain.remember(host, release)["containers"] == ["shop-web-1", "shop-migrate-1"]
    host.found = []
    assert plain.remember(host, release) == {"changed": False}
    assert host.plain["names"] == {"web": ["shop-web-1"], "migrate": ["shop-migrate-1"]}
    assert set(host.plain["restart"]) == {"web1" + "0" * 12, "migrate1" + "0" * 12}


def test_what_is_stopped_is_not_started_again_by_the_engine(host):
    assert plain.stop(host, [container("web"), container("worker", "exited")])
    assert [words[:2] for words in host.asked] == [("update", "--restart=no"), ("stop", "web1" + "0" * 12)]
    assert not plain.stop(host, [container("worker", "exited")])


def test_state_is_never_removed_and_names_are_kept(host):
    host.found = [container("web"), container("worker"), container("db"), container("migrate", "exited")]
    host.plain.update(roles=ROLES, names={"web": ["shop-web-2", "shop-web-1"], "migrate": ["shop-migrate-1"]})
    plain.dismiss(host)
    removed, *made = host.asked
    assert removed[:3] == ("rm", "--force", "--volumes")
    assert sorted(word[:3] for word in removed[3:]) == ["mig", "web", "wor"]
    assert [words[words.index("--name") + 1] for words in made] == ["shop-web-1", "shop-migrate-1"]
    assert all("start" not in words and "run" not in words for words in made)
    assert host.plain["stage"] == "taken"


def test_a_name_that_is_kept_is_kept(host):
    host.plain.update(roles=ROLES, names={"web": ["shop-web-1"]})
    host.placeholders = [container("", Name="/shop-web-1")]
    plain.dismiss(host)
    assert host.asked == []


def test_the_users_own_file_keeps_all_but_where_it_lies():
    paths = Paths("/tmp/s", "/srv/source", "/srv/data")
    made = plain_model(MODEL, ["db"], paths=paths, pins={"web": DIGEST})
    web, db = made["services"]["web"], made["services"]["db"]
    assert [mount["source"] for mount in web["volumes"]] == ["/srv/source/conf", "/srv/data/data", "cache"]
    assert db["volumes"][0]["source"] == "/srv/data/init"  # so Compose finds nothing to change in what is not remade
    assert (web["image"], web["pull_policy"], db["image"]) == (DIGEST, "never", "postgres:17")
    assert made["secrets"]["key"]["file"] == "/srv/source/key"
    assert MODEL["services"]["web"]["volumes"][0]["source"] == "/tmp/s/conf"


SCALED = {"replicas": 2, "cpus": 0.5, "memory": 1 << 28}
LIMITED = {"cpus": 2, "mem_limit": "64m", "memswap_limit": "64m", "scale": 3, "container_name": "site"}


@pytest.mark.parametrize(
    ("body", "scale", "expected"),
    [
        ({}, SCALED, {"deploy": {"replicas": 2, "resources": {"limits": {"cpus": "0.5", "memory": "268435456"}}}}),
        (LIMITED, SCALED, {"deploy": {"replicas": 2, "resources": {"limits": {"cpus": "0.5", "memory": "268435456"}}}}),
        (
            {"deploy": {"replicas": 2, "resources": {"limits": {"cpus": 2, "pids": 9}}}, "container_name": "site"},
            {"replicas": 1, "cpus": 0.5},
            {
                "deploy": {"replicas": 1, "resources": {"limits": {"cpus": "0.5", "pids": 9}}},
                "container_name": "site",
            },
        ),
        ({"deploy": {"replicas": 2}, "scale": 2}, {}, {"deploy": {"replicas": 2}, "scale": 2}),
    ],
)
def test_plain_compose_runs_what_was_scaled_as_it_was(body, scale, expected):
    paths = Paths("/tmp/s", "/srv/source", "/srv/data")
    made = plain_model({"services": {"web": body, "db": {}}}, [], paths=paths, scales={"web": scale, "gone": SCALED})
    assert made["services"] == {"web": expected, "db": {}}


def test_what_was_scaled_after_an_adoption_has_to_run_as_often(host, monkeypatch):
    """The directory that an unadoption wrote has what was asked for; the source of the release does not."""
    host.files.write_json("scale.json", {"web": {"replicas": 1}})
    monkeypatch.setattr(plain, "hashes", lambda *_words: {"web": "one"})
    ours = {"com.docker.compose.project.working_dir": host.files.path("plain"), adopting.HASH: "one"}
    for labels, told in ((ours, ""), ({adopting.HASH: "one"}, "web runs 1 times, and the source says 2")):
        web = container("web")
        web["Config"]["Labels"].update(labels)
        understanding = Understanding("shop", {"web": Member("web", "web", "", "web:1", replicas=2)})
        try:
            running(host, web).compare({"services": {"web": {}}}, understanding, "/tmp/s")
            said = ""
        except Refused as error:
            said = error.detail
        assert said == told


def test_files_that_are_mounted_are_compared(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "conf").mkdir(parents=True)
        (tmp_path / place / "conf" / "a").write_text("same")
        (tmp_path / place / "key").write_text(place)
    where = str(tmp_path / "two")
    model = plain_model(MODEL, [], paths=Paths("/tmp/s", where, where))
    assert plain.other_files(model, str(tmp_path / "one"), where) == ["./key"]


def running_as_said():
    """A container that is what MODEL says."""
    return container(
        "web",
        Config={
            "Labels": {"a": "b", "com.docker.compose.service": "web"},
            "Env": ["MODE=fast", "PRICE=5$", "PATH=/bin"],
            "Image": "registry/web:1",
            "Cmd": ["serve", "--all"],
        },
        HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
        Mounts=[
            {"Type": "bind", "Source": "/tmp/s/conf", "Destination": "/conf"},
            {"Type": "bind", "Source": "/tmp/s/data", "Destination": "/data"},
            {"Type": "volume", "Name": "shop_cache", "Source": "/var/lib/x", "Destination": "/cache"},
        ],
        NetworkSettings={"Networks": {"shop_default": {}}},
    )


def test_nothing_differs_in_what_is_as_it_is_said():
    assert list(adopting._differences(MODEL, "web", running_as_said())) == []


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("Image", "registry/web:2", "image registry/web:2, not registry/web:1"),
        ("Env", ["MODE=slow", "PRICE=5$"], "environment MODE (values are not shown)"),
        ("Labels", {}, "labels a (values are not shown)"),
        ("Cmd", ["serve"], "another command"),
    ],
)
def test_what_differs_is_named_and_no_value_told(part, value, told):
    has = running_as_said()
    has["Config"][part] = value
    assert list(adopting._differences(MODEL, "web", has)) == [told]


def test_other_ports_mounts_and_networks_are_named():
    has = running_as_said()
    has["HostConfig"]["PortBindings"] = {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}
    has["Mounts"] = has["Mounts"][:2]
    has["NetworkSettings"]["Networks"] = {"bridge": {}}
    assert list(adopting._differences(MODEL, "web", has)) == [
        "ports 80:80, not 127.0.0.1:8080:80",
        "another mount at /cache",
        "networks bridge",
    ]


def test_nothing_plain_is_told_with_the_projects_that_there_are(host):
    host.placeholders = [container("x", Config={"Labels": {"com.docker.compose.project": "shops"}})]
    with pytest.raises(Refused) as error:
        adopting.Running(host)
    assert (error.value.code, "shops" in error.value.next_step) == ("nothing_plain", True)


def running(host, *found):
    host.found = list(found)
    return adopting.Running(host)


def test_one_service_has_one_image(host):
    seen = running(host, container("web"), container("web", number=2, Image="sha256:" + "e" * 64))
    with pytest.raises(Refused) as error:
        seen.pins({}, ["web"])
    assert error.value.code == "source_differs"


PINNED = f"registry/web:1.1.0@{DIGEST}"
BUILT = "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("runs", "kept", "version"),
    [
        ("registry/web:1", None, "1"),
        (PINNED, None, "1.1.0"),
        (PINNED, {"web": PINNED}, "2030-03"),
        (PINNED, {"web": "registry/web:1"}, "1.1.0"),
        (BUILT, {"web": BUILT}, "2030-03"),
        (BUILT, None, "1.0.0"),
    ],
    ids=["as written", "as updated", "as released", "changed since", "built", "built by hand"],
)
def test_what_runs_says_its_version_not_what_the_file_would_start(host, runs, kept, version):
    host.plain["release"] = "x-1"
    host.release = lambda name: {"version": "2030-03", "images": kept} if (name, bool(kept)) == ("x-1", True) else None
    web = container("web")
    web["Config"]["Image"] = runs
    model = {"services": {"web": {"image": "registry:5000/web:1.0.0"}}}
    entrance = SimpleNamespace(edge_ports=[("web", None)])
    assert running(host, web).version(model, entrance) == version


@pytest.mark.parametrize(
    ("found", "told"),
    [([container("web", "exited"), container("worker")], "web does not run (it is exited)"),
     ([container("worker")], "web does not run"),
     ([container("web"), container("web", number=2)], "web runs 2 times, and the source says 1")],
)  # fmt: skip
def test_what_is_said_has_to_run(host, found, told):
    seen = running(host, *found)
    with pytest.raises(Refused) as error:
        seen._check_running("web", SimpleNamespace(role="web", replicas=1))
    assert error.value.detail == told


def test_a_job_at_work_is_waited_for(host):
    with pytest.raises(Refused) as error:
        running(host, container("migrate"))._check_running("migrate", SimpleNamespace(role="job", replicas=1))
    assert error.value.code == "job_runs"
    running(host, container("web"), container("migrate", "exited"))._check_running(
        "migrate", SimpleNamespace(role="job", replicas=1)
    )


def test_what_is_in_a_volume_without_a_name_is_not_left_behind(host, tmp_path):
    mount = {"Type": "volume", "Name": "0" * 64, "Source": str(tmp_path / "volume"), "Destination": "/uploads"}
    (tmp_path / "volume").mkdir()
    seen = running(host, container("web", Mounts=[mount]))
    seen._check_unnamed(MODEL, "web")
    (tmp_path / "volume" / "mine").write_text("x")
    with pytest.raises(Refused) as error:
        seen._check_unnamed(MODEL, "web")
    assert error.value.code == "anonymous_volume" and "/uploads" in error.value.detail


@pytest.mark.parametrize(
    ("digests", "pin"),
    [
        (["registry/web@" + DIGEST], "registry/web:1@" + DIGEST),
        (["elsewhere/web@" + DIGEST], "sha256:" + "a" * 64),
        ([], "sha256:" + "a" * 64),
    ],
)
def test_an_image_is_pinned_as_it_runs(scripted, digests, pin):
    answer = json.dumps({"Id": "sha256:" + "a" * 64, "RepoDigests": digests})
    docker = scripted((("GET", "/images/"), 200, answer, ""))
    assert pin_of(docker, "sha256:" + "a" * 64, "registry/web:1") == pin


@pytest.mark.parametrize("strategy", ["overlap", "hold"])
def test_people_read_what_was_understood(understood, strategy):
    _model, understanding = understood("full")
    lines = adopting.understood(understanding, strategy)
    told = [line.partition(" is ")[0] for line in lines[: len(understanding.services)]]
    assert told == sorted(understanding.services)
    assert ("requests are held" in lines[-2]) == (strategy == "hold")
    assert "one short outage" in lines[-1]


def test_people_read_that_a_proxy_in_front_is_not_believed(understood):
    _model, understanding = understood("extends")
    local = [port for one in understanding.of_role("web") for port in one.ports if port.host_ip == "127.0.0.1"]
    told = adopting.in_front(understanding)
    assert len(told) == len(local) > 0
    assert f"127.0.0.1:{local[0].published}" in told[0] and "service_edge_trusted" in told[0]

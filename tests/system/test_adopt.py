# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services that run by plain ``docker compose up -d`` are adopted, lived with, and given back as they were."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.hello import docker, free_port, wait_until
from ansible_collections.steady.runbooks.tests.system.plain import Plain, differences
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

READY = {"path": "/", "port": 8000}
REDIS = ("redis-cli", "get", "kept")
NOTE = "what somebody had written before"


@dataclass(frozen=True)
class Shape:
    """One manner of compose files: *state* are services whose container has to stay the same one, *keep* writes
    something into each store and *kept* reads it, as words of ``docker compose exec``."""

    settings: dict[str, Any] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    keep: tuple[tuple[str, ...], ...] = ()
    kept: tuple[tuple[str, ...], ...] = ()
    tells: tuple[str, ...] = ()  # what --check --diff has to say
    job: str = ""


SHAPES = {
    "web_worker": Shape(
        state=("db", "redis"),
        keep=(
            ("db", "psql", "-U", "app", "-c", f"create table note as select '{NOTE}' as text"),
            ("redis", "redis-cli", "set", "kept", NOTE),
        ),
        kept=(("db", "psql", "-U", "app", "-At", "-c", "select text from note"), ("redis", *REDIS)),
        tells=("db is state", "web is web: It publishes a port.", "beat is scheduler", "worker is worker"),
    ),
    "own_proxy": Shape(
        {"service_ready": {"proxy": {"path": "/", "port": 80}, "app": READY}},
        state=("cache",),
        keep=(("cache", "redis-cli", "set", "kept", NOTE),),
        kept=(("cache", *REDIS),),
        tells=("proxy is web: It publishes a port.", "app is web", "The edge takes its port 127.0.0.1:"),
    ),
    "profiles": Shape(
        {
            "service_ready": {"web": READY},
            "service_compose_files": ["compose.yaml", "compose.override.yaml"],
            "service_profiles": ["full"],
        },
        state=("store",),
        keep=(("store", "redis-cli", "set", "kept", NOTE),),
        kept=(("store", *REDIS),),
        tells=("queue is worker", "do not find web by that name any more"),
    ),
    "traefik": Shape(
        {"service_labels": {"traefik": "remove"}, "service_mounts": {"app": {"/uploads": "data"}}},
        keep=(("app", "sh", "-c", f"echo {NOTE} > /data/content; echo {NOTE} > /uploads/one"),),
        kept=(("app", "cat", "/data/content", "/uploads/one"),),
        tells=("It cannot overlap: It writes to the volume content.", "declare service_shared: [app]", "traefik"),
    ),
    "migrate": Shape(
        {"service_roles": {"migrate": "job"}, "service_ready": {"app": READY}},
        state=("db",),
        keep=(("db", "psql", "-U", "postgres", "-c", f"create table note as select '{NOTE}' as text"),),
        kept=(("db", "psql", "-U", "postgres", "-At", "-c", "select text from note"),),
        tells=("migrate is job", "It has run for this release"),
        job="select count(*) from migrations",
    ),
    "host_network": Shape(
        {"service_ready": {"web": READY}, "service_roles": {"agent": "worker"}},
        keep=(("agent", "sh", "-c", f"echo {NOTE} > /seen/one"),),
        kept=(("agent", "cat", "/seen/one"),),
        tells=("agent is worker", "It uses the host's own network: two would want the same ports."),
    ),
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Callable[..., Plain]]:
    """Makes a shape run by plain compose; all of it is taken away in the end."""
    lab.up(list(shop.BASES))
    made: list[Plain] = []

    def run(shape: str, **settings: Any) -> Plain:
        name = f"ad-{shape.replace('_', '-')[:10].rstrip('-')}-{len(made)}"
        shop.remove(name)
        root = tmp_path / name
        root.mkdir()
        plain = Plain(root, shape, name, free_port(), **{**SHAPES[shape].settings, **settings})
        made.append(plain)
        shop.gone("network", f"{name}-shared")
        if shape == "profiles":
            docker("network", "create", f"{name}-shared")
        plain.up()
        for words in SHAPES[shape].keep:
            said = plain.compose("exec", "-T", *words)
            assert said.returncode == 0, said.stderr
        return plain

    yield run
    for plain in made:
        plain.remove()
        shop.gone("network", f"{plain.name}-shared")


def content(plain: Plain, shape: str) -> list[str]:
    """What is in the stores; of a service in a slot, by the container that runs."""
    found = []
    for service, *words in SHAPES[shape].kept:
        ids = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={plain.name}",
                     "--filter", f"label=com.docker.compose.service={service}")  # fmt: skip
        slots = [one for slot in ("blue", "green")
                 for one in docker("ps", "-q", "--filter", f"label=com.docker.compose.project={plain.name}-{slot}",
                                   "--filter", f"label=steady.compose_service={service}")]  # fmt: skip
        found += docker("exec", (ids + slots)[0], *words)
    return found


def migrations(plain: Plain, shape: str) -> int:
    """How often the job has run."""
    if not SHAPES[shape].job:
        return 0
    words = ("exec", "-T", "db", "psql", "-U", "postgres", "-At", "-c", SHAPES[shape].job)
    return int(plain.compose(*words).stdout.strip())


def last(plain: Plain) -> dict[str, Any]:
    """The ledger's newest line."""
    lines = (plain.state / "ledger.jsonl").read_text().splitlines()
    return dict(json.loads(lines[-1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_adopted_and_given_back(runs: Callable[..., Plain], shape: str) -> None:
    plain = runs(shape)
    before, kept, state = plain.host(), content(plain, shape), plain.ids(*SHAPES[shape].state)
    done = migrations(plain, shape)
    assert kept and all(NOTE in one for one in kept)

    told = plain.done("adopt", "--check", "--diff")
    assert all(sentence in told for sentence in SHAPES[shape].tells), told
    assert "costs one short outage" in told
    assert not differences(before, plain.host())
    assert not plain.state.exists()

    assert "it serves from a slot; outage " in plain.done("adopt")
    assert plain.version() == "1.0.0"
    assert plain.status()["live"]["version"] == "1.0.0"
    assert not plain.status()["observed"]["drift"]
    entry = last(plain)
    assert (entry["runbook"], entry["outcome"]) == ("adopt", "done")
    assert 0 < entry["outage_ms"] < 20_000
    assert plain.ids(*SHAPES[shape].state) == state
    assert (content(plain, shape), migrations(plain, shape)) == (kept, done)

    habit = plain.compose("up", "-d")
    assert habit.returncode != 0
    assert "is already in use" in habit.stderr
    assert (plain.version(), plain.ids(*SHAPES[shape].state)) == ("1.0.0", state)
    assert (content(plain, shape), migrations(plain, shape)) == (kept, done)

    plain.done("apply_update", "-e", "version=1.1.0")
    assert plain.version() == "1.1.0"
    assert migrations(plain, shape) == done + bool(SHAPES[shape].job)
    plain.done("rollback")  # warm, or of what cannot overlap as it can be
    assert plain.version() == "1.0.0"
    plain.done("retire")
    plain.done("rollback", "-e", "release=1.1.0")  # cold
    assert plain.version() == "1.1.0"
    plain.done("retire")
    plain.done("rollback")
    assert plain.version() == "1.0.0"
    assert (content(plain, shape), plain.ids(*SHAPES[shape].state)) == (kept, state)

    told = plain.done("unadopt")
    assert f"Plain compose will run from your own {plain.source}" in told
    assert plain.version() == "1.0.0"
    entry = last(plain)
    assert (entry["runbook"], entry["outcome"]) == ("unadopt", "done")
    assert 0 < entry["outage_ms"] < 30_000
    assert not differences(before, plain.host())
    assert content(plain, shape) == kept
    assert plain.ids(*SHAPES[shape].state) == state
    ids = {name: one["Id"] for name, one in plain.members().items()}
    assert plain.compose("up", "-d").returncode == 0
    assert {name: one["Id"] for name, one in plain.members().items()} == ids
    assert "not managed: plain docker compose runs it" in plain.done("status")


def test_another_release_is_given_back_from_a_directory_of_ours(runs: Callable[..., Plain]) -> None:
    plain = runs("profiles")
    kept, state = content(plain, "profiles"), plain.ids("store")
    plain.done("adopt")
    plain.done("apply_update", "-e", "version=1.1.0")

    told = plain.done("unadopt")
    home = plain.state / "plain"
    assert f"Plain compose will run from {home}, which is written for it: queue, web are otherwise in" in told
    assert plain.version() == "1.1.0"
    assert (content(plain, "profiles"), plain.ids("store")) == (kept, state)
    ids = {name: one["Id"] for name, one in plain.members().items()}
    source, plain.source = plain.source, home
    assert plain.compose("up", "-d").returncode == 0
    plain.source = source
    assert {name: one["Id"] for name, one in plain.members().items()} == ids

    assert f"not managed: plain docker compose runs it in {home};" in plain.done("status")
    said = plain.play("apply_update", "-e", "version=1.2.0")
    assert said.returncode != 0 and "runs by plain docker compose, and has not been adopted" in said.stdout

    plain.done("adopt", "-e", "version=1.1.0")
    assert plain.version() == "1.1.0"
    assert (content(plain, "profiles"), plain.ids("store")) == (kept, state)
    plain.done("apply_update", "-e", "version=1.2.0")
    assert plain.version() == "1.2.0"


def test_what_needs_the_edge_is_scaled_down_before_it_is_given_back(runs: Callable[..., Plain]) -> None:
    plain = runs("host_network")
    plain.done("adopt")
    compose = plain.source / "compose.yaml"
    compose.write_text(compose.read_text().replace("  web:\n", "  web:\n    deploy: {replicas: 2}\n", 1))
    plain.done("apply_update", "-e", "version=1.1.0")
    before = plain.containers()
    for words in (("--check", "--diff"), ()):
        said = plain.play("unadopt", *words)
        assert said.returncode != 0
        assert "web has 2 replicas and publishes" in said.stdout
        assert "plain docker compose cannot run that" in said.stdout
        assert "scale.yml -e service=web -e replicas=1" in said.stdout
        assert (plain.containers(), plain.version()) == (before, "1.1.0")

    plain.done("scale", "-e", "service=web", "-e", "replicas=1", "-e", "cpus=0.5", "-e", "memory=256m")
    assert f"Plain compose will run from {plain.state / 'plain'}" in plain.done("unadopt")
    members = plain.members()
    assert sorted(members) == [f"{plain.name}-agent-1", f"{plain.name}-web-1"]
    limits = members[f"{plain.name}-web-1"]["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"]) == (5 * 10**8, 256 << 20)
    assert plain.version() == "1.1.0"

    plain.done("adopt", "-e", "version=1.1.0")  # from a source that still says 2
    assert plain.version() == "1.1.0"
    assert f"{plain.name}-blue-web-blue-2" not in plain.containers()


def test_what_is_refused_changes_nothing(runs: Callable[..., Plain]) -> None:
    plain = runs("host_network")
    before = plain.host()

    def refused(runbook: str, *sentences: str) -> None:
        said = plain.play(runbook)
        assert said.returncode != 0
        assert all(sentence in said.stdout for sentence in sentences), said.stdout
        assert not differences(before, plain.host())
        assert not plain.state.exists()

    refused("unadopt", "no release serves here")
    plain.set(service_roles={})
    refused("adopt", "agent uses `network_mode: host`", "service_roles: {agent: worker}")
    plain.set(service_roles={"agent": "worker"}, service_project="ad-nobody")
    refused("adopt", "nothing runs by plain docker compose in the project ad-nobody", "service_project")
    plain.set(service_project="")

    compose = plain.source / "compose.yaml"
    text = compose.read_text()
    source = plain.root / "another"
    for old, new, sentence in (
        ('{VERSION: "${VERSION:-1.0.0}"}', "{VERSION: 1.0.1}", "environment VERSION (values are not shown)"),
        ("/app/app.py, web]", "/app/app.py, web, quick]", "another command"),
        ("    restart: unless-stopped", "    restart: always", "something of its definition was changed"),
        ("127.0.0.1:${PORT}:8000", "127.0.0.1:${PORT}:8001", "ports "),
    ):
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(plain.source, source)
        (source / "compose.yaml").write_text(text.replace(old, new, 1))
        plain.set(service_source=str(source))
        refused("adopt", "web runs otherwise than the source says", sentence)
    shutil.copy(plain.source / "compose.yaml", source)
    (source / "app.py").write_text("print('another')\n")
    refused("adopt", "./app.py is another file")
    plain.set(service_source=str(plain.source))

    plain.compose("stop", "agent")
    said = plain.play("adopt")
    assert said.returncode != 0 and "agent does not run (it is exited)" in said.stdout
    plain.compose("start", "agent")
    plain.done("adopt")
    said = plain.play("adopt")
    assert said.returncode != 0 and "it is adopted already: 1.0.0 serves from blue" in said.stdout


def test_what_never_gave_the_declared_answer_is_not_adopted(runs: Callable[..., Plain]) -> None:
    plain = runs("own_proxy", service_exclusive=["proxy"])
    conf = plain.source / "nginx.conf"
    passes = conf.read_text()

    def answer(text: str) -> None:
        conf.write_text(text)
        assert plain.compose("exec", "-T", "proxy", "nginx", "-s", "reload").returncode == 0

    answer("server { listen 80; location / { return 403; } }\n")
    wait_until(lambda: not plain.version(), "the new answer", 10)
    before, ids = plain.host(), plain.ids("proxy", "app", "cache")
    for words in (("--check", "--diff"), ()):
        said = plain.play("adopt", *words)
        assert said.returncode != 0
        assert f"proxy: {plain.name}-proxy-1 answers / with 403, not 200" in said.stdout
        assert "Correct service_ready" in said.stdout
        assert not differences(before, plain.host())
        assert plain.ids("proxy", "app", "cache") == ids
        assert not plain.state.exists()
    answer(passes)
    wait_until(plain.version, "the answer from before", 10)
    assert "Stop the plain web containers" in plain.done("adopt", "--check", "--diff")


def test_what_is_not_ready_a_second_time_runs_again_all_the_same(runs: Callable[..., Plain]) -> None:
    plain = runs("web_worker", service_start_seconds=4)
    compose = plain.source / "compose.yaml"
    once = "test -e /once/it && exec python3 /app/app.py none; touch /once/it; exec python3 /app/app.py web"
    serves = "command: [python3, /app/app.py, web]"
    mounts = '["./app.py:/app/app.py:ro", "once:/once"]'
    text = compose.read_text().replace(serves, f'command: [sh, -c, "{once}"]\n    volumes: {mounts}')
    compose.write_text(text.replace("\nvolumes:\n", "\nvolumes:\n  once:\n"))
    plain.up()
    assert plain.version() == "1.0.0"
    before, ids = plain.host(), plain.ids("web", "worker", "beat", "db", "redis")

    said = plain.play("adopt")
    assert said.returncode != 0
    assert last(plain)["outcome"] == "undone", said.stdout
    assert f"started, and not ready after 4 s: {plain.name}-web-1" in said.stdout
    assert plain.ids("web", "worker", "beat", "db", "redis") == ids
    assert not differences(before, plain.host())
    assert {one["State"]["Status"] for one in plain.members().values()} == {"running"}
    said = plain.play("recover")
    assert "there is nothing to recover" in said.stdout


def test_a_habit_is_told_with_the_command_that_mends_it(runs: Callable[..., Plain]) -> None:
    plain = runs("host_network")
    plain.done("adopt")
    names = docker("ps", "-aq", "--filter", f"label=steady.placeholder={plain.name}")
    assert len(names) == 2
    docker("rm", *names)  # as somebody does who clears up stopped containers
    habit = plain.compose("up", "-d")
    assert habit.returncode != 0 and "port is already allocated" in habit.stderr
    assert plain.version() == "1.0.0"
    drift = plain.status()["observed"]["drift"]
    commands = [sentence.partition("): ")[2] for sentence in drift if "a plain compose up?" in sentence]
    assert any(command.endswith(f"{plain.name}-web-1") for command in commands), drift
    for command in commands:
        docker(*command.split()[1:])
    assert not plain.status()["observed"]["drift"]
    assert plain.version() == "1.0.0"


@pytest.mark.alone
def test_users_of_a_service_beside_it_notice_nothing(runs: Callable[..., Plain], tell: Callable[[str], None]) -> None:
    first, second = runs("host_network"), runs("own_proxy")
    first.done("adopt")
    url = f"http://127.0.0.1:{first.port}"
    with Traffic(url, rate=250, seconds=600, requests=["1 GET /"], timeout=30) as users:
        began = time.time()
        second.done("adopt")
        second.done("apply_update", "-e", "version=1.1.0")
        second.done("unadopt")
        wait_until(lambda: users.seen(began).sent >= 10_000, "10,000 requests", 300)
        seen = users.seen(began)
    tell(f"beside an adoption, an update and the way back: {seen}")
    assert seen.failed == 0, seen
    assert seen.sent >= 10_000

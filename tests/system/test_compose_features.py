# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a compose file says, looked for on real containers of two slots that run side by side.

What can be seen of the rendered files is in tests/unit/plugins/module_utils/compose/test_features.py.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.docker import Docker
from ansible_collections.steady.runbooks.tests.corpus.features import features, recorded
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker, free_port

NAME = "uc-features"
OUTSIDE = f"{NAME}-outside"
IMAGE = "127.0.0.1:5000/hello:1"
COMPOSE = f"""\
x-app: &app
  image: {IMAGE}
  environment: {{VERSION: "${{VERSION}}"}}
  volumes: ["./app.py:/app.py:ro"]
  restart: unless-stopped
  stop_grace_period: 1s
services:
  web:
    <<: *app
    command: [python3, /app.py, "8000", "8001", "8002"]
    ports:
      - 127.0.0.1:${{HELLO_PORT}}:8000
      - 127.0.0.1:${{MORE_PORTS}}:8001-8002
    volumes: ["./app.py:/app.py:ro", "/cache"]
    healthcheck: {{test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8002))"]}}
    depends_on: [api]
    deploy: {{replicas: 2, resources: {{limits: {{memory: 128M, cpus: "0.75", pids: 60}}}}}}
    user: "1000:1000"
    init: true
    cap_add: [NET_ADMIN]
    cap_drop: [CHOWN]
    security_opt: ["no-new-privileges:true"]
    sysctls: {{net.core.somaxconn: 512}}
    ulimits: {{nofile: 4096}}
    tmpfs: [/scratch]
    logging: {{driver: json-file, options: {{max-size: 1m}}}}
    extra_hosts: ["elsewhere.example.com:10.9.8.7"]
    secrets: [filed, {{source: enved, target: /run/secrets/other}}]
    configs: [inline]
    labels: {{team: features}}
    networks: {{front: {{aliases: [shop]}}, back: {{}}, outside: {{aliases: [shop-outside]}}}}
  api:
    <<: *app
    command: [python3, /app.py, "9000"]
    expose: ["9000"]
    container_name: {NAME}-api-container
    hostname: api-host
    networks: [back]
  db:
    image: 127.0.0.1:5000/redis:8
    volumes: [data:/data]
    networks: [front, back]
networks:
  front: {{}}
  back: {{}}
  outside: {{name: {OUTSIDE}, external: true}}
volumes:
  data: {{}}
secrets:
  filed: {{file: ./filed.txt}}
  enved: {{environment: ENVED}}
configs:
  inline: {{content: "version ${{VERSION}}"}}
"""


def make(root: Path, name: str, compose: str, **settings: Any) -> Hello:
    """A service with this compose file, whose releases differ in their version only."""
    hello = Hello(root, name, service_watch={"seconds": 0}, service_version_endpoint={}, **settings)
    (root / "source/compose.exclusive.yaml").unlink()
    hello.write("source/compose.yaml", compose)
    shutil.copy(Path(__file__).with_name("featured.py"), root / "source/app.py")
    for version in ("1.0.0", "1.1.0"):
        hello.write(f"releases/{version}.yml", f'version: "{version}"\n')
    return hello


def environment(hello: Hello, **more: str) -> None:
    hello.set(service_environment={"HELLO_PORT": str(hello.port), **more})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hello]:
    """1.1.0 in green serves, 1.0.0 in blue is warm beside it."""
    shop.provide_hello()
    shop.remove(NAME)
    hello = make(
        tmp_path_factory.mktemp("features"),
        NAME,
        COMPOSE,
        service_ready={"api": {"port": 9000}, "db": {"port": 6379}},
        service_mounts={"web": {"/cache": "fresh"}},
        service_secrets={"ENVED": 'from $ecret "inventory"'},
    )
    first = free_range()
    environment(hello, MORE_PORTS=f"{first}-{first + 1}")
    hello.write("source/filed.txt", "from a file\n")
    shop.gone("network", OUTSIDE)
    docker("network", "create", OUTSIDE)
    try:
        acting = Acting(hello)
        acting.done("apply_update", "1.0.0")
        acting.done("apply_update", "1.1.0")
        yield hello
    finally:
        hello.remove()
        shop.gone("network", OUTSIDE)


def free_range() -> int:
    """The first of two free ports that follow each other."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError), socket.socket() as second:
            second.bind(("127.0.0.1", first + 1))
            return first


def ask(port: int, what: str = "/", **words: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}{what}?{urllib.parse.urlencode(words)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(json.load(answer))


def inspected(label: str) -> list[dict[str, Any]]:
    return Docker().engine.matching(label=[label], status=["running"])  # those of other tests come and go


def of(slot: str, name: str) -> list[dict[str, Any]]:
    """The containers of a compose service in a slot."""
    mine = inspected(f"com.docker.compose.project={NAME}-{slot}")
    return [one for one in mine if one["Config"]["Labels"]["com.docker.compose.service"] == f"{name}-{slot}"]


def within(container: dict[str, Any], program: str) -> str:
    return shop.docker("exec", container["Id"], "python3", "-c", program).strip()


def leads_to(container: dict[str, Any], name: str) -> set[str]:
    """The containers that a name leads to, for another container."""
    program = "import socket\ntry:\n print(*{a[4][0] for a in socket.getaddrinfo('NAME', None)})\nexcept OSError: pass"
    found = within(container, program.replace("NAME", name)).split()
    here = {
        network["IPAddress"]: one["Name"].lstrip("/")
        for one in inspected("com.docker.compose.project")
        for network in one["NetworkSettings"]["Networks"].values()
    }
    return {here.get(address, address) for address in found}


def test_containers_are_made_as_the_file_says(service: Hello) -> None:
    for slot, version in (("blue", "1.0.0"), ("green", "1.1.0")):
        first, _second = of(slot, "web")
        config, host = first["Config"], first["HostConfig"]
        assert config["User"] == "1000:1000" and f"VERSION={version}" in config["Env"]
        assert host["Init"] and host["CapAdd"] == ["NET_ADMIN"] and host["CapDrop"] == ["CHOWN"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"] and host["Sysctls"] == {"net.core.somaxconn": "512"}
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (128 * 2**20, 750_000_000, 60)
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
        assert host["ExtraHosts"] == ["elsewhere.example.com:10.9.8.7"] and host["Tmpfs"] == {"/scratch": ""}
        assert host["RestartPolicy"]["Name"] == "unless-stopped" and not host["PortBindings"]
        assert (host["Ulimits"][0]["Name"], host["Ulimits"][0]["Soft"]) == ("nofile", 4096)
        assert config["Labels"]["team"] == "features" and config["Labels"]["steady.slot"] == slot
        binds = {mount["Destination"]: mount for mount in first["Mounts"] if mount["Type"] == "bind"}
        assert re.search(rf"/releases/{version}-[0-9a-f]+/source/app\.py$", binds["/app.py"]["Source"])
        assert not binds["/app.py"]["RW"]
    assert len(inspected(f"com.docker.compose.project={NAME}")) == 1, "one database, in the user's own project"


def test_secrets_and_configs_reach_the_containers(service: Hello) -> None:
    files = {path: ask(service.port, "/file", path=path)["file"] for path in ("/run/secrets/filed", "/inline")}
    assert files == {"/run/secrets/filed": "from a file\n", "/inline": "version 1.1.0"}
    assert ask(service.port, "/file", path="/run/secrets/other")["file"] == 'from $ecret "inventory"'
    (blue, *_others) = of("blue", "web")
    assert within(blue, "print(open('/inline').read())") == "version 1.0.0"


def test_several_ports_are_switched_together(service: Hello) -> None:
    more = int(service.variables["service_environment"]["MORE_PORTS"].partition("-")[0])
    ports = {8000: service.port, 8001: more, 8002: more + 1}
    for target, published in ports.items():
        assert ask(published)["version"] == "1.1.0" and ask(published)["port"] == target
    Acting(service).done("blue_green_switch")
    assert [ask(published)["version"] for published in ports.values()] == ["1.0.0"] * 3
    Acting(service).done("blue_green_switch")
    assert [ask(published)["version"] for published in ports.values()] == ["1.1.0"] * 3


def test_replicas_share_the_requests(service: Hello) -> None:
    assert len({ask(service.port)["host"] for _request in range(20)}) == 2
    assert [len(of(slot, "web")) for slot in ("blue", "green")] == [2, 2]


def test_no_name_leads_to_two_slots(service: Hello) -> None:
    """From inside a slot a name leads to that slot; from outside of the slots it leads nowhere."""
    for slot in ("blue", "green"):
        (web, *_others), (api,) = of(slot, "web"), of(slot, "api")
        webs = {one["Name"].lstrip("/") for one in of(slot, "web")}
        for name in ("web", "shop", "shop-outside"):
            assert leads_to(api, name) == webs, name
        for name in ("api", f"{NAME}-api-container", "api-host"):
            assert leads_to(web, name) == {api["Name"].lstrip("/")}, name
        assert leads_to(web, "db") == {f"{NAME}-db-1"}
    words = ("run", "-d", "--rm", "--label", "com.docker.compose.project=uc-else", "--name", "uc-else")
    shop.gone("container", "uc-else")
    for network in (f"{NAME}_front", f"{NAME}_back", OUTSIDE):
        docker(*words, "--network", network, IMAGE, "sleep", "60")
        try:
            (beside,) = inspected("com.docker.compose.project=uc-else")
            for name in ("web", "shop", "shop-outside", "api", f"{NAME}-api-container", "api-host"):
                assert not leads_to(beside, name), f"{name} in {network}"
        finally:
            shop.gone("container", "uc-else")


def test_an_anonymous_volume_is_each_slots_own(service: Hello) -> None:
    volumes = [
        mount["Name"]
        for slot in ("blue", "green")
        for one in of(slot, "web")
        for mount in one["Mounts"]
        if mount["Destination"] == "/cache"
    ]
    assert len(set(volumes)) == 4
    Acting(service).done("retire")
    assert len(set(volumes) & set(docker("volume", "ls", "-q"))) == 2
    assert f"{NAME}_data" in docker("volume", "ls", "-q")


def test_what_cannot_be_switched_is_refused(tmp_path: Path) -> None:
    name = "uc-udp"
    web = f"services:\n  web:\n    image: {IMAGE}\n    ports: ['127.0.0.1:${{HELLO_PORT}}:8000']\n"
    hello = make(tmp_path, name, web + "  dns: {image: x, ports: ['127.0.0.1:23999:53/udp'], expose: ['53']}\n")
    environment(hello)
    before = hello.snapshot()
    refused = Acting(hello).refused("apply_update", "1.0.0")
    assert refused.code == "udp_port" and "service_roles: {dns: worker}" in refused.next_step
    assert hello.snapshot() == before


def test_an_image_is_built_once_and_pinned(tmp_path: Path) -> None:
    name = "uc-build"
    shop.provide_hello()
    shop.remove(name)
    hello = make(tmp_path, name, BUILT)
    hello.write("source/Dockerfile", f"FROM {IMAGE}\nCOPY app.py /app.py\n")
    hello.set(service_ready={"web": {"path": "/", "port": 8000}})
    environment(hello)
    acting = Acting(hello)
    try:
        first = acting.plan("apply_update", "1.0.0", stays=False)["plan"]["to"]["images"]
        assert first["web"].startswith("sha256:") and first["worker"] == first["web"]
        assert acting.done("apply_update", "1.0.0")["to"]["images"] == first, "it was built once"
        (tmp_path / "source/app.py").write_text((tmp_path / "source/app.py").read_text() + "# changed\n")
        assert acting.done("apply_update", "1.1.0")["to"]["images"] != first
        assert ask(hello.port)["version"] == "1.1.0"
        acting.done("retire")
        acting.done("rollback")
        assert ask(hello.port)["version"] == "1.0.0", "what was built is still here"
        hello.write("source/Dockerfile", f"FROM {IMAGE}\nRUN exit 7\n")
        refused = acting.refused("apply_update", "1.1.0")
        assert refused.code == "build_failed" and "cannot be built: failed to solve" in refused.detail
        hello.write("releases/1.1.0.yml", f'version: "1.1.0"\nimages: {{web: "{IMAGE}", worker: "{IMAGE}"}}\n')
        assert acting.plan("apply_update", "1.1.0", stays=False)["plan"]["to"]["images"]["web"].startswith(IMAGE)
    finally:
        hello.remove()
        docker("rmi", "--force", *docker("images", "--quiet", "uc-build-web"))


BUILT = """\
services:
  web:
    build: .
    command: [python3, /app.py, "8000"]
    environment: {VERSION: "${VERSION}"}
    ports: ["127.0.0.1:${HELLO_PORT}:8000"]
  worker:
    image: uc-build-web
    build: .
    command: [python3, -c, "import time; time.sleep(10000)"]
    stop_grace_period: 1s
"""


def test_workers_that_exclude_each_other_are_stopped_first(tmp_path: Path) -> None:
    """A worker with a port of its own can only start where the old one has stopped, there and back."""
    name = "uc-hands"
    shop.provide_hello()
    shop.remove(name)
    port = free_port()
    web = COMPOSE.partition("services:")[0] + "services:\n  web:\n    <<: *app\n"
    web += '    command: [python3, /app.py, "8000"]\n    ports: ["127.0.0.1:${HELLO_PORT}:8000"]\n'
    web += f'  mail:\n    <<: *app\n    command: [python3, /app.py, "2525"]\n    ports: ["127.0.0.1:{port}:2525"]\n'
    hello = make(
        tmp_path,
        name,
        web,
        service_roles={"mail": "worker"},
        service_ready={"web": {"path": "/"}, "mail": {"port": 2525}},
    )
    environment(hello)
    acting = Acting(hello)
    try:
        for version in ("1.0.0", "1.1.0"):
            acting.done("apply_update", version)
            assert (ask(hello.port)["version"], ask(port)["version"]) == (version, version)
        acting.done("rollback")
        assert (ask(hello.port)["version"], ask(port)["version"]) == ("1.0.0", "1.0.0")
    finally:
        hello.remove()


def test_what_a_proxy_names_starts_before_it_gets_requests(tmp_path: Path) -> None:
    """On IPv6 too. Nothing but its mounted configuration says that the proxy asks another service."""
    name = "uc-front"
    shop.provide_hello()
    shop.remove(name)
    compose = COMPOSE.partition("services:")[0] + (
        "services:\n  front:\n    <<: *app\n    command: [python3, /app.py, '8000']\n"
        "    volumes: ['./app.py:/app.py:ro', './front.conf:/front.conf:ro']\n"
        "    ports: ['127.0.0.1:${HELLO_PORT}:8000', '[::1]:${HELLO_PORT}:8000']\n"
        "  behind:\n    <<: *app\n    command: [python3, /app.py, '9000']\n"
        "  hands:\n    <<: *app\n    command: [python3, /app.py, '9001']\n"
    )
    hello = make(tmp_path, name, compose, service_ready={"front": {"path": "/"}})
    hello.write("source/front.conf", "location / { proxy_pass http://behind:9000; }\n")
    environment(hello)
    acting = Acting(hello)
    try:
        text = acting.plan("apply_update", "1.0.0", stays=False)["text"]
        assert "= behind is web: It publishes no port, but front names it as one that answers." in text
        assert "= hands is worker: It publishes no port, and nothing shows" in text
        assert "behind has no healthcheck, and is taken to be ready when its port 9000 accepts connections" in text
        for version in ("1.0.0", "1.1.0"):
            result = acting.done("apply_update", version)
            with urllib.request.urlopen(f"http://[::1]:{hello.port}/", timeout=10) as answer:
                assert json.load(answer)["version"] == version
        assert {entry["address"] for entry in result["proof"]["timeline"]} == {
            f"127.0.0.1:{hello.port}",
            f"::1:{hello.port}",
        }
        assert result["proof"]["failed"] == 0
        told = acting.status()
        assert told["roles"]["behind"]["role"] == "web" and "  hands is worker: It publishes no port" in told["text"]
    finally:
        hello.remove()


def test_the_recordings_are_what_compose_says() -> None:
    version = shop.docker("compose", "version", "--short").strip()
    if not version.startswith("2.26.1"):
        pytest.skip(f"the recordings are those of Compose 2.26.1, and this is {version}")
    assert {one.id: one.record() for one in features()} == recorded()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are planted wherever a service can have some, and then searched for wherever they must not be.

Each value has characters that every kind of quoting changes, around a core that none does: whoever finds the core, as
it is or in base64, has found the secret.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import runner, shop
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker, free_port, wait_until

KINDS = ("apikey", "password", "session", "enved", "filed", "dotenv", "envfile", "registry", "unused")
CORE = {kind: f"pl4nted-{kind}-5c1e" for kind in KINDS}
VALUE = {kind: f"q\"uo'te {core} $x %41 \\n <&>" for kind, core in CORE.items()}
VALUE["enved"] = f"-----BEGIN KEY-----\n{CORE['enved']}\n\"$tail'\n"
VALUE["registry"] = f'reg "{CORE["registry"]}" $x'
# `htpasswd -nbBC 4 planted VALUE`
HTPASSWD = "planted:$2y$04$mLrbKJ7mYnVMTzctEaJOQ.3.kdA7z4EMxj90vaEFH8XqrmfYT6YYi\n"
COMPOSE = """\
services:
  web:
    image: REGISTRY/hello:2
    command: [python3, /app/talker.py]
    ports: ["127.0.0.1:${HELLO_PORT}:8000"]
    environment:
      VERSION: ${VERSION}
      API_KEY: ${API_KEY}
      PASSWORD: ${PASSWORD}
      SESSION: ${SESSION}
      DOTENV_TOKEN: ${DOTENV_TOKEN}
    env_file: [app.env]
    secrets: [filed, enved]
    volumes: ["./app:/app:ro"]
secrets:
  filed: {file: ./secrets/filed}
  enved: {environment: ENVED}
"""
SMOKE_TESTS = [
    {
        "name": "log in",
        "method": "POST",
        "path": "/login",
        "headers": {"X-Api-Key": "${secret:API_KEY}"},
        "body": {"password": "${secret:PASSWORD}"},
        "take": {"session": "/token"},
    },
    {"name": "me", "path": "/me", "headers": {"Authorization": "Bearer ${session}"}},
]
# Where a release and a slot keep what they were given: root only, removed with them.
OWN = re.compile(r"^(releases|slots|base)/")
# Files that somebody else than root reads, and why. All are inside directories that only root can enter.
EXCEPTIONS = {
    r"edge/config(/.*)?": "the edge runs as a user of its own; setgid, so that it can read and nobody else",
    r"edge/run(/.*)?": "the edge's own socket",
    r"releases/[^/]+/source/.*": "mounted into containers, whose users read it as they would in the source",
    r"code/.*": "our own code",
}


class Watcher:
    """Looks at the command line and the environment of every process of this host, again and again."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self.seen: set[str] = set()
        self._times: dict[str, int] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._home = os.readlink("/proc/self/ns/pid")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends.wait(0.01):
            self.looks += 1
            here = {name for name in os.listdir("/proc") if name.isdigit()}
            self._times = {name: self._times.get(name, -1) + 1 for name in here}
            for name, times in self._times.items():
                # Often while it is new, as it becomes another program then; later now and then.
                if times < 5 or times % 50 == 0:
                    with contextlib.suppress(OSError):
                        self._look(Path("/proc", name))

    def _look(self, process: Path) -> None:
        # In a container a secret is where the user's compose file puts it.
        if os.readlink(process / "ns" / "pid") != self._home:
            return
        name = (process / "comm").read_text().strip()
        if name.startswith("runc"):  # about to become a process of a container
            return
        self.seen.add(name)
        for what in ("cmdline", "environ"):
            self.found.update(f"{kind} in the {what} of {name}" for kind in kinds_in((process / what).read_bytes()))


def cores() -> dict[bytes, str]:
    """Every form of each core that survives quoting, with its kind."""
    forms: dict[bytes, str] = {}
    for kind, core in CORE.items():
        raw = core.encode()
        forms[raw] = forms[raw.hex().encode()] = kind
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + raw)
            whole = encoded[4 if shift else 0 :][: (len(raw) - (3 - shift if shift else 0)) // 3 * 4]
            forms[whole] = forms[whole.translate(bytes.maketrans(b"+/", b"-_"))] = kind
    return forms


CORES = cores()


def kinds_in(content: bytes | str) -> set[str]:
    content = content.encode() if isinstance(content, str) else content
    return {kind for form, kind in CORES.items() if form in content}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that wants a login, with hello:2 in it, which is not on this host under that name."""
    shop.provide_hello()
    root = tmp_path_factory.mktemp("registry")
    (root / "htpasswd").write_text(HTPASSWD)
    address, name = f"127.0.0.1:{free_port()}", "t-secrets-registry"
    image = f"{address}/hello:2"
    auth = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "test"}
    auth |= {"REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd", "REGISTRY_HTTP_ADDR": address}
    words = [word for key, value in auth.items() for word in ("-e", f"{key}={value}")]
    login = base64.b64encode(f"planted:{VALUE['registry']}".encode()).decode()
    (root / "config.json").write_text(json.dumps({"auths": {address: {"auth": login}}}))
    shop.gone("container", name)
    docker("run", "-d", "--name", name, "--network", "host", "-v", f"{root}:/auth:ro", *words, lab.REGISTRY_IMAGE)
    try:
        wait_until(lambda: lab.answers(f"http://{address}/v2/", 2) == 401, "the registry wants a login", 30)
        docker("tag", "127.0.0.1:5000/hello:2", image)
        docker("--config", str(root), "push", "--quiet", image)
        docker("rmi", image)
        yield address
    finally:
        shop.gone("container", name)
        left = docker("image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}", f"{address}/hello")
        for reference in left:
            docker("rmi", reference)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Hello]:
    names = ("API_KEY", "PASSWORD", "SESSION", "ENVED", "UNUSED")
    hello = Hello(
        tmp_path_factory.mktemp("secrets"),
        "t-secrets",
        service_secrets={name: VALUE[name.lower().replace("_", "")] for name in names},
        service_registries=[{"registry": registry, "username": "planted", "password": VALUE["registry"]}],
        service_smoke_tests=SMOKE_TESTS,
        service_ready={"web": {"path": "/", "port": 8000}},
    )
    hello.write("source/compose.yaml", COMPOSE.replace("REGISTRY", registry))
    hello.write("source/.env", "DOTENV_TOKEN='{}'\n".format(VALUE["dotenv"].replace("'", "\\'")))
    hello.write("source/app.env", "ENVFILE_PASSWORD='{}'\n".format(VALUE["envfile"].replace("'", "\\'")))
    hello.write("source/secrets/filed", VALUE["filed"])
    hello.write("source/app/talker.py", Path(__file__).with_name("talker.py").read_text())
    for version in ("1.0.0", "1.1.0"):
        hello.write(f"releases/{version}.yml", f'version: "{version}"\n')
    hello.remove()
    try:
        yield hello
    finally:
        hello.remove()


@pytest.fixture(scope="module")
def played(service: Hello) -> tuple[list[runner.Played], Watcher, float]:
    """A good release, one that tells everything it knows, and every other runbook: all as loud as can be."""
    begun = time.time()
    runs = []

    def play(playbook: str, rc: int = 0, **extra: str) -> None:
        runs.append(runner.play(playbook, extra, inventory=service.inventory, verbosity=4))
        assert runs[-1].rc == rc, runs[-1].stdout[-8000:]

    with Watcher() as watcher:
        play("apply_update", version="1.0.0")
        assert service.version() == "1.0.0"
        play("apply_update", rc=2, version="1.1.0")
        assert runs[-1].failure["code"] == "checks_failed", runs[-1].failure
        assert service.version() == "1.0.0"
        play("verify")
        play("status", format="json")
        play("history", format="json", verify="true")
        play("preflight", version="1.1.0")
        play("retire")
    return runs, watcher, begun


def test_the_search_finds_what_it_searches_for() -> None:
    for kind, value in VALUE.items():
        for text in (value, json.dumps(value), repr(value)):
            assert kinds_in(text) == {kind}
        for padding in ("", "a", "ab", "user:"):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                assert kinds_in(encode((padding + value).encode())) == {kind}


def test_the_service_really_has_them(service: Hello, played: object) -> None:
    kept = b"".join(path.read_bytes() for path in service.state.rglob("*") if path.is_file())
    assert kinds_in(kept) >= {"apikey", "password", "session", "filed", "dotenv", "envfile"}
    assert "registry" not in kinds_in(kept)
    assert "unused" not in kinds_in(kept)


def test_nothing_in_output_and_artifacts(played: tuple[list[runner.Played], Watcher, float]) -> None:
    found = {}
    for run in played[0]:
        for where, text in (("output", run.stdout), ("artifacts", run.kept)):
            for kind in kinds_in(text):
                at = min(
                    text.find(form.decode()) for form, its in CORES.items() if its == kind and form.decode() in text
                )
                found[f"{kind} in {where} of {run.playbook}"] = text[max(0, at - 300) : at + 100]
    assert not found


def test_nothing_in_processes(played: tuple[list[runner.Played], Watcher, float]) -> None:
    _runs, watcher, _begun = played
    assert watcher.looks > 50
    assert {"docker", "docker-compose"} & watcher.seen, "our own processes were not looked at"
    assert not watcher.found


def test_nothing_in_files_beyond_those_of_releases_and_slots(service: Hello, played: object) -> None:
    found = []
    for path in service.state.rglob("*"):
        name = str(path.relative_to(service.state))
        if path.is_file() and not OWN.match(name):
            found += [f"{kind} in {name}" for kind in kinds_in(path.read_bytes())]
    assert not found
    assert not (service.state / "incoming").exists()


def test_nothing_is_left_in_temporary_files(service: Hello, played: tuple[list[runner.Played], Watcher, float]) -> None:
    begun = played[2] - 1
    found = []
    for place in (tempfile.gettempdir(), "/var/tmp", "/dev/shm", "/run", str(Path.home() / ".ansible")):
        for folder, folders, names in os.walk(place):
            folders[:] = [each for each in folders if not each.startswith(("pytest-of-", "docker", "containerd"))]
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode) and status.st_mtime > begun and status.st_size < 2**26:
                        found += [f"{kind} in {path}" for kind in kinds_in(path.read_bytes())]
    assert not found


def test_only_root_can_read_what_is_kept(service: Hello, played: object) -> None:
    wrong = []
    for path in [service.state, *service.state.rglob("*")]:
        status = path.lstat()
        name = str(path.relative_to(service.state))
        mode = stat.S_IMODE(status.st_mode)
        wanted = 0o700 if stat.S_ISDIR(status.st_mode) or name == "live-exec" else 0o600
        if any(re.fullmatch(pattern, name) for pattern in EXCEPTIONS) or stat.S_ISLNK(status.st_mode):
            continue
        if mode != wanted or status.st_uid != 0:
            wrong.append(f"{name}: {mode:o}")
    assert not wrong


def test_a_refused_login_does_not_tell_the_password(service: Hello, registry: str) -> None:
    logins = service.variables["service_registries"]
    service.set(service_registries=[{"registry": registry, "username": "planted", "password": f"x{VALUE['registry']}"}])
    service.write("releases/1.2.0.yml", 'version: "1.2.0"\n')
    try:
        said = runner.play("apply_update", {"version": "1.2.0"}, inventory=service.inventory, verbosity=4)
    finally:
        service.set(service_registries=logins)
    assert said.rc == 2
    assert "Log in: add the registry to service_registries" in said.failure["next_step"]
    assert not kinds_in(said.stdout + said.kept)


@pytest.mark.parametrize(
    "variables",
    [
        {"service_secrets": VALUE["password"]},
        {"service_secrets": {"PASSWORD": [VALUE["password"]]}},
        {"service_registries": [{"registry": "127.0.0.1:1", "username": "x", "pasword": VALUE["registry"]}]},
        {"service_registries": VALUE["registry"]},
    ],
    ids=["no mapping", "a list in it", "a typing error", "no list"],
)
def test_what_is_malformed_is_not_shown(service: Hello, tmp_path: Path, variables: dict) -> None:
    """What holds secrets and has the wrong form is refused, without its value."""
    kept = dict(service.variables)
    service.set(**variables)
    try:
        said = runner.play("apply_update", {"version": "1.0.0"}, inventory=service.inventory, verbosity=4)
    finally:
        service.variables = {}
        service.set(**kept)
    assert said.rc == 2, said.stdout
    assert not kinds_in(said.stdout + said.kept), said.stdout
    assert next(iter(variables)) in (said.failure.get("detail") or said.stdout)

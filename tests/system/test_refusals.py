# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot or must not be done is refused with one clear error that names the next step, and nothing has changed."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.hello import Hello, docker

BROKEN = "services:\n  web:\n    image: 127.0.0.1:5000/hello:1\n   ports: [nonsense]\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hello]:
    """A service that serves 1.0.0, its first release."""
    shop.provide_hello()
    hello = Hello(tmp_path_factory.mktemp("refuse"), "t-refuse")
    hello.remove()
    try:
        hello.done("apply_update", "-e", "version=1.0.0")
        yield hello
    finally:
        hello.remove()


def refused(hello: Hello, *words: str, **options: Any) -> str:
    """Run it; return its one error. Nothing of the service may be another than before."""
    before = hello.snapshot()
    said = hello.play(*words, **options)
    assert hello.snapshot() == before, said.stdout
    return the_error(said)


def the_error(said: subprocess.CompletedProcess[str]) -> str:
    told = said.stdout
    assert said.returncode != 0, told
    assert not re.search(r"Traceback|WARNING|DEPRECAT", told), told
    assert told.count("fatal: [") + (0 if "TASK [" in told else told.count("ERROR")) == 1, told
    assert "changed=0" in told or "TASK [" not in told, told
    text = " ".join(told.split())
    found = re.search(r"(?:failed|FAILED): (?:Module failed: |Action failed: )?(.*?) Origin:", text)
    assert found, told
    return found[1]


@pytest.fixture
def variant(service: Hello) -> Iterator[Hello]:
    """The service, with an inventory and files that may be changed: they are put back."""
    variables = dict(service.variables)
    assert service.version() == "1.0.0"
    kept = service.root / "kept"
    for part in ("source", "releases"):
        shutil.copytree(service.root / part, kept / part)
    yield service
    for part in ("source", "releases"):
        shutil.rmtree(service.root / part)
        shutil.move(kept / part, service.root / part)
    service.variables = {}
    service.set(**variables)


GUARDED = [
    (
        ["-e", "env=locall", "-e", "version=1.1.0"],
        "unknown environment 'locall' (did you mean 'local'?). Environments of this inventory: local.",
    ),
    (
        ["-e", "env=all", "-e", "version=1.1.0"],
        "env=all is no environment: it would act on hosts of several environments at once. Environments of this "
        "inventory: local.",
    ),
    (
        ["-e", "env=local", "-e", "verison=1.1.0"],
        "unknown extra variable 'verison' (did you mean 'version'?). This runbook takes ",
    ),
    (
        ["-e", "env=local", "-e", "version={{ '1.1.0' }}"],
        "the value of extra variable 'version' contains a template. Give a plain value; ",
    ),
]


@pytest.mark.parametrize("limit", [[], ["--limit", "t-refuse"]], ids=["", "limited"])
@pytest.mark.parametrize(("words", "sentence"), GUARDED, ids=["unknown", "all", "variable", "template"])
def test_what_the_guard_refuses(service: Hello, words: list[str], sentence: str, limit: list[str]) -> None:
    assert sentence in refused(service, "apply_update", *words, *limit, env="")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["apply_update", "-e", "version=9.9.9"],
            "there is no release manifest of version '9.9.9'. Give one of: 1.0.0, 1.1.0; or add 9.9.9.yml to ",
        ),
        (
            ["apply_update"],
            "no release is named. Give -e version=… (a release manifest), -e image=…, or -e promote_from=ENVIRONMENT.",
        ),
        (
            ["apply_update", "-e", "image=127.0.0.1:5000/hello:nowhere"],
            "the image 127.0.0.1:5000/hello:nowhere of web cannot be had: manifest unknown. Look for a typing error in "
            "name or tag, and whether it was pushed (`docker push`).",
        ),
        (
            ["apply_update", "-e", "image=127.0.0.1:1/hello:2"],
            "Look whether this host reaches the registry; then run it again.",
        ),
        (
            ["apply_update", "-e", "version=1.1.0", "-e", "approved_plan=0123456789abcdef"],
            "plan 0123456789abcdef was approved, but what would be done now is plan ",
        ),
        (
            ["rollback"],
            "there is nothing to roll back to: no release was live before the present one. Apply an update "
            "(apply_update.yml): what serves now is then what to roll back to.",
        ),
        (
            ["rollback", "-e", "release=0.9.0"],
            "no release 0.9.0 is kept on this host. Name one of the releases kept here (1.0.0), or apply it as an "
            "update.",
        ),
        (["rollback", "-e", "release=1.0.0"], "1.0.0 is live already. Name another release (status.yml lists them)."),
        (
            ["blue_green_switch"],
            "the other slot is empty: there is nothing to switch to. Apply an update, which stages a release there.",
        ),
        (["recover"], "no run has died here: there is nothing to recover. status.yml tells what runs."),
    ],
    ids=[
        "version", "no version", "image", "registry", "approval", "rollback", "release", "live already", "switch",
        "recover",
    ],
)  # fmt: skip
def test_what_cannot_be_done(service: Hello, words: list[str], sentence: str) -> None:
    assert sentence in refused(service, *words)


def test_a_registry_that_does_not_answer(service: Hello) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = "{}:{}".format(*deaf.getsockname())
        told = refused(service, "apply_update", "-e", f"image={address}/hello:2")
    assert f"the image {address}/hello:2 of web cannot be had: " in told
    assert "Look whether this host reaches the registry; then run it again." in told


def test_a_compose_file_that_does_not_parse(variant: Hello) -> None:
    variant.write("source/compose.yaml", BROKEN)
    told = refused(variant, "apply_update", "-e", "version=1.1.0")
    assert told.startswith("compose.yaml cannot be used: yaml: line "), told
    assert "Correct compose.yaml in service_source; `docker compose config` there says the same." in told


def test_a_variable_that_is_not_set(variant: Hello) -> None:
    compose = (variant.root / "source/compose.yaml").read_text()
    variant.write("source/compose.yaml", compose + "    hostname: ${DB_ADDRESS}\n")
    told = refused(variant, "apply_update", "-e", "version=1.1.0")
    assert "compose.yaml uses a variable that is not set: DB_ADDRESS. Set DB_ADDRESS in service_environment" in told


def test_a_service_that_cannot_say_when_it_is_ready(variant: Hello) -> None:
    variant.set(service_ready={})
    told = refused(variant, "apply_update", "-e", "version=1.1.0")
    assert "web has no healthcheck and no declared readiness, so nobody could tell when a new release may get" in told
    assert "declare `service_ready: {web: {path: /, port: 8000}}`" in told
    assert ".." not in told.replace("...", "")


def test_a_manifest_whose_type_is_another(variant: Hello) -> None:
    variant.write("releases/1.0.1.yml", 'version: "1.0.1"\ntype: major\nimages: {web: "127.0.0.1:5000/hello:2"}\n')
    told = refused(variant, "apply_update", "-e", "version=1.0.1")
    assert told == (
        "manifest 1.0.1.yml: type is major, but 1.0.0 to 1.0.1 is a hotfix. Correct the type, or give the release "
        "another version."
    )


def test_too_little_disk(variant: Hello) -> None:
    variant.set(service_min_free_mib=10**9)
    told = refused(variant, "apply_update", "-e", "version=1.1.0")
    assert re.match(r"no go: disk: [0-9]+ MiB free in /var/lib/steady/t-refuse, 1000000000 MiB are needed", told), told
    assert "Free space (docker image prune), or lower service_min_free_mib." in told


def test_a_state_directory_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    hello = Hello(tmp_path, "t-refuse-full")
    hello.state.mkdir(mode=0o700, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(hello.state)], capture_output=True, check=False
    )
    try:
        if mounted.returncode:
            pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode()}")
        told = refused(hello, "apply_update", "-e", "version=1.0.0")
        assert "no go: disk: 8 MiB free in /var/lib/steady/t-refuse-full, 512 MiB are needed" in told
    finally:
        subprocess.run(["umount", str(hello.state)], capture_output=True, check=False)
        hello.state.rmdir()


def test_nothing_is_left_of_a_first_release_that_was_refused(tmp_path: Path) -> None:
    hello = Hello(tmp_path, "t-refuse-new")
    hello.write("source/compose.yaml", BROKEN)
    assert "compose.yaml cannot be used" in refused(hello, "apply_update", "-e", "version=1.0.0")
    assert not hello.state.exists()


@pytest.mark.parametrize("playbook", ["apply_update", "rollback", "status"])
def test_docker_does_not_run(service: Hello, playbook: str, tmp_path: Path) -> None:
    words = ["-e", "version=1.1.0"] if playbook == "apply_update" else []
    told = refused(service, playbook, *words, environment={"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
    assert told.startswith(f"Docker does not run on this host: there is no {tmp_path}/docker.sock. Start it"), told


def test_docker_has_stopped(service: Hello, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/docker.sock")
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    told = refused(service, "apply_update", "-e", "version=1.1.0", environment=environment)
    assert f"Docker does not run on this host: nothing listens at {tmp_path}/docker.sock. Start it" in told


def test_docker_is_not_installed(service: Hello, tmp_path: Path) -> None:
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            link = tmp_path / program.name
            if not program.name.startswith("docker") and not link.is_symlink():
                link.symlink_to(program)
    told = refused(service, "apply_update", "-e", "version=1.1.0", environment={"PATH": str(tmp_path)})
    assert told == "docker is not installed on this host. Run bootstrap.yml for this environment."


def test_a_ledger_that_was_cut(service: Hello) -> None:
    ledger = service.state / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    try:
        told = refused(service, "apply_update", "-e", "version=1.1.0", "--check")
    finally:
        ledger.write_bytes(whole)
    assert told.startswith("no go: ledger: the last line is number "), told
    assert "Compare it with a copy or a saved head" in told


def test_two_runs_at_once(variant: Hello) -> None:
    variant.set(service_watch={"seconds": 120, "checkpoints": [120]})
    with variant.start("apply_update", "-e", "version=1.1.0") as first:
        first.wait_for("Watch 1.1.0 …")
        run = variant.runs()[-1].name
        for playbook in ("apply_update", "retire", "recover"):
            before = variant.containers()
            words = ["-e", "version=1.0.0"] if playbook == "apply_update" else []
            told = the_error(variant.play(playbook, *words))
            assert told == (
                f"apply_update (run {run}) is at work on this service. Wait until it has ended (status.yml shows it); "
                "rollback.yml may interrupt it while it watches."
            )
            assert variant.containers() == before
            assert variant.version() == "1.1.0"
        assert [path.name for path in variant.runs()][-1] == run
        variant.done("rollback", "-e", "reason=another-test")
        assert first.wait() != 0
    assert "asked this run to go back" in first.said
    assert variant.version() == "1.0.0"


def test_a_release_that_cannot_live_with_the_schema(tmp_path: Path) -> None:
    """With a real database, whose migration somebody ran by hand."""
    shop.provide_images()
    hello = Hello(tmp_path, "t-refuse-schema", service_schema={"service": "db"})
    compose = (hello.root / "source/compose.yaml").read_text()
    hello.write("source/compose.yaml", compose + DATABASE)
    for version, revisions in (("1.0.0", "one"), ("1.1.0", "one, two")):
        manifest = (hello.root / f"releases/{version}.yml").read_text()
        latest = revisions.rpartition(", ")[2]
        hello.write(f"releases/{version}.yml", f"{manifest}schema: {{revision: {latest}, compatible: [{revisions}]}}\n")
    hello.remove()
    try:
        hello.done("apply_update", "-e", "version=1.0.0")
        migrate(hello, "create table alembic_version (version_num text); insert into alembic_version values ('one')")
        hello.done("apply_update", "-e", "version=1.1.0")
        migrate(hello, "update alembic_version set version_num = 'two'")
        for words in (["rollback"], ["blue_green_switch"]):
            assert refused(hello, *words) == (
                "1.0.0 cannot live with the database: schema two is live, it knows one. Downgrade the database first "
                "(its migration tool), or apply a new release that fits it."
            )
    finally:
        hello.remove()


DATABASE = """\
  db:
    image: 127.0.0.1:5000/postgres:17
    environment: {POSTGRES_PASSWORD: only-for-this-test}
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -U, postgres], interval: 1s, retries: 60}

volumes:
  db:
"""


def migrate(hello: Hello, statement: str) -> None:
    docker("exec", f"{hello.name}-db-1", "psql", "-U", "postgres", "-q", "-c", statement)


def test_an_environment_is_not_promoted_to_itself(service: Hello) -> None:
    told = refused(service, "apply_update", "-e", "promote_from=local")
    assert "promote_from is the environment that is acted on, local" in told

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""logs.yml, exec.yml and the script for cron jobs: they find what serves, and pass what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run.lock import HostLock
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.runner import read_ledger
from ansible_collections.steady.runbooks.tests.system.serving import serving

SECRET = "pl4nted-word-31b0"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    with serving(tmp_path_factory.mktemp("exec"), "lv-exec") as one:
        one.hello.set(service_secrets={"word": SECRET})
        one.done("apply_update", "1.1.0")
        yield one


def script(service: Acting, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([service.files.path("live-exec"), *words], capture_output=True, text=True, check=False)


def test_a_command_runs_in_what_serves_and_leaves_a_line(service: Acting) -> None:
    hello = service.hello
    said = hello.done("exec", "-e", "service=web", "-e", "command='echo v$VERSION; echo oops >&2'")
    assert "v1.1.0" in said and "oops" in said and "ledger line" in said
    entry = read_ledger(hello.name)[-1]
    assert (entry["kind"], entry["exit"], entry["command"]) == ("exec", 0, "echo v$VERSION; echo oops >&2")
    assert entry["service"] == "web" and entry["actor"]["user"]
    service.done("rollback")
    assert "v1.0.0" in hello.done("exec", "-e", "service=web", "-e", "command='echo v$VERSION'")
    assert "exec in" in hello.done("history", "-e", "verify=true") and service.plan("retire")


def test_the_exit_status_is_passed_and_recorded(service: Acting) -> None:
    said = service.hello.play("exec", "-e", "service=web", "-e", "command='echo before; exit 7'")
    assert said.returncode == 2 and "before" in said.stdout
    assert "ended with exit status 7" in said.stdout
    assert read_ledger(service.hello.name)[-1]["exit"] == 7
    before = len(read_ledger(service.hello.name))
    assert "ok=" in service.hello.done("exec", "-e", "service=web", "-e", "command='exit 3'", "--check")
    assert len(read_ledger(service.hello.name)) == before


def test_secrets_are_masked_in_output_and_record(service: Acting) -> None:
    said = service.hello.done("exec", "-e", "service=web", "-e", f"command='echo said {SECRET}'")
    ledger = service.files.read("ledger.jsonl") or b""
    assert SECRET.encode() not in ledger and b"echo said" in ledger
    assert f'"said {SECRET}"' not in said


def test_a_state_service_can_be_asked_and_what_is_not_there_is_refused(service: Acting) -> None:
    hello = service.hello
    assert "PONG" in hello.done("exec", "-e", "service=cache", "-e", "command='redis-cli ping'")
    said = hello.play("exec", "-e", "service=wbe", "-e", "command=true").stdout
    assert "there is no service wbe (did you mean" in said
    assert "No command is given" in hello.play("exec", "-e", "service=web").stdout


def test_beside_a_run_there_is_no_line_and_that_is_said(service: Acting) -> None:
    lock = HostLock(service.files, service.platform.host.clock)
    lock.acquire({"run": "20300101T000000-rollback-00000a", "runbook": "rollback"})
    try:
        said = service.hello.done("exec", "-e", "service=web", "-e", "command=true")
    finally:
        lock.release()
    assert "not recorded: rollback (run 20300101T000000-rollback-00000a) is at work" in " ".join(said.split())


def test_the_script_for_cron_follows_the_switch(service: Acting) -> None:
    for _flip in range(2):
        version = service.hello.version()
        said = script(service, "web", "sh", "-c", "echo v$VERSION; exit 5")
        assert (said.returncode, said.stdout) == (5, f"v{version}\n")
        service.done("blue_green_switch")
    assert script(service, "cache", "redis-cli", "ping").stdout == "PONG\n"
    gone = script(service, "nothing", "true")
    assert gone.returncode == 69 and "no container of nothing" in gone.stderr
    assert script(service, "web").returncode == 64
    path = service.hello.state / "live-exec"
    assert path.stat().st_mode & 0o777 == 0o700 and SECRET not in path.read_text()


def test_logs_are_those_of_what_serves(service: Acting) -> None:
    hello = service.hello
    name = next(name for name in hello.containers() if "-web-" in name and service.platform.edge.serving().live in name)
    subprocess.run(["docker", "exec", name, "sh", "-c", f"echo marked {SECRET} > /proc/1/fd/1"], check=True)
    said = hello.done("logs", "-e", "service=web", "-e", "limit=50")
    assert "web: marked" in said and SECRET not in said
    assert "web: marked" not in hello.done("logs", "-e", "service=worker")
    assert "web: marked" not in hello.done("logs", "-e", "since=2999-01-01")

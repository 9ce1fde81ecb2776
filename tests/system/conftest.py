# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shop as the runbooks deploy it on this machine, from nothing, for all tests of a file."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.status import status
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.module_utils.run.ledger import Ledger
from ansible_collections.steady.runbooks.tests.system import shop as examples
from ansible_collections.steady.runbooks.tests.system.acting import settings_of
from ansible_collections.steady.runbooks.tests.system.hello import STATE
from ansible_collections.steady.runbooks.tests.system.runner import Played, play, read_ledger
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

BACKEND = "http://127.0.0.1:8000"
RELEASES = ("1.0.0", "1.1.0", "1.1.1", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0")
# As people use it: reading, ordering, and what takes long.
MIX = (
    "55 GET /version",
    "20 GET /orders/1",
    '15 POST /orders {"item": "book", "quantity": 1}',
    '5 POST /echo {"hello":"world"}',
    "5 GET /slow?ms=400",
)


class Service:
    """One service of an inventory on this machine, as its operator and its users meet it."""

    def __init__(self, name: str, url: str, env: str = "local", inventory: Path | None = None) -> None:
        self.name, self.url, self.env, self.inventory = name, url, env, inventory

    def play(self, playbook: str, extra: dict[str, Any] | None = None, **options: Any) -> Played:
        """Run a runbook; whatever becomes of it, it warns of nothing."""
        played = play(playbook, extra, env=self.env, inventory=self.inventory, **options)
        assert not played.complaints
        return played

    def done(self, playbook: str, extra: dict[str, Any] | None = None, **options: Any) -> Played:
        """Run a runbook that has to succeed."""
        played = self.play(playbook, extra, **options)
        assert played.rc == 0, played.stdout
        assert played.run.get("outcome", "done") in ("done", "planned"), played.run
        return played

    def refused(self, playbook: str, extra: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Run a runbook that has to be refused before anything is changed, and return why."""
        before = self.state()
        played = self.play(playbook, extra, **options)
        assert played.rc != 0, played.stdout
        assert self.state() == before
        assert played.failure.get("next_step"), played.stdout
        return played.failure

    def status(self) -> dict[str, Any]:
        return self.done("status", {"format": "json"}).result("compose_info")

    def ledger(self) -> list[dict[str, Any]]:
        """What history.yml reads, without the controller's seconds; it has been verified."""
        Ledger(Files(f"/var/lib/steady/{self.name}")).verify()
        return read_ledger(self.name)

    def state(self) -> dict[str, Any]:
        """What a run could change on this machine: files (but what a run notes about itself) and containers."""
        root = Path("/var/lib/steady", self.name)
        files = {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.parts[len(root.parts)] not in ("runs", "lock", "incoming", "edge")
        }
        words = ("ps", "--all", "--no-trunc", "--filter", f"label=steady.service={self.name}")
        return {"files": files, "containers": examples.docker(*words, "--format", "{{.ID}} {{.State}}").splitlines()}

    def get(self, path: str = "/version") -> tuple[int, str, str]:
        """Status, X-Version and body of one answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.headers.get("X-Version", ""), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("X-Version", ""), error.read().decode()

    def answers(self) -> str:
        """The version that users get."""
        status, version, _body = self.get()
        assert status == 200
        return version

    def traffic(self, **options: Any) -> Traffic:
        wanted = {"rate": 50, "seconds": 300, "requests": list(MIX), **options}
        return Traffic(self.url, **wanted)

    def ensure(self, version: str, beside: str = "") -> None:
        """Have *version* serve, and *beside* warm in the other slot; costs nothing where that is so already."""
        seen = self.observed()
        if seen["live"] == version and beside in ("", seen["warm"]):
            return
        if beside and (seen["live"], seen["warm"]) != (beside, version):
            self.ensure(beside)
        seen = self.observed()
        if seen["live"] == version:
            return
        known = version in seen["kept"]
        # The watch has its own tests.
        extra: dict[str, Any] = {"release": version} if known else {"version": version, "service_watch": {"seconds": 0}}
        self.done("rollback" if known else "apply_update", extra)

    def observed(self) -> dict[str, Any]:
        """Versions by what they do: ``live``, ``warm`` (the other one that runs) and ``kept``."""
        known = os.path.exists(f"/var/lib/steady/{self.name}")
        params = {"settings": settings_of({"service_name": self.name}), "secrets": {}, "state_directory": STATE}
        seen = status({**params, "registries": []})["observed"] if known else {}
        named = {name: record["version"] for name, record in (seen.get("releases") or {}).items()}
        slots = seen.get("slots") or {}
        live = seen.get("live")
        warm = [named.get(state["release"]) for slot, state in slots.items() if slot != live and state["ready"]]
        return {
            "live": named.get(slots[live]["release"]) if live else None,
            "warm": warm[0] if warm else None,
            "kept": set(named.values()),
        }


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The story comes first: it takes long, and the guides wait for the shop."""
    items.sort(key=lambda item: item.path.stem != "test_story")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says something in the summary of the session, from whichever process runs the test."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name == "told":
                    terminalreporter.write_line(text)


@pytest.fixture(scope="module")
def alone_with_the_shop() -> Iterator[None]:
    """The shop has its ports and its name once: files that run side by side have it one after the other."""
    with Path(tempfile.gettempdir(), "steady-shop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def shop(alone_with_the_shop: None) -> Iterator[Service]:
    """The shop on this machine, not deployed yet; taken away in the end."""
    examples.remove("shop")
    examples.provide_images(*RELEASES)
    service = Service("shop", BACKEND)
    yield service
    examples.remove("shop")


@pytest.fixture
def two_environments(tmp_path: Path) -> Iterator[dict[str, Service]]:
    """Two environments of the smallest example, each with a service of its own on this machine."""
    examples.provide_hello()
    ports = {"staging": 18091, "production": 18092}
    names = {env: f"promoted-{env}" for env in ports}
    examples.remove(*names.values())
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_become": True,
        "service_source": str(examples.ROOT / "examples/hello/source"),
        "service_manifests": str(examples.ROOT / "examples/hello/releases"),
        "service_edge_image": "127.0.0.1:5000/haproxy:3.0",
        "service_ready": {"web": {"path": "/", "port": 8000}},
        "service_watch": {"seconds": 0},
    }
    groups = {
        env: {
            "vars": {**common, "runbooks_environment": env},
            "hosts": {f"hello-{env}": {"service_name": names[env], "service_environment": {"HELLO_PORT": str(port)}}},
        }
        for env, port in ports.items()
    }
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps(groups))
    yield {
        env: Service(names[env], f"http://127.0.0.1:{port}", env=env, inventory=inventory)
        for env, port in ports.items()
    }
    examples.remove(*names.values())

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong around a service: each ends in one whole release, and users notice nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import other
from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import services, shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import docker, wait_until
from ansible_collections.steady.runbooks.tests.system.oracle import answers
from ansible_collections.steady.runbooks.tests.system.scenario import Scenario
from ansible_collections.steady.runbooks.tests.system.serving import serving, unnoticed


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A service that serves 1.0.0; each test leaves a whole release."""
    with serving(tmp_path_factory.mktemp("faults"), "k-around") as one:
        yield one


# -- images and registries --------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry of this test's own, by the name of its container; it has hello."""
    name, port = "k-registry", 5055
    shop.gone("container", name)
    docker("run", "-d", "--name", name, "--network", "host", "-e", f"REGISTRY_HTTP_ADDR=127.0.0.1:{port}",
           "-e", "OTEL_TRACES_EXPORTER=none", lab.REGISTRY_IMAGE)  # fmt: skip
    try:
        wait_until(lambda: lab.answers(f"http://127.0.0.1:{port}/v2/", 1) == 200, "the registry answers")
        docker("tag", services.IMAGE, f"127.0.0.1:{port}/k-hello:1")
        docker("push", "-q", f"127.0.0.1:{port}/k-hello:1")
        docker("image", "rm", f"127.0.0.1:{port}/k-hello:1")
        yield name
    finally:
        shop.gone("container", name)


def removed(image: str) -> None:
    """Somebody tidies up: nothing of it is here any more under this name."""
    for line in docker("image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"):
        repository, tag, digest = line.split()
        if repository == image:
            docker("image", "rm", f"{repository}@{digest}" if tag == "<none>" else f"{repository}:{tag}")


def test_an_image_is_removed_behind_our_back(acting: Acting, registry: str) -> None:
    """A cold rollback fetches it again by digest; without the registry it refuses before anything is changed."""
    Scenario(acting, "apply_update", "alone").prepare()
    compose = acting.hello.root / "source/compose.yaml"
    kept = compose.read_text()
    image = "127.0.0.1:5055/k-hello"
    old = Scenario(acting, "apply_update", "alone").live
    compose.write_text(kept.replace(f"{services.IMAGE}\n", f"{image}:1\n"))
    try:
        with unnoticed(acting):
            other_version = "1.2.0"
            acting.done("apply_update", other_version)
            compose.write_text(kept)
            acting.done("rollback", release=old)
            acting.done("retire")
            removed(image)
            acting.done("rollback", release=other_version)
            assert acting.status()["live"]["version"] == other_version
            acting.done("rollback", release=old)
            acting.done("retire")
            removed(image)
            docker("stop", registry)
            before = acting.hello.containers()
            result = acting.run("rollback", release=other_version)
            assert result["outcome"] == "refused", result
            assert f"the image {image}:1@sha256:" in result["failure"]["detail"]
            assert "Look whether this host reaches the registry" in result["failure"]["next_step"]
            assert acting.hello.containers() == before
            assert acting.status()["live"]["version"] == old
    finally:
        compose.write_text(kept)
        removed(image)


def test_names_are_not_resolved(acting: Acting) -> None:
    """An update from a registry that has no address is refused; to go back needs no registry."""
    Scenario(acting, "rollback", "warm").prepare()
    compose = acting.hello.root / "source/compose.yaml"
    kept = compose.read_text()
    compose.write_text(kept.replace("127.0.0.1:5000/hello", "registry.invalid/hello"))
    try:
        with unnoticed(acting):
            before = acting.hello.snapshot()
            refusal = acting.refused("apply_update", "1.2.0")
            assert refusal.code == "image_unavailable"
            assert "registry.invalid/hello:1" in refusal.detail
            assert "Look whether this host reaches the registry" in refusal.next_step
            assert acting.hello.snapshot() == before
            acting.done("blue_green_switch")
    finally:
        compose.write_text(kept)


# -- somebody else at work --------------------------------------------------------------------------------------------


def test_the_warm_slot_is_killed(acting: Acting) -> None:
    """The way back is then a cold one, which is said, and works."""
    scenario = Scenario(acting, "rollback", "warm")
    scenario.prepare()
    idle = other(scenario.slot)
    with unnoticed(acting):
        docker("kill", *[c["Id"] for c in acting.platform.host.slot_containers(idle) if c["State"]["Running"]])
        assert f"{idle}: {scenario.another}, stopped" in acting.status()["text"]
        planned = scenario.plan()
        assert f"Cold: {scenario.another} is started again in {idle}." in planned["text"]
        wanted = scenario.another
        assert acting.start(planned).wait()["outcome"] == "done"
        assert scenario.live == wanted


def edit_map(acting: Acting, text: str) -> None:
    """As an editor does it."""
    (acting.hello.state / "edge/config/edge.map").write_text(text)


@pytest.mark.parametrize("runbook", ["rollback", "blue_green_switch", "apply_update"])
@pytest.mark.parametrize("text", ["nonsense\n", "", "the other slot"], ids=["nonsense", "empty", "other slot"])
def test_the_map_is_edited_by_hand(acting: Acting, text: str, runbook: str) -> None:
    """It says what the edge would do after a restart: status names that, and the next run mends it."""
    scenario = Scenario(acting, runbook, "warm")
    scenario.prepare()
    live, slot = scenario.live, scenario.slot
    path = acting.hello.state / "edge/config/edge.map"
    with unnoticed(acting):
        edit_map(acting, path.read_text().replace(slot, other(slot)) if text.startswith("the") else text)
        seen = acting.status()
        assert "map" in " ".join(seen["observed"]["drift"]), seen["text"]
        assert seen["live"]["version"] == live, "what serves is told by the process that serves"
        new = "1.2.0" if live != "1.2.0" else "1.1.0"
        planned = acting.plan("apply_update", new) if runbook == "apply_update" else scenario.plan()
        result = acting.start(planned).wait()
        assert result["outcome"] == "done", result
        assert acting.status()["observed"]["drift"] == []


@pytest.mark.parametrize("file", ["haproxy.cfg", "hold.lua", "maintenance.html"])
def test_the_configuration_of_the_edge_is_edited_by_hand(acting: Acting, file: str) -> None:
    scenario = Scenario(acting, "blue_green_switch", "warm")
    scenario.prepare()
    with unnoticed(acting):
        path = acting.hello.state / "edge/config" / file
        kept = path.read_text()
        path.write_text(kept + "\n# by hand\n")
        assert "the edge's configuration was changed by hand" in acting.status()["text"]
        assert acting.start(scenario.plan()).wait()["outcome"] == "done"
        assert path.read_text() == kept
        assert acting.status()["observed"]["drift"] == []


def test_two_controllers_start_at_once(acting: Acting) -> None:
    """Exactly one acts; the other is refused, and says who is at work, or that things have changed."""
    scenario = Scenario(acting, "blue_green_switch", "warm")
    for _time in range(3):
        scenario.prepare()
        planned = [scenario.plan(), scenario.plan()]
        outcomes: list[dict[str, Any]] = []
        gate = threading.Barrier(2)

        def controller(plan: dict[str, Any], gate: threading.Barrier, outcomes: list[Any]) -> None:
            gate.wait()
            try:
                outcomes.append(acting.start(plan).wait())
            except Refused as error:
                outcomes.append({"outcome": "refused", "failure": error.as_dict()})

        with unnoticed(acting):
            both = [threading.Thread(target=controller, args=(plan, gate, outcomes)) for plan in planned]
            for one in both:
                one.start()
            for one in both:
                one.join()
        assert sorted(one["outcome"] for one in outcomes) == ["done", "refused"], outcomes
        refused = next(one for one in outcomes if one["outcome"] == "refused")
        assert refused["failure"]["code"] in ("busy", "plan_drifted", "dead_run"), refused


# -- applications that misbehave --------------------------------------------------------------------------------------


ILL = """\
import http.server, os, socketserver
socketserver.TCPServer.request_queue_size = 512
class Ill(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if "X-Forwarded-For" in self.headers:  # by the edge: users are here
            open("/tmp/used", "w").close()
        body = ('{"version": "%s"}' % os.environ["VERSION"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", os.environ["VERSION"])
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", 8000), Ill).serve_forever()
"""


@contextmanager
def changed_web(acting: Acting, **changes: Any) -> Iterator[None]:
    """The next release has another web service."""
    import yaml

    compose = acting.hello.root / "source/compose.yaml"
    kept = compose.read_text()
    model = yaml.safe_load(kept)
    model["services"]["web"].update(changes)
    compose.write_text(yaml.safe_dump(model))
    try:
        yield
    finally:
        compose.write_text(kept)


def test_a_release_is_unhealthy_right_after_the_switch(acting: Acting) -> None:
    """It answers well, but Docker calls it unhealthy as soon as users are there: the watch sends them back."""
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    before = scenario.live
    check = {"test": ["CMD-SHELL", "test ! -e /tmp/used"], "interval": "1s", "retries": 1}
    acting.hello.set(service_watch={"seconds": 20, "checkpoints": [20]})
    try:
        with (
            changed_web(acting, command=["python3", "-c", ILL.replace("$", "$$")], healthcheck=check),
            unnoticed(acting),
        ):
            result = acting.run("apply_update", scenario.another)
            assert result["outcome"] == "undone", result
            assert "unhealthy" in result["failure"]["detail"]
            assert scenario.live == before
    finally:
        acting.hello.set(service_watch={"seconds": 1, "checkpoints": [1]})


def test_an_application_ignores_sigterm(acting: Acting) -> None:
    """It is killed after its grace period, and neither the run nor the next one waits for it for ever."""
    scenario = Scenario(acting, "apply_update", "alone")
    scenario.prepare()
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ILL
    with changed_web(acting, command=["python3", "-c", deaf.replace("$", "$$")], stop_grace_period="2s"):
        wanted = scenario.another
        with unnoticed(acting):
            acting.done("apply_update", wanted)
    with unnoticed(acting):
        acting.done("rollback")
        begun = time.monotonic()
        acting.done("retire")
        assert time.monotonic() - begun < 30
    assert set(answers(acting)) == {scenario.live}

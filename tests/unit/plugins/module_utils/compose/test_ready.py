# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a container is ready, and when it never will be."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.model import Readiness
from ansible_collections.steady.runbooks.plugins.module_utils.compose.ready import address_of, failure, last_words, look
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, StepFailed

CHECK = Readiness("healthcheck")


def container(status="running", *, health=None, test=None, address="127.0.0.1", restarts=0, **state):
    return {
        "Id": "c0ffee" * 10,
        "Name": "/p-web-blue-1",
        "RestartCount": restarts,
        "State": {"Status": status, "ExitCode": 0, **({"Health": health} if health else {}), **state},
        "Config": {"Healthcheck": {"Test": test}} if test else {},
        "NetworkSettings": {"Networks": {"s-edge": {"IPAddress": address}}},
    }


DIED = (["GET", "/events"], 200, "".join(f'{{"Actor": {{"Attributes": {{"exitCode": "{n}"}}}}}}\n' for n in (2, 3)), "")
FORGOTTEN = (["GET", "/events"], 200, "", "")
LOGS = (["logs"], 0, "one\n", "Traceback\n\x1b[31mValueError: no\x1b[0m\n")


@pytest.mark.parametrize(
    ("seen", "code", "sentence"),
    [
        (container("exited", ExitCode=3), "crashed", "crashed with exit code 3"),
        (container("exited", ExitCode=137, OOMKilled=True), "crashed", "after it ran out of memory"),
        (container("exited"), "exited", "ended by itself with exit code 0"),
        (container("dead", ExitCode=1), "crashed", "crashed"),
        (container("restarting", ExitCode=1), "crashed", "keeps crashing (exit code 1"),
        (container(restarts=2), "crashed", "keeps crashing (exit code 3, restarted 2 times"),
        (container("paused"), "stopped", "is paused"),
        (container("created", Error="port is taken"), "not_started", "port is taken"),
        (
            container(health={"Status": "unhealthy", "Log": [{"Output": "no answer\n"}]}),
            "unhealthy",
            "is unhealthy: no answer",
        ),
    ],
)
def test_what_will_not_get_better_is_told_at_once_with_its_last_words(scripted, seen, code, sentence):
    with pytest.raises(StepFailed) as caught:
        look(scripted(LOGS, DIED), seen, CHECK)
    assert caught.value.code == code
    assert caught.value.detail.startswith("p-web-blue-1 ")
    assert sentence in caught.value.detail
    assert caught.value.last_seen == ["one", "Traceback", "ValueError: no"]


def test_an_exit_code_that_nobody_knows_any_more_is_not_told(scripted):
    with pytest.raises(StepFailed, match=r"keeps crashing \(restarted 2 times\)"):
        look(scripted(LOGS, FORGOTTEN), container(restarts=2), CHECK)


@pytest.mark.parametrize("status", ["created", "running"])
def test_what_may_get_better_is_waited_for(status):
    assert failure(container(status, health={"Status": "starting"}), None) is None


def test_dockers_own_verdict_is_enough(scripted):
    assert look(scripted(), container(health={"Status": "healthy"}), CHECK).ready
    assert look(scripted(), container(), Readiness("running")).ready
    assert not look(scripted(), container("created"), Readiness("running")).ready
    assert not look(scripted(), container(), CHECK).ready


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["CMD-SHELL", "curl localhost || exit 1"], ["/bin/sh", "-c", "curl localhost || exit 1"]),
        (["CMD", "/probe", "a b"], ["/probe", "a b"]),  # of an image without a shell
    ],
)
def test_the_healthchecks_own_test_is_run_without_waiting_for_its_interval(scripted, executed, test, words):
    seen = container(health={"Status": "starting"}, test=test)
    docker = scripted(*executed(0))
    assert look(docker, seen, CHECK).ready
    assert docker.calls[0]["stdin"]["Cmd"] == words
    failing = look(scripted(*executed(22, "trying\n", "curl: (7) refused\n")), seen, CHECK)
    assert (failing.ready, "(exit 22): trying" in failing.seen) == (False, True)
    slow = scripted((["exec"], CommandFailed("the engine did not answer within 5 s", code="docker_slow"), "", ""))
    assert "did not answer" in look(slow, seen, CHECK).seen
    paused = scripted((["exec"], 409, '{"message": "Container c0ffee is paused"}', ""))
    assert "is paused" in look(paused, seen, CHECK).seen


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *words):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served.server_address[1]
    served.shutdown()
    thread.join()
    served.server_close()


def test_declared_readiness_is_asked_at_the_containers_address(scripted, server):
    def seen(**how):
        return look(scripted(), container(), Readiness(port=server, timeout=2, **how), "s-edge")

    assert seen(kind="tcp").ready
    assert seen(kind="http", path="/ready", status=204).ready
    assert seen(kind="http", path="/", status=204).seen == "p-web-blue-1 answers / with 503, not 204"


def test_nobody_listens_or_answers(scripted):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        refused = look(scripted(), container(), Readiness("tcp", port=port))
        assert (refused.ready, "refused" in refused.seen) == (False, True)
        silent.listen(1)
        hanging = look(scripted(), container(), Readiness("http", path="/", port=port, timeout=0.2))
        assert (hanging.ready, "timed out" in hanging.seen) == (False, True)
    assert "no address" in look(scripted(), container(address=""), Readiness("tcp", port=1)).seen


def test_addresses():
    networks = {"b": {"IPAddress": "10.0.0.2"}, "a": {"IPAddress": "10.0.0.1"}, "v6": {"GlobalIPv6Address": "fd00::1"}}
    many = {"NetworkSettings": {"Networks": networks}}
    assert address_of(many, "b") == "10.0.0.2"
    assert address_of(many, "gone") == "10.0.0.1"
    assert address_of({"NetworkSettings": {"Networks": {"v6": networks["v6"]}}}) == "fd00::1"
    assert address_of({"HostConfig": {"NetworkMode": "host"}}) == "127.0.0.1"
    assert address_of({}) == ""


def test_last_words_are_bounded(scripted):
    long = "\n".join(f"{number} " + "x" * 2000 for number in range(100))
    said = last_words(scripted((["logs"], 0, long, "")), "c")
    assert sum(map(len, said)) <= 4000
    assert said[-1].endswith("x")
    assert last_words(scripted((["logs"], 0, "", "")), "c") == ["(it wrote nothing to its log)"]
    slow = CommandFailed("docker logs did not end within 10 s", code="docker_slow")
    assert "did not end" in last_words(scripted((["logs"], slow, "", "")), "c")[0]

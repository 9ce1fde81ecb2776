# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves, what is seen and how slots are drained, against a master socket that behaves like HAProxy's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge import Edge, Traffic
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_container import published
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed, StepFailed, TimedOut

from .edge_fake import BLUE, GREEN, PORT, SPEC, Bench, Engine, FastClock, Process


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.engine.up = made.runs
    yield made
    made.close()


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.edge.ensure(SPEC)
    bench.engine.asked.clear()
    return bench


def test_a_switch_reaches_every_worker_and_the_file(running: Bench) -> None:
    running.master.workers[9] = Process()
    evidence = running.edge.set_traffic(Traffic("blue", "green", 10))
    assert evidence["changed"]
    assert evidence["before"]["live"] == "none"
    for worker in running.master.workers.values():
        assert worker.map == {"live": "blue", "canary": "green", "share": "10"}
    assert running.edge.traffic() == Traffic("blue", "green", 10)
    assert not running.edge.set_traffic(Traffic("blue", "green", 10))["changed"]


def test_maintenance_is_beside_who_serves_and_only_ended_by_name(running: Bench) -> None:
    running.edge.set_traffic(Traffic("blue", "green", 10))
    assert running.edge.maintain(True)["changed"] and not running.edge.maintain(True)["changed"]
    assert running.edge.serving() == running.edge.traffic() == Traffic("blue", "green", 10, maintenance=True)
    running.edge.hold()
    running.edge.release_hold("green")
    assert running.edge.traffic() == Traffic("green", maintenance=True)
    assert running.edge.maintain(False)["changed"]
    assert running.worker.map == {"live": "green", "canary": "none", "share": "0"}


def test_an_old_worker_that_ends_meanwhile_is_no_failure(running: Bench) -> None:
    class Leaving(Process):
        def answer(self, command: str) -> str:
            if command.startswith("prepare"):
                del running.master.workers[9]
                return "Can't connect to the target CLI!\n"
            return super().answer(command)

    running.master.workers[9] = Leaving()
    assert running.edge.set_traffic(Traffic("green"))["changed"]
    assert running.worker.map["live"] == "green"


def test_an_old_worker_that_does_not_answer_for_a_moment_is_asked_again(running: Bench) -> None:
    class Busy(Process):
        refusals = 3

        def answer(self, command: str) -> str:
            self.refusals -= 1
            return "Can't connect to the target CLI!\n" if self.refusals >= 0 else super().answer(command)

    running.master.workers[9] = Busy()
    running.edge.set_traffic(Traffic("green"))
    assert running.master.workers[9].map["live"] == "green"


def test_a_process_that_does_not_take_the_map_is_told(running: Bench) -> None:
    running.worker.deaf = True
    with pytest.raises(StepFailed) as error:
        running.edge.set_traffic(Traffic("green"))
    assert error.value.code == "edge_map"


def test_the_file_is_written_even_when_no_process_answers(running: Bench) -> None:
    (running.directory / "run" / "master.sock").unlink()
    with pytest.raises(StepFailed) as error:
        running.edge.set_traffic(Traffic("green"))
    assert error.value.code == "edge_unreachable"
    assert running.edge.traffic() == Traffic("green")


def test_hold_and_release_are_states_of_the_map(running: Bench) -> None:
    running.edge.hold()
    assert running.worker.map["live"] == "hold"
    running.edge.release_hold("green")
    assert running.edge.traffic() == Traffic("green")


def test_observe_tells_what_runs(running: Bench) -> None:
    running.edge.set_traffic(Traffic("blue"))
    seen = running.edge.observe()
    assert seen["state"] == "running"
    assert seen["traffic"] == seen["running_traffic"] == Traffic("blue").as_dict()
    assert seen["config"] == seen["running_config"] != ""
    assert seen["ports"] == [["127.0.0.1", PORT]]
    assert seen["drift"] == []


def test_observe_before_anything_was_made_writes_nothing(tmp_path: Path) -> None:
    edge = Edge(str(tmp_path / "edge"), "shop", Engine(), FastClock())
    assert edge.observe()["state"] == "absent"
    assert edge.traffic() == Traffic("none")
    assert not (tmp_path / "edge").exists()


@pytest.mark.parametrize(
    ("change", "state", "sentence"),
    [
        (lambda b: b.worker.map.update(live="green"), "running", "its map file says"),
        (lambda b: b.worker.map.update(live="x"), "running", "running map was changed by hand"),
        (lambda b: (b.directory / "config" / "edge.map").write_text("live x\n"), "broken", "map was changed by hand"),
        (
            lambda b: (b.directory / "config" / "hold.lua").write_text(""),
            "running",
            "configuration was changed by hand",
        ),
        (lambda b: setattr(b.worker, "description", "0" * 16), "running", "another configuration"),
        (lambda b: (b.directory / "run" / "master.sock").unlink(), "broken", "admin socket does not answer"),
    ],
)
def test_what_is_not_as_we_left_it_is_drift(running: Bench, change: Any, state: str, sentence: str) -> None:
    change(running)
    seen = running.edge.observe()
    assert seen["state"] == state
    assert any(sentence in drift for drift in seen["drift"]), seen["drift"]


def test_an_engine_that_fails_is_not_an_absent_edge(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.engine, "json", lambda *_arguments: (500, {"message": "the storage driver is broken"}))
    with pytest.raises(CommandFailed, match="storage driver is broken"):
        bench.edge.observe()


def test_ready_means_exactly_the_addresses_of_the_containers(running: Bench) -> None:
    assert running.edge.wait_ready("blue", 5)["servers"] == {BLUE: ["10.0.0.2"]}
    running.engine.slots = {"web-blue": ["10.0.0.9"], "web-green": ["10.0.0.3"]}
    with pytest.raises(TimedOut) as error:
        running.edge.wait_ready("blue", 1)
    assert "10.0.0.2" in error.value.last_seen
    assert "10.0.0.9" in error.value.last_seen
    running.engine.slots["web-blue"] = ["10.0.0.2", "10.0.0.9"]
    with pytest.raises(TimedOut):
        running.edge.wait_ready("blue", 1)
    running.worker.up[BLUE] = ["10.0.0.2", "10.0.0.9"]
    assert running.edge.wait_ready("blue", 1)["servers"] == {BLUE: ["10.0.0.2", "10.0.0.9"]}


def test_a_server_that_was_never_reached_is_not_ready(running: Bench) -> None:
    running.worker.checked = 0
    with pytest.raises(TimedOut):
        running.edge.wait_ready("blue", 1)


def test_a_slot_without_backend_is_never_ready(running: Bench) -> None:
    running.worker.up = {}
    with pytest.raises(TimedOut, match="reaches slot green"):
        running.edge.wait_ready("green", 1)


def test_a_drain_ends_when_nothing_is_open(running: Bench) -> None:
    running.worker.open[GREEN] = 7
    assert running.edge.drain("blue", 5) == {"drained_s": 0.0, "cut": 0}
    assert running.worker.open[GREEN] == 7


def test_a_drain_cuts_at_the_deadline_in_old_workers_too(running: Bench) -> None:
    running.master.workers[9] = old = Process()
    running.worker.open[BLUE] = 2
    old.open[BLUE] = 3
    said: list[str] = []
    evidence = running.edge.drain("blue", 4, said.append)
    assert evidence["cut"] == 5
    assert evidence["drained_s"] >= 4
    assert running.worker.open[BLUE] == old.open[BLUE] == 0
    assert said == ["5 still open in blue, 4 s left"]
    # HAProxy refuses the first in a worker that is stopping
    assert f"@!10 shutdown sessions server {BLUE}/s1" in running.master.seen
    assert "@!9 shutdown session 0xa1" in running.master.seen


def test_counters_are_sums_over_the_ports_of_a_slot(running: Bench) -> None:
    running.worker.open[BLUE] = 4
    counters = running.edge.counters("blue")
    assert counters["requests"] == 40
    assert counters["2xx"] == 30
    assert counters["5xx"] == 2
    assert counters["connect_errors"] == 1
    assert counters["open"] == 4
    assert counters["since"] == 1700000000


def test_open_requests_have_an_age(running: Bench) -> None:
    running.worker.open[BLUE] = 2
    assert running.edge.open_requests("blue") == {"10/0": 5, "10/1": 5}
    assert running.edge.open_requests("green") == {}


def test_the_log_is_read_backwards_as_far_as_needed(running: Bench) -> None:
    lines = [f"steady {1000 * second} 80 blue - 200 -- 1 0" for second in range(1, 20001)]
    running.engine.log = "\n".join(lines)
    assert [record["time"] for record in running.edge.log(19990, 19993)] == [19990, 19991, 19992]
    assert running.engine.asked[-1] == ("logs", "--tail", "2000", "shop-edge")
    assert len(running.edge.log(10000)) == 10001
    assert len(running.edge.log(0)) == 20000


def test_removing_takes_container_network_and_files(running: Bench) -> None:
    running.edge.remove()
    assert running.verbs() == ["container", "network"]
    assert not running.directory.exists()


def test_ports_of_a_container() -> None:
    assert published(None) == []
    assert published({"HostConfig": {"PortBindings": {"80/tcp": None}}}) == []


def test_new_servers_get_no_requests_until_they_are_let_in(running: Bench) -> None:
    running.worker.up[BLUE] = ["10.0.0.2", "10.0.0.9"]
    running.edge.narrow("web-blue", {"10.0.0.2"}, 0, lambda text: None)
    asked = [command for command in running.master.seen if "set server" in command]
    assert [command.partition("set server ")[2] for command in asked] == [
        f"{BLUE}/s0 state ready",
        f"{BLUE}/s1 state drain",
        f"{BLUE}/s9 state drain",
    ]
    running.master.seen.clear()
    running.edge.widen("web-blue")
    assert all(command.endswith("ready") for command in running.master.seen if "set server" in command)


def test_nothing_is_narrowed_to_servers_that_are_not_known(running: Bench) -> None:
    """As just after a reload: the one that is to be kept would be taken for one to be drained."""
    with pytest.raises(TimedOut):
        running.edge.narrow("web-blue", {"10.0.0.77"}, 0, lambda text: None)
    assert not [command for command in running.master.seen if "set server" in command]

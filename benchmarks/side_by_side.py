# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An update and a warm rollback of the shop, beside the same by `docker compose up -d`, under the same requests.

    .venv/bin/python benchmarks/side_by_side.py [--rounds 3] [--out DIRECTORY]

Root, Docker and the lab are needed (`make lab`), and nothing may use ports 8000, 8080, 18000 and 18080. Writes
DIRECTORY/raw.jsonl, a line a measurement, and DIRECTORY/summary.md; README.md says what the numbers are.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.steady.runbooks.tests.system import services, shop
from ansible_collections.steady.runbooks.tests.system.hello import Hello, wait_until
from ansible_collections.steady.runbooks.tests.system.runner import ENVIRONMENT, MODULE_SENT
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

RATE = 100
REQUESTS = ["80 GET /version", '20 POST /orders {"item": "book", "quantity": 1}']
PLAIN, SMALL = "shop-plain", "shop-small"
PORTS = """
services:
  backend: {ports: !override ["127.0.0.1:18000:8000"]}
  frontend: {ports: !override ["127.0.0.1:18080:80"]}
"""
OLD, NEW = "1.0.0", "1.1.0"


def main() -> int:
    parser = argparse.ArgumentParser(description="The runbooks beside docker compose up -d.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    shop.provide_images(OLD, NEW)
    shop.provide_hello()
    given.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with open(given.out / "raw.jsonl", "w", encoding="utf-8") as raw:
        for number in range(given.rounds):
            for measure in (plain_compose, runbooks, one_container):
                clean()  # of a run that was broken off, too
                found = measure()
                for row in found:
                    row = {"round": number + 1, "load_average": round(os.getloadavg()[0], 1), **row}
                    rows.append(row)
                    raw.write(json.dumps(row) + "\n")
                    raw.flush()
                    print(json.dumps(row), flush=True)
    clean()
    text = summary(rows)
    (given.out / "summary.md").write_text(text)
    print(text)
    return 0


def runbooks() -> list[dict[str, Any]]:
    """The update and rollbacks by runbooks."""
    unwatched = json.dumps({"service_watch": {"seconds": 0}})
    playbook("apply_update", "-e", f"version={OLD}", "-e", unwatched)
    rows = []
    with Traffic("http://127.0.0.1:8000", rate=RATE, seconds=600, requests=REQUESTS) as traffic:
        rows.append({"what": "start", "how": "docker start", "seconds": by_hand()})
        enter, said = playbook("apply_update", "-e", f"version={NEW}", "-e", unwatched)
        seen, run = traffic.seen(enter), last_run()
        rows.append(
            {
                "what": "update",
                "how": "runbook",
                "enter_to_first_new_s": seen.firsts[NEW] - enter,
                "act_to_first_new_s": seen.firsts[NEW] - run["began"],
                "steps": {step["do"]: step["seconds"] for step in run["steps"]},
                **users(seen),
            }
        )
        for name, version, before in (("rollback", OLD, NEW), ("blue_green_switch", NEW, OLD), ("rollback", OLD, NEW)):
            enter, said = playbook(name, "-e", unwatched)
            seen, run = traffic.seen(enter), last_run()
            if name != "rollback":
                continue
            rows.append(
                {
                    "what": "rollback",
                    "how": "runbook",
                    "enter_to_first_new_s": seen.firsts[version] - enter,
                    "enter_to_last_old_s": seen.lasts[before] - enter,
                    "enter_to_act_s": run["began"] - enter,
                    "flip_to_first_new_ms": run["proof"]["first_new_ms"],
                    "seconds": time.time() - enter,
                    "steps": {step["do"]: step["seconds"] for step in run["steps"]},
                    **users(seen),
                }
            )
        playbook("blue_green_switch", "-e", unwatched)
        _enter, said = playbook("rollback", "-vvv")
        rows.append({"what": "rollback", "how": "module calls", "calls": MODULE_SENT.findall(said)})
        _enter, said = playbook("apply_update", "-vvv", "-e", f"version={NEW}", "-e", unwatched)
        rows.append({"what": "update", "how": "module calls", "calls": MODULE_SENT.findall(said)})
    return rows


def plain_compose() -> list[dict[str, Any]]:
    """The same by `docker compose up -d`, and how long the application itself needs to start."""
    compose("up", "--detach", version=OLD)
    answers("http://127.0.0.1:18000/version", OLD)
    rows = []
    with Traffic("http://127.0.0.1:18000", rate=RATE, seconds=300, requests=REQUESTS) as traffic:
        # The old migration fails on the newer database, so whoever goes back has to leave it out.
        past_it = ("--no-deps", "backend", "frontend", "worker")
        for what, version, words in (("update", NEW, ()), ("rollback", OLD, past_it)):
            enter = time.time()
            compose("up", "--detach", *words, version=version)
            answers("http://127.0.0.1:18080/version", version)
            time.sleep(1)
            seen = traffic.seen(enter)
            rows.append(
                {
                    "what": what,
                    "how": "docker compose up -d",
                    "enter_to_first_new_s": seen.firsts[version] - enter,
                    "own_start_s": own_start(seen.firsts[version]),
                    **users(seen),
                }
            )
    return rows


def by_hand() -> float:
    """The least that the application can need here, in seconds: its containers are made already, and each is only
    started, as soon as what it waits for is ready; beside a release that serves, as an update is."""
    compose("up", "--detach", "--wait", "db", "redis", version=NEW)
    compose("create", version=NEW)
    begun = time.time()
    shop.docker("start", "--attach", f"{PLAIN}-migrate-1")
    shop.docker("start", f"{PLAIN}-backend-1")
    check = ["docker", "exec", f"{PLAIN}-backend-1", "python3", "healthcheck.py", "web"]
    wait_until(lambda: not subprocess.run(check, capture_output=True, check=False).returncode, "the backend is healthy")
    shop.docker("start", f"{PLAIN}-frontend-1")
    answers("http://127.0.0.1:18080/version", NEW)
    took = time.time() - begun
    compose("down", "--volumes", "--timeout", "2")
    return took


def one_container() -> list[dict[str, Any]]:
    """The update of a service that is one container: no migration, no database, nothing that waits for another."""
    with tempfile.TemporaryDirectory() as directory:
        hello = Hello(Path(directory), SMALL, service_watch={"seconds": 0})
        hello.done("apply_update", "-e", f"version={OLD}")
        with Traffic(f"http://127.0.0.1:{hello.port}", rate=RATE, seconds=300, requests=["1 GET /"]) as traffic:
            enter = time.time()
            hello.done("apply_update", "-e", f"version={NEW}")
            wait_until(lambda: NEW in traffic.seen(enter).firsts, "the new release answers")
            seen, run = traffic.seen(enter), last_run(SMALL)
    published = ("--publish", "127.0.0.1:18080:8000", "--env", f"VERSION={NEW}")
    shop.docker("run", "--detach", "--name", PLAIN, *published, services.IMAGE)
    answers("http://127.0.0.1:18080/", NEW)
    own = time.time() - moment(inspect(PLAIN)["StartedAt"])
    begun = seen.firsts[NEW] - run["began"]
    return [{"what": "small", "how": "runbook", "act_to_first_new_s": begun, "own_start_s": own, **users(seen)}]


def own_start(first_answer: float) -> float:
    """What the application needs however it is started: its migration, and the backend until its first answer."""
    job, backend = (inspect(f"{PLAIN}-{name}-1") for name in ("migrate", "backend"))
    return moment(job["FinishedAt"]) - moment(job["StartedAt"]) + first_answer - moment(backend["StartedAt"])


def inspect(container: str) -> dict[str, str]:
    return dict(json.loads(shop.docker("inspect", "--format", "{{json .State}}", container)))


def moment(text: str) -> float:
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def users(seen: Any) -> dict[str, Any]:
    return {"requests": seen.sent, "failed": seen.failed, "longest_gap_ms": seen.longest_gap_ms}


def playbook(name: str, *words: str) -> tuple[float, str]:
    """Run a runbook as a person does; the moment of Enter, and what it said."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"playbooks/{name}.yml",
        "-e",
        "env=local",
        *words,
    ]
    enter = time.time()
    said = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.stdout}{said.stderr}")
    time.sleep(0.5)
    return enter, said.stdout


def last_run(service: str = "shop") -> dict[str, Any]:
    """The result of the newest run, with ``began``: when its process was started, in epoch seconds."""
    where = max(Path("/var/lib/steady", service, "runs").iterdir(), key=lambda path: path.name)
    result = dict(json.loads((where / "result.json").read_text()))
    ticks = json.loads((where / "process.json").read_text())["process_start"]
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return {**result, "began": time.time() - uptime + int(ticks) / os.sysconf("SC_CLK_TCK")}


def compose(*words: str, version: str = OLD) -> str:
    files = ["--file", str(ROOT / "examples/shop/source/compose.yaml"), "--file", "-"]
    said = subprocess.run(
        ["docker", "compose", "--project-name", PLAIN, *files, *words],
        input=PORTS,
        env={**ENVIRONMENT, "VERSION": version},
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise SystemExit(f"docker compose {' '.join(words)} failed:\n{said.stderr}")
    return said.stdout


def answers(url: str, version: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.headers.get("X-Version") == version:
                    return
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit(f"{url} does not answer with {version} after {seconds:.0f} s")


def clean() -> None:
    compose("down", "--volumes", "--timeout", "2")
    subprocess.run(["docker", "rm", "--force", PLAIN], capture_output=True, check=False)
    shop.remove("shop", SMALL)


def summary(rows: list[dict[str, Any]]) -> str:
    """Medians, and the ratio of ours to theirs, round by round."""

    def of(what: str, how: str, name: str) -> list[float]:
        return [row[name] for row in rows if (row["what"], row["how"]) == (what, how)]

    def line(title: str, values: list[float], unit: str = "s") -> str:
        return f"| {title} | {statistics.median(values):.2f} {unit} | {min(values):.2f} - {max(values):.2f} |"

    plain, ours = "docker compose up -d", "runbook"
    own, least = of("update", plain, "own_start_s"), of("start", "docker start", "seconds")
    first = of("update", ours, "act_to_first_new_s")
    theirs = of("update", plain, "enter_to_first_new_s")
    text = [
        "| | median | from - to |",
        "|---|---|---|",
        line("the application's own start: migration and backend, as processes", own),
        line("... with containers, and the frontend that waits for the backend: by docker start, in order", least),
        line("update by docker compose up -d, Enter to first new response", theirs),
        line("update by the runbook, start of the act to first new response", first),
        line("... beyond the application's own start, of processes", [a - b for a, b in zip(first, own)]),
        line("... beyond the same, of containers", [a - b for a, b in zip(first, least)]),
        line("... as a ratio to docker compose up -d", [a / b for a, b in zip(first, theirs)], "x"),
        line(
            "the same of one container without a migration",
            [a - b for a, b in zip(of("small", ours, "act_to_first_new_s"), of("small", ours, "own_start_s"))],
        ),
        line("update by the runbook, Enter to first new response", of("update", ours, "enter_to_first_new_s")),
        line(
            "rollback by docker compose up -d, Enter to first new response",
            of("rollback", plain, "enter_to_first_new_s"),
        ),
        line("warm rollback by the runbook, Enter to last old response", of("rollback", ours, "enter_to_last_old_s")),
        line("... of which until the act starts", of("rollback", ours, "enter_to_act_s")),
        line("... from the flip to the first new response", of("rollback", ours, "flip_to_first_new_ms"), "ms"),
        "",
    ]
    for what in ("update", "rollback"):
        calls = of(what, "module calls", "calls")
        text.append(f"- module calls on the target, {what}: {max(map(len, calls))} ({', '.join(calls[0])})")
        for how in (plain, ours):
            failed, sent = sum(of(what, how, "failed")), sum(of(what, how, "requests"))
            gap = max(of(what, how, "longest_gap_ms"))
            text.append(f"- {what} by {how}: {failed:.0f} of {sent:.0f} requests failed, longest gap {gap:.0f} ms")
    loads = [row["load_average"] for row in rows]
    text.append(f"- {len(own)} rounds, load average {min(loads)} - {max(loads)} on {os.cpu_count()} cores")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: a real service on this machine, users who never stop asking, and what its releases do to them.

Every runbook is the real one, run through ansible-runner against the inventory `local`; shown is what the runbook
itself says, without Ansible's own lines. It starts by taking the shop off this machine and ends with the shop running.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLLECTIONS = ROOT / ".ansible" / "collections"
PORTS = (8000, 8080)
UNWATCHED = {"seconds": 0}
RELEASES = ("1.0.0", "1.1.0", "1.1.1", "1.2.0", "1.4.0")
# What becomes of a person's settings when sudo is needed; nothing else of them is wanted.
KEPT = "PATH,LC_ALL,ANSIBLE_CONFIG,PYTHONDONTWRITEBYTECODE,http_proxy,https_proxy,no_proxy"


def main() -> int:
    if importlib.util.find_spec("ansible_runner") is None or not (COLLECTIONS / "ansible_collections/steady").is_dir():
        return stop("this Python lacks what the demo needs", "Run `make demo`, which installs it.")
    if os.geteuid() != 0:
        become_root()
    sys.path.insert(0, str(COLLECTIONS))
    from ansible_collections.steady.runbooks.examples.story import Story, StoryError
    from ansible_collections.steady.runbooks.tests.lab.lab import LabError

    try:
        play(Story())
    except (StoryError, LabError) as error:
        return stop(str(error), "`make demo` starts from the beginning; `make clean` takes everything away.")
    except KeyboardInterrupt:
        return stop("interrupted", "A run that had begun ends by itself: playbooks/status.yml -e env=local tells.")
    return 0


def play(story) -> None:
    from ansible_collections.steady.runbooks.tests.system import shop

    begun = time.monotonic()
    story.stage("Prepare this machine: Docker, a registry, images")
    story.runbook("bootstrap")
    shop.remove("shop")
    for port in PORTS:
        if taken(port):
            raise SystemExit(
                stop(
                    f"127.0.0.1:{port} is taken by another program",
                    f"Stop it (ss -ltnp 'sport = :{port}' names it) and run `make demo` again.",
                )
            )
    shop.provide_images(*RELEASES)
    story.say(f"Docker, the registry on 127.0.0.1:5000 and the images of {', '.join(RELEASES)} are there.")

    story.stage("Start the shop 1.0.0, with PostgreSQL and Redis, behind the edge")
    story.runbook("apply_update", version="1.0.0", service_watch=UNWATCHED)  # nobody uses it yet
    story.runbook("status")

    with story.users("http://127.0.0.1:8080", shop.USERS):
        story.stage("Apply 1.1.0 blue-green, with a migration, while users order")
        story.runbook("apply_update", version="1.1.0")
        story.expect_nobody_noticed("1.1.0")

        story.stage("Apply 1.4.0, which answers 5% of the requests with an error")
        story.runbook("apply_update", expected="undone", version="1.4.0")
        story.expect_errors_of("1.4.0", serves="1.1.0")

        story.stage("Apply 1.2.0, which crashes at its start")
        story.runbook("apply_update", expected="undone", version="1.2.0")
        story.expect_nobody_noticed("1.1.0")

        story.stage("Apply the hotfix 1.1.1")
        story.runbook("apply_update", version="1.1.1")
        story.expect_nobody_noticed("1.1.1")

        story.stage("Roll back warm: 1.1.0 still runs")
        story.runbook("rollback", reason="demo")
        story.expect_nobody_noticed("1.1.0")

        story.stage("Roll back cold: 1.0.0 has to be started again")
        story.runbook("rollback", reason="demo")
        story.expect_nobody_noticed("1.0.0")

        story.stage("Undo that: all requests to the other slot")
        story.runbook("blue_green_switch", service_watch=UNWATCHED)
        story.expect_nobody_noticed("1.1.0")

        story.stage("The ledger")
        story.ledger()
    story.summary(time.monotonic() - begun)


def taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def become_root() -> None:
    """State is kept under /var/lib/steady and Docker asks for root: start again by sudo, where it may ask a person."""
    if not shutil.which("sudo"):
        raise SystemExit(stop("the demo needs root, and there is no sudo", "Run `make demo` as root."))
    sys.stdout.flush()
    words = ["sudo", f"--preserve-env={KEPT}", "--", sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]]
    os.execvp("sudo", words)


def stop(why: str, next_step: str) -> int:
    print(f"\ndemo: {why}. {next_step}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())

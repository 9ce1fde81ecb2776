# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker: takes jobs from a Redis stream and writes their result to PostgreSQL."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import Any

import psycopg
import redis

from . import faults, orders, settings

BLOCK_MS = 1000
ALIVE_SECONDS = 15
ORPHANED_MS = 30_000
log = logging.getLogger("shop.worker")
release = settings.Release()
stop = threading.Event()


def main() -> None:
    """Work until SIGTERM; a lost server is one line in the log and another try."""
    settings.log_to_stderr()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGINT, lambda _number, _frame: stop.set())
    if release.fault == "stubborn":
        faults.ignore_sigterm()
    log.info("started version=%s commit=%s instance=%s", release.version, release.commit, release.instance)
    while not stop.is_set():
        try:
            with (
                psycopg.connect(**settings.database(), autocommit=True) as database,
                redis.Redis.from_url(settings.redis_url(), socket_timeout=5, decode_responses=True) as queue,
            ):
                _work(database, queue)
        except (psycopg.Error, redis.RedisError) as error:
            log.error("%s", f"{type(error).__name__}: {error}".replace("\n", " "))
            stop.wait(1)
    log.info("stopped version=%s instance=%s", release.version, release.instance)


def _work(database: Any, queue: Any) -> None:
    with contextlib.suppress(redis.ResponseError):  # BUSYGROUP: the group is there already
        queue.xgroup_create(settings.STREAM, settings.GROUP, id="0", mkstream=True)
    alive = f"shop:worker:{release.instance}"
    while not stop.is_set():
        queue.set(alive, release.version, ex=ALIVE_SECONDS)
        # Jobs that a worker took and did not finish before it died.
        orphaned = queue.xautoclaim(settings.STREAM, settings.GROUP, release.instance, ORPHANED_MS, count=10)[1]
        fresh = queue.xreadgroup(settings.GROUP, release.instance, {settings.STREAM: ">"}, count=10, block=BLOCK_MS)
        for job, values in [*orphaned, *(fresh[0][1] if fresh else ())]:
            orders.finish(database, job, int(values["order"]), release.version, release.instance)
            queue.xack(settings.STREAM, settings.GROUP, job)
            log.info(
                "job=%s order=%s version=%s producer=%s", job, values["order"], release.version, values["producer"]
            )
    queue.delete(alive)


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the bad releases: ``name`` or ``name:number``, baked into the image (SHOP_FAULT overrides it).

Every fault is deterministic (a counter or a time since the start, never chance), and leaves /health alone
unless it says otherwise, so that a check of the container's health alone would let each of them through.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import sys
import time
from typing import Any

from starlette.responses import JSONResponse

log = logging.getLogger("shop.fault")


def crash() -> None:
    """End the process at its start, as one does that misses a setting."""
    log.error("setting PAYMENT_URL is missing")
    sys.exit(1)


def ignore_sigterm() -> None:
    """Take away the handler: only SIGKILL ends the process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def wrap(app: Any, fault: str) -> Any:
    """The application with its fault in front of it; the application itself when there is none."""
    name, _colon, number = fault.partition(":")
    if name == "crash":
        crash()
    if name == "stubborn":
        return _stubborn(app)
    if name not in HTTP:
        return app
    make, default = HTTP[name]
    meet = make(float(number or default))

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            failure = await meet(scope["path"])
            if failure:
                status, reason = failure
                log.error("%s %s status=%d %s", scope["method"], scope["path"], status, reason)
                await JSONResponse({"detail": reason}, status)(scope, receive, send)
                return
        await app(scope, receive, send)

    return wrapped


def _stubborn(app: Any) -> Any:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def after_start(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                ignore_sigterm()

        await app(scope, receive, after_start if scope["type"] == "lifespan" else send)

    return wrapped


def _slow(milliseconds: float) -> Any:
    async def meet(_path: str) -> None:
        await asyncio.sleep(milliseconds / 1000)

    return meet


def _errors(every: float) -> Any:
    count = itertools.count(1)

    async def meet(path: str) -> tuple[int, str] | None:
        return (500, "discount table is empty") if path != "/health" and next(count) % every == 0 else None

    return meet


def _hang(after: float) -> Any:
    count = itertools.count(1)

    async def meet(path: str) -> None:
        if path != "/health" and next(count) > after:
            await asyncio.Event().wait()

    return meet


def _unhealthy(seconds: float) -> Any:
    limit = time.monotonic() + seconds

    async def meet(path: str) -> tuple[int, str] | None:
        if time.monotonic() < limit:
            return None
        return (503 if path == "/health" else 500), "license server does not answer"

    return meet


def _leak(_number: float) -> Any:
    kept = []

    async def meet(path: str) -> tuple[int, str] | None:
        if path == "/health":
            return None
        import psycopg

        from . import settings

        try:
            kept.append(await psycopg.AsyncConnection.connect(**settings.database(), autocommit=True))
        except psycopg.OperationalError as error:
            return 500, str(error).replace("\n", " ")
        return None

    return meet


HTTP = {
    "slow": (_slow, "900"),
    "errors": (_errors, "20"),
    "hang": (_hang, "50"),
    "unhealthy": (_unhealthy, "3"),
    "leak": (_leak, "0"),
}

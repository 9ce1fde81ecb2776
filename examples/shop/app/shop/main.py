# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP interface of the shop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import psycopg_pool
import redis.asyncio
from fastapi import FastAPI, Header, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from psycopg.rows import dict_row
from pydantic import BaseModel, Field

from . import faults, orders, settings, tokens

POOL_SIZE = 5
LONGEST_WAIT_MS = 60_000
log = logging.getLogger("shop")
release = settings.Release()
config = settings.config()
key = settings.session_key()
# Opened once and kept at one size: what two releases side by side need of max_connections is known beforehand.
pool = psycopg_pool.AsyncConnectionPool(
    kwargs={**settings.database(), "autocommit": True, "row_factory": dict_row},
    min_size=POOL_SIZE,
    max_size=POOL_SIZE,
    timeout=2,
    open=False,
)
queue = redis.asyncio.Redis.from_url(settings.redis_url(), socket_timeout=2, socket_connect_timeout=2)


@contextlib.asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    await pool.open()
    log.info("started version=%s commit=%s instance=%s", release.version, release.commit, release.instance)
    yield
    await pool.close()
    await queue.aclose()


api = FastAPI(title="shop", version=release.version, lifespan=lifespan, docs_url=None, redoc_url=None)


class NewOrder(BaseModel):
    item: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1)
    note: str | None = Field(default=None, max_length=500)


class Login(BaseModel):
    user: str
    password: str


@api.get("/health")
async def health() -> JSONResponse:
    """200 when PostgreSQL and Redis answer, else 503."""
    found = dict(zip(("database", "redis"), await asyncio.gather(_database_answers(), _redis_answers()), strict=True))
    healthy = all(found.values())
    return JSONResponse({"status": "ok" if healthy else "unhealthy", **found}, 200 if healthy else 503)


@api.get("/version")
async def version() -> dict[str, str]:
    return {"version": release.version, "commit": release.commit, "instance": release.instance}


@api.post("/orders", status_code=201)
async def create_order(order: NewOrder) -> dict[str, Any]:
    if order.quantity > config.max_quantity:
        raise HTTPException(422, f"quantity is at most {config.max_quantity}")
    number = await orders.create(pool, release.schema, order.item, order.quantity, order.note)
    await queue.xadd(settings.STREAM, {"order": number, "producer": release.version}, maxlen=100_000)
    return {"id": number, "item": order.item, "quantity": order.quantity, "currency": config.currency}


@api.get("/orders/{order}")
async def read_order(order: int) -> dict[str, Any]:
    row = await orders.read(pool, release.schema, order)
    if row is None:
        raise HTTPException(404, f"there is no order {order}")
    return {**row, "currency": config.currency}


@api.get("/slow")
async def slow(ms: int = 400) -> dict[str, Any]:
    """Answer after so many milliseconds, as a report or an export does."""
    waited = max(0, min(ms, LONGEST_WAIT_MS))
    await asyncio.sleep(waited / 1000)
    return {"version": release.version, "ms": waited}


@api.post("/login")
async def login(claim: Login) -> dict[str, str]:
    stored = config.users.get(claim.user, "00:00")
    if not await asyncio.to_thread(tokens.password_matches, stored, claim.password):
        raise HTTPException(401, "user or password is wrong")
    return {"token": tokens.issue(claim.user, key)}


@api.get("/me")
async def me(authorization: str = Header(default="")) -> dict[str, str]:
    user = tokens.user_of(authorization.removeprefix("Bearer "), key)
    if user is None:
        raise HTTPException(401, "the token is missing, forged or out of date")
    return {"user": user}


@api.post("/echo")
async def echo(request: Request) -> dict[str, str]:
    return {"version": release.version, "body": (await request.body()).decode(errors="replace")}


@api.websocket("/ws")
async def talk(socket: WebSocket) -> None:
    """Send back what comes, and say once a second which release is speaking."""
    await socket.accept()
    speaking = asyncio.create_task(_say_version(socket))
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        speaking.cancel()


async def _say_version(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(json.dumps({"version": release.version, "instance": release.instance}))
            await asyncio.sleep(1)


async def _database_answers() -> bool:
    try:
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
    except Exception as error:
        log.error("database does not answer: %s", _one_line(error))
        return False
    return True


async def _redis_answers() -> bool:
    try:
        await queue.ping()
    except redis.asyncio.RedisError as error:
        log.error("redis does not answer: %s", _one_line(error))
        return False
    return True


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def _named(inner: Any) -> Any:
    """Every response names the release that gave it; an error that nothing caught is one line in the log."""
    header = (b"x-version", release.version.encode())
    starts = {"http.response.start", "websocket.accept", "websocket.http.response.start"}

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def send_named(message: Any) -> None:
            if message["type"] in starts:
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await inner(scope, receive, send_named)
        except Exception as error:
            if scope["type"] == "lifespan":
                raise
            log.error("%s %s status=500 %s", scope.get("method", "WS"), scope["path"], _one_line(error))

    return wrapped


app = _named(faults.wrap(api, release.fault))

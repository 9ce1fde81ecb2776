# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the release, its environment and its configuration file say."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import tomllib

STREAM = "shop:jobs"
GROUP = "workers"


@dataclass(frozen=True)
class Release:
    """What is baked into the image: version, commit, the schema it was written for, its fault if it is a bad one."""

    version: str = field(default_factory=lambda: os.environ.get("SHOP_VERSION", "0.0.0"))
    commit: str = field(default_factory=lambda: os.environ.get("SHOP_COMMIT", "unknown"))
    schema: int = field(default_factory=lambda: int(os.environ.get("SHOP_SCHEMA", "3")))
    fault: str = field(default_factory=lambda: os.environ.get("SHOP_FAULT") or os.environ.get("SHOP_RELEASE_FAULT", ""))
    instance: str = field(default_factory=socket.gethostname)


@dataclass(frozen=True)
class Config:
    """The operator's file: currency, the largest quantity of an order, users with their password hashes."""

    currency: str
    max_quantity: int
    users: dict[str, str]


def config() -> Config:
    """Read the configuration file that is mounted into the container."""
    path = Path(os.environ.get("SHOP_CONFIG", "/etc/shop/shop.toml"))
    return Config(**tomllib.loads(path.read_text(encoding="utf-8")))


def database() -> dict[str, str]:
    """Connection parameters of PostgreSQL; the password comes from a file, never from the environment."""
    password = Path(os.environ.get("DB_PASSWORD_FILE", "/run/secrets/db_password"))
    return {
        "host": os.environ.get("DB_HOST", "db"),
        "port": os.environ.get("DB_PORT", "5432"),
        "dbname": os.environ.get("DB_NAME", "shop"),
        "user": os.environ.get("DB_USER", "shop"),
        "password": password.read_text(encoding="utf-8").strip(),
        "connect_timeout": "5",
    }


def redis_url() -> str:
    """Address of Redis."""
    return os.environ.get("REDIS_URL", "redis://redis:6379/0")


def session_key() -> bytes:
    """The key that signs tokens: the same in every release, so that a login survives an update."""
    return os.environ["SESSION_KEY"].encode()


def log_to_stderr() -> None:
    """One line an event: time, level, logger, message."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # A connection pool that waits for the database says so in a line a second; our own line is enough.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

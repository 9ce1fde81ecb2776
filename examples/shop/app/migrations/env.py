# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alembic's entry: migrations run in one transaction each, over the connection parameters of the application."""

from __future__ import annotations

import psycopg
from alembic import context
from shop import settings
from sqlalchemy import create_engine, pool

engine = create_engine(
    "postgresql+psycopg://", creator=lambda: psycopg.connect(**settings.database()), poolclass=pool.NullPool
)
settings.log_to_stderr()
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orders table, in the words of the schema that a release was written for.

Revision 0002 adds ``quantity`` and ``note`` beside ``amount`` (expand), 0003 drops ``amount`` (contract).
So a release of schema 2 writes both columns and still reads rows that a release of schema 1 wrote beside it.
"""

from __future__ import annotations

from typing import Any

INSERT = {
    1: "INSERT INTO orders (item, amount) VALUES (%(item)s, %(quantity)s) RETURNING id",
    2: "INSERT INTO orders (item, amount, quantity, note)"
    " VALUES (%(item)s, %(quantity)s, %(quantity)s, %(note)s) RETURNING id",
    3: "INSERT INTO orders (item, quantity, note) VALUES (%(item)s, %(quantity)s, %(note)s) RETURNING id",
}
SELECT = {
    1: "SELECT id, item, amount AS quantity, status, processed_by FROM orders WHERE id = %s",
    2: "SELECT id, item, coalesce(quantity, amount) AS quantity, note, status, processed_by FROM orders WHERE id = %s",
    3: "SELECT id, item, quantity, note, status, processed_by FROM orders WHERE id = %s",
}
FINISH = "UPDATE orders SET status = 'done', processed_by = %(version)s WHERE id = %(order)s AND status = 'new'"
RECORD = (
    "INSERT INTO job_runs (job, order_id, version, instance) VALUES (%(job)s, %(order)s, %(version)s, %(instance)s)"
    " ON CONFLICT (job) DO NOTHING"
)


async def create(pool: Any, schema: int, item: str, quantity: int, note: str | None) -> int:
    """Store an order; return its id."""
    async with pool.connection() as connection:
        cursor = await connection.execute(INSERT[schema], {"item": item, "quantity": quantity, "note": note})
        row = await cursor.fetchone()
    return row["id"]


async def read(pool: Any, schema: int, order: int) -> dict[str, Any] | None:
    """One order, or None."""
    async with pool.connection() as connection:
        cursor = await connection.execute(SELECT[schema], (order,))
        return await cursor.fetchone()


def finish(connection: Any, job: str, order: int, version: str, instance: str) -> None:
    """Work off one job; a job that is delivered twice changes nothing the second time."""
    values = {"job": job, "order": order, "version": version, "instance": instance}
    with connection.transaction():
        connection.execute(FINISH, values)
        connection.execute(RECORD, values)

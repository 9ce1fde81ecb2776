# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Orders and the jobs that worked them off."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE orders (id bigserial PRIMARY KEY, item text NOT NULL, amount integer NOT NULL,"
        " status text NOT NULL DEFAULT 'new', processed_by text, created_at timestamptz NOT NULL DEFAULT now())"
    )
    op.execute(
        "CREATE TABLE job_runs (job text PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders,"
        " version text NOT NULL, instance text NOT NULL, finished_at timestamptz NOT NULL DEFAULT now())"
    )


def downgrade() -> None:
    op.execute("DROP TABLE job_runs")
    op.execute("DROP TABLE orders")

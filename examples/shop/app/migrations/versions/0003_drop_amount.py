# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contract: ``quantity`` takes the place of ``amount``. Releases that write ``amount`` stop working."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("UPDATE orders SET quantity = amount WHERE quantity IS NULL")
    op.execute("ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL, DROP COLUMN amount")


def downgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN amount integer")
    op.execute("UPDATE orders SET amount = quantity")
    op.execute("ALTER TABLE orders ALTER COLUMN amount SET NOT NULL, ALTER COLUMN quantity DROP NOT NULL")

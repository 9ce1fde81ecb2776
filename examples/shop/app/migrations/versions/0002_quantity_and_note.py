# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expand: ``quantity`` beside ``amount``, and a note. Releases that know neither go on working."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN quantity integer, ADD COLUMN note text")


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN quantity, DROP COLUMN note")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that this platform gives to things on a host."""

from __future__ import annotations

STATE = "/var/lib/steady"  # one directory a service below it
LABEL = "steady"  # prefix of our labels: steady.service, steady.slot, steady.release, steady.job
EDGE_IMAGE = "haproxy:3.0"

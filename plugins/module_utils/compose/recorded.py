# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What module ``compose_history_info`` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run.history import history
from .platform import ComposePlatform
from .settings import checked


def recorded(params: Mapping[str, Any]) -> dict[str, Any]:
    """The ledger of the service; see :func:`history` for what can be asked."""
    files = ComposePlatform.open(checked(params, references=False)).host.files
    return history(files, **{name: params[name] for name in ("verify", "head", "limit", "since")})

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments that the modules of the compose platform share; documented in the fragment of the same name."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import RunbookError, denied
from .names import STATE

SERVICE: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "state_directory": {"type": "path", "default": STATE},
    "code": {"type": "dict", "options": {"digest": {"type": "str", "required": True}, "archive": {"type": "path"}}},
}

REGISTRIES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "registry": {"type": "str", "required": True},
        "username": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
    },
}


def fail(module: Any, error: RunbookError | PermissionError) -> NoReturn:
    """End a module with one clear error: what is wrong, and what to do next."""
    if isinstance(error, PermissionError):
        error = denied(error)
    message = error.detail if not error.next_step else f"{error.detail}. {error.next_step}"
    module.fail_json(msg=message, failure=error.as_dict())
    raise SystemExit(1)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module of the compose platform: this one, and those that meta/runtime.yml names for it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.steady.runbooks.plugins.plugin_utils.carrying import call


class ActionModule(ActionBase):
    """The module as it is, and its code where the target does not have it."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        return {**result, **call(self, self._task.action, self._task.args, task_vars or {})}

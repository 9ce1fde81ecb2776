# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of ``module_utils/carried.py``: bring our code to a host that has no copy of this version."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.steady.runbooks.plugins.module_utils.carried import HERE, WANTED, content, digest, here


def call(action: ActionBase, name: str, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The result of our module *name*, which is called again with the code when the host says that it wants it."""
    ours = content(here())
    code: dict[str, Any] = {"digest": digest(ours)}
    told = _called(action, name, {**arguments, "code": code}, task_vars)
    if not told.get(WANTED):
        return told
    handle, path = tempfile.mkstemp(prefix="steady-code-", suffix=".zip")
    try:
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, source in ours.items():
                archive.writestr(os.path.join(HERE, each), source)
        code["archive"] = send(action, path, "code.zip")
    finally:
        os.unlink(path)
    return _called(action, name, {**arguments, "code": code}, task_vars)


def send(action: ActionBase, path: str, name: str) -> str:
    """Bring a file to the target for this task, and return where it is there."""
    shell = action._connection._shell
    if not shell.tmpdir:
        action._make_tmp_path()
    remote = str(shell.join_path(shell.tmpdir, name))
    action._transfer_file(path, remote)
    action._fixup_perms2((shell.tmpdir, remote))
    return remote


def _called(action: ActionBase, name: str, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = action._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
    return told

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody without rights on the host, and without become, is told so."""

from __future__ import annotations

import errno
import getpass

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files
from ansible_collections.steady.runbooks.plugins.modules import (
    compose_exec,
    compose_history_info,
    compose_info,
    compose_logs_info,
    compose_run,
)

START = {"run": "20300101T020000-rollback-0a1b2c", "plan": "6f1d0c9be1a2f3d4"}


@pytest.fixture
def no_rights(monkeypatch):
    """As root runs these tests, nothing is denied by itself."""

    def denied(self, path="", *_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", self.path(path))

    for name in ("names", "read", "directory", "append"):
        monkeypatch.setattr(Files, name, denied)


@pytest.mark.parametrize(
    ("module", "arguments", "done"),
    [
        (compose_info, {}, "read"),
        (compose_history_info, {}, "read"),
        (compose_logs_info, {}, "read"),
        (compose_exec, {"command": "date"}, "read"),
        (compose_run, {"runbook": "rollback"}, "read"),
        (compose_run, {"runbook": "rollback", **START}, "written"),
    ],
    ids=["status", "history", "logs", "exec", "plan", "start"],
)
def test_what_is_denied_is_told_with_the_way_out(run, state, host, no_rights, module, arguments, done):
    told = run(module, **arguments)
    assert told["failed"] is True
    assert told["failure"]["code"] == "state_denied"
    assert told["failure"]["detail"].startswith(f"{state.directory('')}")
    assert told["failure"]["detail"].endswith(f" cannot be {done} by {getpass.getuser()}")
    assert told["msg"].endswith(". Set ansible_become: true for this host.")

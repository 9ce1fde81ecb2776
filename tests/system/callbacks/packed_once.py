# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets all playbooks of a session share the modules that Ansible has packed: half a second of CPU for each of many
hundreds. Ansible itself keeps them for the processes of one playbook, in the same place and behind the same lock."""

from __future__ import annotations

import os

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: packed_once
type: aggregate
short_description: Share packed modules between playbooks
description: Only for tests.
"""


class CallbackModule(CallbackBase):
    """Made before any module is packed; does nothing else."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "packed_once"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        os.symlink(os.environ["STEADY_PACKED"], os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))

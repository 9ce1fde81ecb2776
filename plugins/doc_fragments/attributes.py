# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of this collection says of itself."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what would be done without changing the target.
  diff_mode:
    description: Returns in diff mode what would change or has changed.
  idempotent:
    description: Called again with the same options and nothing else changed, it changes nothing.
  action_group:
    description: Use C(group/steady.runbooks.steady) in C(module_defaults).
    support: full
    membership:
      - steady.runbooks.steady
"""

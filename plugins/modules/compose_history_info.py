#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_history_info
short_description: Tell and verify the ledger of a service on a docker-compose host
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Tells the runs that are recorded in the ledger, the newest last, and verifies the chain.
  - A chain alone cannot tell that its end was cut off. Save the head of a run elsewhere and give it as O(head).
extends_documentation_fragment:
  - steady.runbooks.attributes
  - steady.runbooks.compose
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  verify:
    description: Verify every line against the chain, the head that is kept beside it, and O(head).
    type: bool
    default: false
  head:
    description: A head that was saved, as C(SEQUENCE:HASH).
    type: str
    default: ''
  limit:
    description: The largest number of entries that are told.
    type: int
    default: 20
  since:
    description: Only entries since this date or time in UTC.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Verify the ledger against a saved head
  steady.runbooks.compose_history_info:
    settings:
      name: shop
    verify: true
    head: 12:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
"""

RETURN = r"""
entries:
  description: The recorded runs, oldest first.
  returned: always
  type: list
  elements: dict
head:
  description: Number and hash of the last line.
  returned: always
  type: dict
verified:
  description: What was verified.
  returned: when O(verify) is true
  type: dict
  contains:
    entries:
      description: How many lines agree.
      type: int
    torn:
      description: Whether the last append was cut short; the next one mends that.
      type: bool
text:
  description: All of it for people.
  returned: always
  type: str
failure:
  description: What is wrong with the ledger.
  returned: on failure
  type: dict
  contains:
    code:
      description: What kind of failure, one word.
      type: str
    detail:
      description: What is wrong, one sentence.
      type: str
    last_seen:
      description: What was seen instead of what was expected.
      type: raw
    next_step:
      description: What to do next.
      type: str
    stage:
      description: The step that failed, if any.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.steady.runbooks.plugins.module_utils.carried import carried
from ansible_collections.steady.runbooks.plugins.module_utils.compose.arguments import SERVICE, fail
from ansible_collections.steady.runbooks.plugins.module_utils.errors import RunbookError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SERVICE,
            "verify": {"type": "bool", "default": False},
            "head": {"type": "str", "default": ""},
            "limit": {"type": "int", "default": 20},
            "since": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        told = carried(module, "compose.recorded").recorded(module.params)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()

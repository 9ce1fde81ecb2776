#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_info
short_description: Tell what a service runs on a docker-compose host
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Tells release, slots, traffic, schema, drift, kept releases, and the run that is at work or has died. Changes
    nothing.
  - The twin of M(steady.runbooks.compose_run).
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
    description:
      - Also run the smoke tests and the version check through the edge, and count the errors in the logs since the
        release started.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See what runs
  steady.runbooks.compose_info:
    settings:
      name: shop
"""

RETURN = r"""
live:
  description: The record of the release that serves; empty when none does.
  returned: always
  type: dict
observed:
  description: Slots, traffic, edge, base, kept releases, schema, drift and checks.
  returned: always
  type: dict
run:
  description: The run that is at work or has died; empty when there is none.
  returned: always
  type: dict
  contains:
    state:
      description: V(live) while it is at work, V(dead) when it died before it ended.
      type: str
    run:
      description: Its id.
      type: str
    step:
      description: The step that it has begun last.
      type: str
roles:
  description: What each compose service of the live release is taken for, and why.
  returned: always
  type: dict
  sample: {web: {role: web, why: It publishes a port.}}
head:
  description: Number and hash of the ledger's last line.
  returned: always
  type: dict
  sample: {hash: 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9, seq: 12}
results:
  description: What each check of O(verify) saw.
  returned: when O(verify) is true
  type: list
  elements: dict
text:
  description: All of it for people.
  returned: always
  type: str
failure:
  description: What is wrong.
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
        argument_spec={**SERVICE, "verify": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    try:
        status = carried(module, "compose.status")
        seen = status.status(module.params)
        if module.params["verify"]:
            seen["results"] = status.verified(module.params)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    module.exit_json(changed=False, **seen)


if __name__ == "__main__":
    main()

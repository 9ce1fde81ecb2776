#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_logs_info
short_description: Tell the newest log lines of what serves on a docker-compose host
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Finds the slot that serves by the edge's map, and tells the lines of its containers in the order of time. Known
    secrets are hidden. Changes nothing.
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
  service:
    description: A service of the compose file. All of the slot's unless given.
    type: str
    default: ''
  lines:
    description: The largest number of lines.
    type: int
    default: 200
  since:
    description: A date or time in UTC, before which no line is told.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: See what the backend says
  steady.runbooks.compose_logs_info:
    service: backend
    settings:
      name: shop
"""

RETURN = r"""
lines:
  description: The lines, oldest first, each with its time and service.
  returned: always
  type: list
  elements: str
  sample: ['2030-01-31T02:00:00Z backend: started']
slot:
  description: The slot that serves, or the project of a state service.
  returned: always
  type: str
containers:
  description: Names of the containers that were asked.
  returned: always
  type: list
  elements: str
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
        argument_spec={
            **SERVICE,
            "service": {"type": "str", "default": ""},
            "lines": {"type": "int", "default": 200},
            "since": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        said = carried(module, "compose.live").logs(module.params)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    module.exit_json(changed=False, **said)


if __name__ == "__main__":
    main()

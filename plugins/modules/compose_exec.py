#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_exec
short_description: Run a command in what serves on a docker-compose host
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Finds the slot that serves by the edge's map, and runs a command with the shell of a service's container there.
  - Who ran what, where, and its exit status is one line of the ledger, secrets masked. While a run is at work or died
    there is none, and RV(recorded) says why.
  - A command that is still at work when the connection is cut goes on in its container.
extends_documentation_fragment:
  - steady.runbooks.attributes
  - steady.runbooks.compose
attributes:
  check_mode:
    support: full
    details: Runs nothing in check mode, and tells where it would run.
  diff_mode:
    support: none
    details: What a command changes is not known.
  idempotent:
    support: none
    details: The command is run each time.
options:
  service:
    description: A service of the compose file. The first container of the slot unless given.
    type: str
    default: ''
  command:
    description: What is run, by C(/bin/sh -c) in the container.
    type: str
    required: true
  actor:
    description: Who runs this, for the record.
    type: dict
    default: {}
  reason:
    description: Why, for the record.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Clear sessions
  steady.runbooks.compose_exec:
    service: backend
    command: python manage.py clearsessions
    settings:
      name: shop
"""

RETURN = r"""
rc:
  description: The command's exit status. The module fails when it is not 0.
  returned: always
  type: int
stdout:
  description: What it printed, known secrets masked.
  returned: always
  type: str
stderr:
  description: What it printed as errors, known secrets masked.
  returned: always
  type: str
slot:
  description: The slot that serves, or the project of a state service.
  returned: always
  type: str
container:
  description: The name of the container.
  returned: always
  type: str
service:
  description: The compose service of the container.
  returned: always
  type: str
recorded:
  description: The ledger's line, or why there is none.
  returned: always
  type: str
  sample: ledger line 12
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
            "command": {"type": "str", "required": True},
            "actor": {"type": "dict", "default": {}},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        said = carried(module, "compose.live").execute(module.params, module.check_mode)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    if said["rc"]:
        module.fail_json(msg=f"the command in {said['container']} ended with exit status {said['rc']}", **said)
    module.exit_json(**said)


if __name__ == "__main__":
    main()

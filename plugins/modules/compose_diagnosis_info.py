#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_diagnosis_info
short_description: Tell what is likely wrong with a service on a docker-compose host
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Collects evidence (containers with exit status, memory, restarts, health and log; the edge's log and open requests
    by slot; connections and queries of PostgreSQL; memory and queues of Redis; disks; the ledger's last runs), and
    names the likely causes, the likeliest first, each with its evidence and the runbook to run next.
  - Known secrets are hidden. Changes nothing.
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
"""

EXAMPLES = r"""
- name: See what is wrong
  steady.runbooks.compose_diagnosis_info:
    settings:
      name: shop
"""

RETURN = r"""
findings:
  description: The likely causes, the likeliest first; empty when nothing is wrong as far as this looks.
  returned: always
  type: list
  elements: dict
  contains:
    cause:
      description: Its name, one word.
      type: str
      sample: out_of_memory
    what:
      description: What is likely wrong.
      type: str
    score:
      description: How surely it is the cause and no consequence of another one, 0 to 100.
      type: int
    evidence:
      description: What was seen, one sentence each.
      type: list
      elements: str
    next_step:
      description: What to run next.
      type: str
evidence:
  description: Everything that was collected.
  returned: always
  type: dict
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
    module = AnsibleModule(argument_spec=dict(SERVICE), supports_check_mode=True)
    try:
        told = carried(module, "compose.evidence").diagnosis(module.params)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()

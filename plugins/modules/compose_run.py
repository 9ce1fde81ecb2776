#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_run
short_description: Start a planned run on a docker-compose host, detached
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Starts the act of a plan that M(steady.runbooks.compose_plan) made, and returns at once. The run goes on by itself
    on the host,
    whatever becomes of the connection or of the controller, and ends in the plan's result or back where it began.
  - The act observes and plans again under the lock, and refuses when that is no longer the same plan.
  - Use M(steady.runbooks.act), which starts a run and follows it to its end.
extends_documentation_fragment:
  - steady.runbooks.attributes
  - steady.runbooks.compose
attributes:
  check_mode:
    support: full
    details: Starts nothing in check mode.
  diff_mode:
    support: none
    details: The plan is the diff, see M(steady.runbooks.compose_plan).
  idempotent:
    support: none
    details: Each call is a run of its own; a run of a plan with nothing to do changes nothing.
options:
  runbook:
    description: The runbook that was planned.
    type: str
    required: true
    choices:
      - adopt
      - apply_update
      - blue_green_switch
      - maintenance
      - prune
      - recover
      - retire
      - rollback
      - scale
      - set_env
      - unadopt
  run:
    description: The id of the run, chosen by the controller.
    type: str
    required: true
  plan:
    description: The hash of the plan to do.
    type: str
    required: true
  options:
    description: The same options that were given to the plan.
    type: dict
    default: {}
  join:
    description: Instead of starting a run, ask this one, which watches, to go back.
    type: str
  environment_name:
    description: The environment that the run is for, for the record.
    type: str
    default: ''
  target_name:
    description: The name of the target in the inventory, for the record.
    type: str
    default: ''
  actor:
    description: Who runs this, for the record.
    type: dict
    default: {}
  reason:
    description: Why, for the record.
    type: str
    default: ''
  registries:
    description: Logins of private registries.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: Host name (and port) of the registry.
        type: str
        required: true
      username:
        description: Name to log in with.
        type: str
        required: true
      password:
        description: Password or token to log in with.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Start a planned rollback
  steady.runbooks.compose_run:
    runbook: rollback
    run: 20300101T020000-rollback-0a1b2c
    plan: 6f1d0c9be1a2f3d4
    settings:
      name: shop
"""

RETURN = r"""
run:
  description: The id of the run to follow.
  returned: success
  type: str
  sample: 20300101T020000-rollback-0a1b2c
directory:
  description: The run's directory on the host, with its step log and, at the end, its result.
  returned: success
  type: str
  sample: /var/lib/steady/shop/runs/20300101T020000-rollback-0a1b2c
process:
  description: The process that acts.
  returned: when a run was started
  type: dict
  contains:
    pid:
      description: Its process id.
      type: int
    process_start:
      description: When it started, in ticks since the boot.
      type: int
    boot:
      description: The id of that boot.
      type: str
failure:
  description: Why nothing was started.
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.steady.runbooks.plugins.module_utils.compose.arguments import REGISTRIES, SERVICE, fail
from ansible_collections.steady.runbooks.plugins.module_utils.compose.detach import join_run, start_run
from ansible_collections.steady.runbooks.plugins.module_utils.errors import RunbookError

ACT = "ansible_collections.steady.runbooks.plugins.module_utils.compose.act"


def _along() -> Any:
    """Never called: it makes Ansible put the act's code into the archive, which its own process then starts from.

    Importing it here would take a quarter of a second for nothing.
    """
    from ansible_collections.steady.runbooks.plugins.module_utils.compose import act

    return act


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SERVICE,
            "runbook": {
                "type": "str",
                "required": True,
                "choices": [
                    "adopt",
                    "apply_update",
                    "blue_green_switch",
                    "maintenance",
                    "prune",
                    "recover",
                    "retire",
                    "rollback",
                    "scale",
                    "set_env",
                    "unadopt",
                ],
            },
            "run": {"type": "str", "required": True},
            "plan": {"type": "str", "required": True},
            "options": {"type": "dict", "default": {}},
            "join": {"type": "str"},
            "environment_name": {"type": "str", "default": ""},
            "target_name": {"type": "str", "default": ""},
            "actor": {"type": "dict", "default": {}},
            "reason": {"type": "str", "default": ""},
            "registries": REGISTRIES,
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, run=module.params["run"], directory="")
    try:
        started = join_run(module.params) if module.params["join"] else start_run(module.params, ACT)
    except RunbookError as error:
        fail(module, error)
    module.exit_json(changed=True, **started)


if __name__ == "__main__":
    main()

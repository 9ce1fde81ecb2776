#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_plan
short_description: Observe a service on a docker-compose host and plan a runbook
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Looks at what runs, lists every reason of go and no-go, and plans the ordered steps of a runbook, each with its
    undo.
  - Changes nothing of the service. The source of a new release is kept for the act, unless in check mode.
  - Fails with the reason and the next step when the runbook cannot or must not be run.
extends_documentation_fragment:
  - steady.runbooks.attributes
  - steady.runbooks.compose
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The diff is the plan, step by step.
  idempotent:
    support: full
options:
  runbook:
    description: What is planned. V(preflight) only lists the reasons of go and no-go.
    type: str
    required: true
    choices:
      - adopt
      - apply_update
      - blue_green_switch
      - maintenance
      - preflight
      - prune
      - recover
      - retire
      - rollback
      - scale
      - set_env
      - unadopt
  release:
    description:
      - The new release, as the controller resolved it. C(release.version), C(release.images),
        C(release.manifest),
        C(release.commit) and C(release.source_digest).
    type: dict
  archive:
    description: A tar archive of the service's source directory, on the target.
    type: path
  options:
    description: What the person asked for, as V(release), V(direction), V(approved_plan) and V(accept_one_way).
    type: dict
    default: {}
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
- name: Plan a rollback to the release that was live before
  steady.runbooks.compose_plan:
    runbook: rollback
    settings:
      name: shop
"""

RETURN = r"""
plan:
  description: The plan.
  returned: when a runbook was planned
  type: dict
  contains:
    hash:
      description: Names the plan, 16 hexadecimal digits. It can be approved by it.
      type: str
    steps:
      description: What is done, in this order, each with its undo.
      type: list
      elements: dict
    from:
      description: Slot and release that serve now; empty before the first one.
      type: dict
    to:
      description: Slot and release that will serve.
      type: dict
    notes:
      description: What to know before it is done.
      type: list
      elements: str
  sample:
    from: {release: 1.1.0-5f0c2a91, slot: green, version: 1.1.0}
    hash: 6f1d0c9be1a2f3d4
    steps:
      - {args: {slot: blue}, do: shift, title: Send all requests to blue, undo: send them to green}
    to: {release: 1.0.0-9b1e7c20, slot: blue, version: 1.0.0}
release:
  description: The record of the release that the plan is about.
  returned: when a runbook was planned
  type: dict
checks:
  description: Every reason of go and no-go.
  returned: always
  type: list
  elements: dict
  sample:
    - {detail: 1.1.0 serves from green, name: current_release, next_step: '', status: go}
observed:
  description: What runs now.
  returned: always
  type: dict
text:
  description: The plan for people.
  returned: when a runbook was planned
  type: str
join:
  description: The run that watches now and gives way to this rollback.
  returned: when a rollback meets a run that watches
  type: str
failure:
  description: Why nothing was planned.
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

from ansible_collections.steady.runbooks.plugins.module_utils.compose.arguments import REGISTRIES, SERVICE, fail
from ansible_collections.steady.runbooks.plugins.module_utils.compose.planning import plan_runbook
from ansible_collections.steady.runbooks.plugins.module_utils.errors import RunbookError


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
                    "preflight",
                    "prune",
                    "recover",
                    "retire",
                    "rollback",
                    "scale",
                    "set_env",
                    "unadopt",
                ],
            },
            "release": {"type": "dict"},
            "archive": {"type": "path"},
            "options": {"type": "dict", "default": {}},
            "registries": REGISTRIES,
        },
        supports_check_mode=True,
    )
    try:
        planned = plan_runbook(module.params, scratch=module.tmpdir, stays=not module.check_mode)
    except RunbookError as error:
        fail(module, error)
    text = planned.get("text", "")
    changes = bool(planned.get("plan", {}).get("steps"))
    module.exit_json(changed=module.check_mode and changes, diff={"prepared": text}, **planned)


if __name__ == "__main__":
    main()

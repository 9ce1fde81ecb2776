#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_run
short_description: Plan a runbook on a docker-compose host, and start the planned run
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Without O(run) it looks at what runs, lists every reason of go and no-go, and plans the ordered steps of a runbook,
    each with its undo. Nothing of the service is changed; the source of a new release is kept for the act, unless in
    check mode. It fails with the reason and the next step when the runbook cannot or must not be run.
  - With O(run) and O(plan) it starts the act of that plan, detached, and returns at once. The run goes on by itself on
    the host, whatever becomes of the connection or of the controller, and ends in the plan's result or back where it
    began. The act observes and plans again under the lock, and refuses when that is no longer the same plan.
  - Use M(steady.runbooks.plan), and M(steady.runbooks.act), which follows a run to its end.
extends_documentation_fragment:
  - steady.runbooks.attributes
  - steady.runbooks.compose
attributes:
  check_mode:
    support: full
    details: Plans, and starts nothing.
  diff_mode:
    support: full
    details: The diff is the plan, step by step.
  idempotent:
    support: partial
    details: The same plan is made of the same state. Each start is a run of its own; one with nothing to do changes
      nothing.
options:
  runbook:
    description: What is planned or started. V(preflight) only lists the reasons of go and no-go.
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
      - To plan a new release, as the controller resolved it. C(release.version), C(release.images),
        C(release.manifest), C(release.commit) and C(release.source_digest).
    type: dict
  archive:
    description: A tar archive of the service's source directory, on the target.
    type: path
  run:
    description: The id of the run to start, chosen by the controller.
    type: str
  plan:
    description: The hash of the plan to do.
    type: str
  options:
    description:
      - What the person asked for, as V(release), V(direction), V(approved_plan) and V(accept_one_way); the same for a
        plan and its run.
    type: dict
    default: {}
  join:
    description: Instead of starting O(run), ask this one, which watches, to go back.
    type: str
  environment_name:
    description: The environment that the run is for, for the record.
    type: str
    default: ''
  target_name:
    description: The name of the target in the inventory, for the record.
    type: str
    default: ''
  inventory:
    description: The inventories that Ansible was given, if any, for the commands of the report.
    type: list
    elements: str
    default: []
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
- name: Plan a rollback to the release that was live before
  steady.runbooks.compose_run:
    runbook: rollback
    settings:
      name: shop
  register: planned

- name: Start it
  steady.runbooks.compose_run:
    runbook: rollback
    run: 20300101T020000-rollback-0a1b2c
    plan: "{{ planned.plan.hash }}"
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
  returned: when no run was started
  type: list
  elements: dict
  sample:
    - {detail: 1.1.0 serves from green, name: current_release, next_step: '', status: go}
observed:
  description: What runs now.
  returned: when no run was started
  type: dict
text:
  description: The plan for people.
  returned: when a runbook was planned
  type: str
join:
  description: The run that watches now and gives way to this rollback.
  returned: when a rollback meets a run that watches
  type: str
run:
  description: The id of the run to follow.
  returned: when a run was started
  type: str
  sample: 20300101T020000-rollback-0a1b2c
directory:
  description: The run's directory on the host, with its step log and, at the end, its result.
  returned: when a run was started
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
  description: Why nothing was planned or started.
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

from ansible_collections.steady.runbooks.plugins.module_utils.carried import carried
from ansible_collections.steady.runbooks.plugins.module_utils.compose.arguments import REGISTRIES, SERVICE, fail
from ansible_collections.steady.runbooks.plugins.module_utils.errors import RunbookError

ACT = "ansible_collections.steady.runbooks.plugins.module_utils.compose.act"


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
            "run": {"type": "str"},
            "plan": {"type": "str"},
            "options": {"type": "dict", "default": {}},
            "join": {"type": "str"},
            "environment_name": {"type": "str", "default": ""},
            "target_name": {"type": "str", "default": ""},
            "inventory": {"type": "list", "elements": "str", "default": []},
            "actor": {"type": "dict", "default": {}},
            "reason": {"type": "str", "default": ""},
            "registries": REGISTRIES,
        },
        required_together=[("run", "plan")],
        supports_check_mode=True,
    )
    try:
        told = _start(module) if module.params["run"] else _plan(module)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    module.exit_json(**told)


def _plan(module: AnsibleModule) -> dict[str, Any]:
    planning = carried(module, "compose.planning")
    planned = planning.plan_runbook(module.params, scratch=module.tmpdir, stays=not module.check_mode)
    changes = bool(planned.get("plan", {}).get("steps"))
    return {"changed": module.check_mode and changes, "diff": {"prepared": planned.get("text", "")}, **planned}


def _start(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return {"changed": False, "run": module.params["run"], "directory": ""}
    detach = carried(module, "compose.detach")
    started = detach.join_run(module.params) if module.params["join"] else detach.start_run(module.params, ACT)
    return {"changed": True, **started}


if __name__ == "__main__":
    main()

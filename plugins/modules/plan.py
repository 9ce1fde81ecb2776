#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan a runbook on whatever platform the target is
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Resolves what was asked for on the controller (manifest, source, commit) and has the target observe and plan it,
    in one module call.
  - Shows every reason of go and no-go, and the plan.
extends_documentation_fragment:
  - steady.runbooks.attributes
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
    description: What is planned.
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
  platform:
    description: Which adapter serves the target.
    type: str
    default: compose
    choices: [compose]
  settings:
    description:
      - The settings of the service, as role P(steady.runbooks.service#role) documents them, without their prefix
        C(service_).
    type: dict
    required: true
  secrets:
    description: Secret values for the service, by name.
    type: dict
    default: {}
  registries:
    description: Logins of private registries, with C(registry), C(username) and C(password).
    type: list
    elements: dict
    default: []
  source:
    description: The directory of the service's compose file on the controller.
    type: path
  source_exclude:
    description: What releases do not take along, files or directories, relative to O(source).
    type: list
    elements: str
    default: []
  manifests:
    description: The directory of release manifests on the controller.
    type: path
  version:
    description: The version to apply.
    type: str
  image:
    description: An image to apply instead of a version.
    type: str
  images:
    description: Images by compose service.
    type: dict
    default: {}
  commit:
    description: The commit that the images were built from.
    type: str
  promoted:
    description: The record of a release that runs elsewhere, whose digests are taken.
    type: dict
  options:
    description: What the person asked for, as V(release), V(direction), V(approved_plan) and V(accept_one_way).
    type: dict
    default: {}
  actor:
    description: More about who runs this, for the record.
    type: dict
    default: {}
seealso:
  - module: steady.runbooks.compose_run
  - module: steady.runbooks.act
"""

EXAMPLES = r"""
- name: Plan a rollback
  steady.runbooks.plan:
    runbook: rollback
    settings:
      name: shop
  register: planned
"""

RETURN = r"""
plan:
  description: The plan, as M(steady.runbooks.compose_run) returns it.
  returned: when a runbook was planned
  type: dict
checks:
  description: Every reason of go and no-go.
  returned: always
  type: list
  elements: dict
actor:
  description: Who runs this.
  returned: always
  type: dict
  sample: {controller: ops1, user: alice}
"""

#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: act
short_description: Start a planned run and follow it live to its end
version_added: 0.1.0
author: the steady.runbooks authors (@steady)
description:
  - Starts a plan of M(steady.runbooks.plan) on its target, shows each step and what takes long as it happens, and
    ends with the run's result.
  - The run goes on by itself when the connection is cut; it is found again, or ends without anybody looking.
  - Fails unless what was planned has been done, and says what serves.
extends_documentation_fragment:
  - steady.runbooks.attributes
attributes:
  check_mode:
    support: full
    details: Starts nothing in check mode; the plan was shown.
  diff_mode:
    support: none
    details: The plan is the diff, see M(steady.runbooks.plan).
  idempotent:
    support: full
    details: A plan with nothing to do starts nothing.
options:
  plan:
    description: The whole result of M(steady.runbooks.plan).
    type: dict
    required: true
  platform:
    description: Which adapter serves the target.
    type: str
    default: compose
    choices: [compose]
  settings:
    description: The settings of the service, the same that were planned with.
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
  reason:
    description: Why this is done, for the record.
    type: str
    default: ''
  environment_name:
    description: The environment, for the record.
    type: str
    default: ''
  patience:
    description: How long a lost connection is tried again, in seconds, before the run is left to itself.
    type: int
    default: 300
  report_directory:
    description:
      - A directory on the controller to put the report into, and the incident record when there is one, and a copy of
        the ledger's head, C(HOST.head), that C(history.yml) verifies against.
      - Empty means that they stay on the host only, with the run.
    type: path
    default: ''
seealso:
  - module: steady.runbooks.plan
  - module: steady.runbooks.compose_run
"""

EXAMPLES = r"""
- name: Do what was planned
  steady.runbooks.act:
    plan: "{{ planned }}"
    settings:
      name: shop
"""

RETURN = r"""
run:
  description: The id of the run.
  returned: when one was started
  type: str
outcome:
  description: V(done), V(undone), V(kept), V(stuck), V(refused), V(lost), or V(planned) when nothing was started.
  returned: always
  type: str
proof:
  description: What our own probes saw of the switch.
  returned: when requests were switched
  type: dict
  sample: {breach: false, failed: 0, longest_gap_ms: 31.2, sent: 212}
head:
  description: Number and hash of the ledger's last line after the run.
  returned: when one was started
  type: dict
report:
  description: Where the report is on the host; empty when it could not be written.
  returned: when one was started
  type: str
  sample: /var/lib/steady/shop/runs/20300101T020000-rollback-0a1b2c/report.html
report_here:
  description: Where the report is on the controller; empty when it was not fetched.
  returned: when one was started
  type: str
stats:
  description: Run, runbook, outcome, head and report by host, as the role hands them to C(set_stats).
  returned: when one was started
  type: dict
failure:
  description: What went wrong, with the next step.
  returned: on failure
  type: dict
"""

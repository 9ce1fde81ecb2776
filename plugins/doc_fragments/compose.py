# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options by which the modules of the compose platform are told about a service."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  settings:
    description:
      - The settings of the service, as role P(steady.runbooks.service#role) documents them, without their prefix
        C(service_).
      - C(settings.name) is required.
    type: dict
    required: true
  secrets:
    description:
      - Secret values for the service's compose file, by name. Never shown, logged or kept outside the slot's own
        files.
    type: dict
    default: {}
  state_directory:
    description: Where the state of all services is kept on the host.
    type: path
    default: /var/lib/steady
  code:
    description: Where this module's code is on the target. Its action sets it, and brings the code.
    type: dict
    suboptions:
      digest:
        description: What the code is called.
        type: str
        required: true
      archive:
        description: An archive of it on the target.
        type: path
requirements:
  - docker >= 20.10 with compose >= 2.20 on the target
"""

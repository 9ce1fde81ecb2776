# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of every runbook: it stands in ``hosts``, so nothing runs before it and ``--limit`` cannot skip it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment
author: the steady.runbooks authors (@steady)
version_added: 0.1.0
short_description: The environment that C(-e env=NAME) names, or a refusal
description:
  - Returns the inventory group to act on, for the C(hosts) of a runbook.
  - Reads the extra variables as they were typed, before anything renders them, and refuses with one error and an
    exit status other than 0, before any task and under C(--limit) too.
  - An environment is a group X of the inventory in which the variable C(runbooks_environment) of every host is the
    plain text X. Set it once, in C(group_vars/X/).
  - Refused are an environment that is missing, unknown, empty, a pattern, C(all), C(ungrouped), a group that is no
    environment, a host that belongs to two environments, and a C(--limit) that leaves no host of the environment.
  - The same holds for C(promote_from), where it is taken.
  - Refused are extra variables that nobody knows. Known are C(env), those in O(takes), every documented option of
    this collection's roles, and the ones that begin with C(ansible_), C(awx_) or C(tower_).
  - Refused is a template in the value of any extra variable. Values that are computed belong in the inventory.
  - Refused is a collection that differs from the checkout that the playbook is run from.
options:
  takes:
    description:
      - The request variables that this runbook accepts beside C(env), as a list or as words in one string.
      - Each is also accepted under the name of the role's option, for example C(service_version) for C(version).
      - Give it as constant text. Never hand in a variable, it would be rendered before the guard can look at it.
    type: list
    elements: str
    default: []
notes:
  - C(--syntax-check) passes without C(env); it gets C(localhost) and runs nothing.
  - Ansible has no host variables yet when it renders C(hosts), so the guard reads the inventory a second time, once a
    run. Turn on the cache of a dynamic inventory that answers slowly.
"""

EXAMPLES = r"""
- name: (1/1) Roll back
  hosts: "{{ lookup('steady.runbooks.environment', takes='release approved_plan reason') }}"
  gather_facts: false
  tasks:
    - name: Roll back to the previous release, or to the one that is named
      ansible.builtin.include_role:
        name: steady.runbooks.service
        tasks_from: rollback
"""

RETURN = r"""
_raw:
  description: The name of the environment's group.
  type: list
  elements: str
  sample: [production]
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible.vars.manager import VariableManager

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.plugin_utils import guard

COLLECTION = Path(__file__).parents[2]


class LookupModule(LookupBase):
    """Reads what the command line and the inventory say; :mod:`plugin_utils.guard` decides."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._environment(terms, variables or {})]
        except Refused as refused:
            raise AnsibleLookupError(f"{refused.detail}. {refused.next_step}") from None

    def _environment(self, terms: list[Any], variables: dict[str, Any]) -> str:
        if terms:
            raise Refused(
                "this playbook hands a term to the guard, which would be rendered before the guard can look at it",
                code="invalid_playbook",
                next_step="Write `lookup('steady.runbooks.environment', takes='version')`.",
            )
        guard.check_same_collection(COLLECTION, Path(variables.get("playbook_dir", ".")))
        takes = [word for words in self.get_option("takes") for word in words.split()]
        extra = load_extra_vars(self._loader)
        guard.check_variables(extra, takes, guard.documented_options(COLLECTION))
        if context.CLIARGS.get("syntax") and not extra.get("env"):
            return "localhost"
        groups, mark_of = variables.get("groups", {}), _marks(self._loader).get
        limited = variables.get("ansible_play_hosts_all")
        environment = guard.check_environment(extra.get("env"), groups, mark_of, limited)
        for name in ("promote_from", "service_promote_from"):
            if extra.get(name) and guard.check_environment(extra[name], groups, mark_of, field=name) == environment:
                raise Refused(
                    f"{name} is the environment that is acted on, {environment}",
                    code="environment",
                    next_step=f"Name the environment that {environment} takes its release from.",
                )
        return environment


@lru_cache(maxsize=1)
def _marks(loader: Any) -> dict[str, Any]:
    """``runbooks_environment`` of each host, as it is written in the inventory."""
    inventory = InventoryManager(loader=loader, sources=context.CLIARGS["inventory"])
    manager = VariableManager(loader=loader, inventory=inventory)
    return {
        host.name: manager.get_vars(host=host, include_hostvars=False).get(guard.MARK) for host in inventory.get_hosts()
    }

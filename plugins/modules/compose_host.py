#!/usr/bin/python
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepares a docker-compose host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_host
short_description: Prepares a Debian or Ubuntu host for docker-compose services
version_added: 0.1.0
description:
  - Looks at the host once and does only what is missing. An engine that answers is used as it is.
  - Missing packages come from Docker's own apt repository when one short probe reaches it, else from the
    distribution. On Debian bookworm, whose own Compose is version 1, the Compose plugin comes from Debian trixie.
  - An engine that does not run is enabled and started with systemd. Where there is none, C(dockerd) is started
    detached.
  - Refuses, before anything changes, Python before 3.9, Docker Engine before 20.10 and Docker Compose before 2.20.
options:
  install:
    description: Whether Docker may be installed or started, or has to be there already.
    type: str
    choices: [auto, never]
    default: auto
  packages_from:
    description:
      - Where missing packages come from.
      - V(auto) completes an installed engine from where it came from, and takes a new one from Docker's own repository
        when that answers, else from the distribution.
    type: str
    choices: [auto, docker, distribution]
    default: auto
  repository:
    description: Docker's own package repository, or a mirror of it.
    type: str
    default: https://download.docker.com/linux
  live_restore:
    description:
      - Whether to turn on C(live-restore) in C(/etc/docker/daemon.json), so that containers outlive a restart of the
        engine. All other keys of the file stay, and the engine reads it again without a restart.
      - V(false) leaves it as it is.
      - Skipped with a warning where it cannot be done safely, as when the file cannot be parsed, or in swarm mode.
    type: bool
    default: true
  start_seconds:
    description: How long an engine that was started may take until it answers.
    type: int
    default: 60
  state_directory:
    description: Holds what the collection knows of this host's services; only root can read it.
    type: path
    default: /var/lib/steady
attributes:
  check_mode:
    description: Can run in check mode and tells what it would change.
    support: full
  diff_mode:
    description: Shows each thing that changes; never the content of C(daemon.json), which may hold passwords.
    support: full
  idempotent:
    description: Changes nothing when nothing is missing.
    support: full
author:
  - the steady.runbooks authors (@steady-runbooks)
"""

EXAMPLES = r"""
- name: Prepare a docker-compose host
  steady.runbooks.compose_host:

- name: Only check that the host is ready, and keep the engine's configuration
  steady.runbooks.compose_host:
    install: never
    live_restore: false
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode, in this order.
  type: list
  elements: dict
  returned: success
  contains:
    what:
      description: The thing that changed.
      type: str
    before:
      description: What was true of it.
      type: str
    after:
      description: What is true now.
      type: str
engine:
  description: Version of Docker Engine; empty in check mode when it is not there yet.
  type: str
  returned: success
compose:
  description: Version of Docker Compose; empty in check mode when it is not there yet.
  type: str
  returned: success
live_restore:
  description: Whether containers outlive a restart of the engine.
  type: bool
  returned: success
failure:
  description: What was wrong, and the next step to take.
  type: dict
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.steady.runbooks.plugins.module_utils.compose.arguments import fail
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.decide import Wish
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.prepare import prepare
from ansible_collections.steady.runbooks.plugins.module_utils.errors import RunbookError
from ansible_collections.steady.runbooks.plugins.module_utils.run.clock import Clock


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "install": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
            "packages_from": {"type": "str", "choices": ["auto", "docker", "distribution"], "default": "auto"},
            "repository": {"type": "str", "default": "https://download.docker.com/linux"},
            "live_restore": {"type": "bool", "default": True},
            "start_seconds": {"type": "int", "default": 60},
            "state_directory": {"type": "path", "default": "/var/lib/steady"},
        },
        supports_check_mode=True,
    )
    wish = Wish(
        install=module.params["install"] == "auto",
        packages_from=module.params["packages_from"],
        repository=module.params["repository"].rstrip("/"),
        live_restore=module.params["live_restore"],
        start_seconds=module.params["start_seconds"],
        directory=module.params["state_directory"],
    )
    try:
        done = prepare(wish, Clock(), dry=module.check_mode)
    except (RunbookError, PermissionError) as error:
        fail(module, error)
    for warning in done.pop("warnings"):
        module.warn(warning)
    diff = {
        side: "".join(f"{each['what']}: {each[side]}\n" for each in done["changes"]) for side in ("before", "after")
    }
    module.exit_json(changed=bool(done["changes"]), diff=diff, **done)


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script by which cron jobs run a command in what serves now."""

from __future__ import annotations

import shlex

NAME = "live-exec"
# For cron: it follows the edge's map, which says after a restart or a reboot too who serves.
_SCRIPT = """#!/bin/sh
# Runs a command in the container of a compose service that serves now:  live-exec SERVICE COMMAND [ARGUMENT]...
# Written by steady.runbooks with each release; it has its own exit status only when there is no such container (69).
[ $# -ge 2 ] || {{ echo "usage: $0 SERVICE COMMAND [ARGUMENT]..." >&2; exit 64; }}
name=$1; shift
slot=$(sed -n 's/^live //p' {map})
id=$(docker ps -q --filter label=steady.service={service} --filter label=steady.slot="$slot" \\
  --filter label=steady.compose_service="$name" | tail -n 1)
[ -n "$id" ] || id=$(docker ps -q --filter label=com.docker.compose.project={project} \\
  --filter label=com.docker.compose.service="$name" | tail -n 1)
[ -n "$id" ] || {{ echo "$0: no container of $name runs in ${{slot:-no slot}}" >&2; exit 69; }}
exec docker exec -i "$id" "$@"
"""


def script(service: str, project: str, edge_map: str) -> str:
    """The text of the script of a service."""
    return _SCRIPT.format(service=service, project=project, map=shlex.quote(edge_map))

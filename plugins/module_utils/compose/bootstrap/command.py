# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport to the host's own programs: apt, dpkg, systemctl."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ...errors import CommandFailed
from .observe import PATH


def run(words: Sequence[str], *, timeout: float = 60, cwd: str | None = None) -> str:
    """Run a program and return what it printed; raise :class:`CommandFailed` when it fails or takes too long."""
    try:
        said = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=cwd,
            env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(
            f"{words[0]} did not work: {error}", code="command", next_step="Run it by hand on the host."
        ) from error
    if said.returncode:
        raise CommandFailed(
            f"{' '.join(words)} failed (exit {said.returncode}): {said.stderr.strip()[-500:].rstrip('.')}",
            code="command",
            last_seen=(said.stderr.strip() or said.stdout.strip())[-2000:],
            next_step="Run it by hand on the host, then run bootstrap.yml again.",
        )
    return said.stdout.strip()

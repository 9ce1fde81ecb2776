# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one tree of errors: raised by transports and the domain, turned into ``failure`` by modules."""

from __future__ import annotations

import os
import pwd
from typing import Any


class RunbookError(Exception):
    """Something that a person has to know, with what was seen and the next step to take."""

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        next_step: str = "",
        last_seen: Any = None,
        stage: str = "",
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.next_step = next_step
        self.last_seen = last_seen
        self.stage = stage

    def as_dict(self) -> dict[str, Any]:
        """The ``failure`` of a module's result."""
        return {
            "stage": self.stage,
            "code": self.code,
            "detail": self.detail,
            "last_seen": self.last_seen,
            "next_step": self.next_step,
        }


class Refused(RunbookError):
    """Nothing was changed, and nothing will be until ``next_step`` is done."""


def denied(error: PermissionError, done: str = "read") -> Refused:
    """The refusal for somebody who has no rights where the state of a service is."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return Refused(
        f"{error.filename or 'something'} cannot be {done} by {user}",
        code="state_denied",
        next_step="Set ansible_become: true for this host.",
    )


class StepFailed(RunbookError):
    """A step could not make its part true; the run goes back."""


class TimedOut(StepFailed):
    """A condition did not become true in time; ``last_seen`` is what was true instead."""


class CommandFailed(StepFailed):
    """A program on the target ended with an error; ``last_seen`` is the end of what it said."""

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run's step log as a quiet, readable account: a line a step, and one for whatever takes longer than two seconds."""

from __future__ import annotations

from typing import Any

QUIET = 2.0


class Progress:
    """Prints events of a step log. *display* is Ansible's own, so AWX and ansible-runner see each line at once."""

    def __init__(self, host: str, display: Any) -> None:
        self.host = host
        self.display = display
        self.title = ""
        self.last_progress = 0.0

    def say(self, text: str, color: str | None = None) -> None:
        self.display.display(f"  [{self.host}] {text}", color=color)

    def show(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "step":
            self.title = f"{event['number']}/{event['of']} {event['title']}"
            self.last_progress = event["at"]
        elif kind == "done":
            extra = f": {event['say']}" if event.get("say") else ""
            self.say(f"{self.title} ({event['seconds']:.1f} s){extra}", "green")
        elif kind == "progress" and event["at"] - self.last_progress >= QUIET:
            self.last_progress = event["at"]
            self.say(f"{self.title} … {event['text']}" if self.title else event["text"], "cyan")
        elif kind == "turn":
            self.say(event["text"], "yellow")
        elif kind == "failure":
            self.say(f"{self.title} failed: {event.get('detail', '')}", "red")

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of the platform in memory between plain compose and slots: stopped containers stay, made ones wait."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.steady.runbooks.plugins.module_utils.run.contract import SLOTS
from ansible_collections.steady.runbooks.plugins.module_utils.run.waiter import wait_for

from .world import Slot

Evidence = dict[str, Any]


class PlainCalls:
    """A part of :class:`platform.MemoryPlatform`."""

    world: Any
    host: Any
    _call: Any
    _did: Any

    def _observed(self) -> dict[str, Any]:
        plain = self.world.state.plain
        containers = {} if plain.web == "absent" else {"web": "1"}
        running = (["web"] if plain.web == "running" else []) + sorted(plain.hands)
        return {"stage": plain.stage, "directory": "/srv/shop", "running": running, "containers": containers}

    def home(self, observed: dict[str, Any]) -> dict[str, Any]:
        return {"directory": "/srv/shop", "pinned": False, "why": ""} if observed["live"] else {}

    def remember(self, release: dict[str, Any]) -> Evidence:
        with self._call("remember"):
            plain = self.world.state.plain
            changed = plain.stage != "begun"
            plain.stage = "begun"
            self._did("remember")
            return {"changed": changed}

    def take_ports(self, release: dict[str, Any], slot: str, progress: Any) -> Evidence:
        with self._call("take_ports"):
            state, plain = self.world.state, self.world.state.plain
            if state.edge != "running":
                state.edge, state.traffic = "made", "hold"
                self._did("take_ports")
            changed = plain.web == "running"
            if changed:
                plain.web = "stopped"
                self._did("take_ports")
            state.edge = "running"
            self._did("take_ports")
            return {"changed": changed}

    def dismiss(self) -> Evidence:
        with self._call("dismiss"):
            plain = self.world.state.plain
            plain.stage = "taken"
            self._did("dismiss")
            changed = plain.web != "absent"
            plain.web, plain.hands = "absent", set()
            self._did("dismiss")
            return {"changed": changed}

    def draft(self, release: dict[str, Any], home: dict[str, Any]) -> Evidence:
        with self._call("draft"):
            plain = self.world.state.plain
            plain.stage, plain.release = "leaving", copy.deepcopy(release)
            self._did("draft")
            if plain.web != "running":
                plain.web = "made"
                self._did("draft")
            return {"changed": True}

    def restore(self, release: dict[str, Any], progress: Any) -> Evidence:
        with self._call("restore"):
            state, plain = self.world.state, self.world.state.plain
            if not plain.stage:
                return {"changed": False}
            for slot in SLOTS:
                if state.slots[slot].hands:
                    state.slots[slot].hands.clear()
                    self._did("restore")
            if state.edge == "running":
                state.edge = "stopped"
                self._did("restore")
            state.traffic = "none"
            self._did("restore")
            if release["strategy"] == "hold":
                for slot in SLOTS:
                    if state.slots[slot].web == "running":
                        state.slots[slot].web = "stopped"
                        self._did("restore")
            if plain.web != "running":
                plain.web, plain.ready_at = "running", self.world.clock.now() + 1.0
                self._did("restore")
            wait_for(
                lambda: (self.world.clock.now() >= plain.ready_at, plain.web),
                what="plain containers ready",
                timeout=60,
                clock=self.world.clock,
            )
            for hand in release["hands"]:
                if hand not in plain.hands:
                    plain.hands.add(hand)
                    self._did("restore")
            return {"changed": True}

    def dissolve(self) -> Evidence:
        with self._call("dissolve"):
            state = self.world.state
            if state.plain.stage:
                state.plain.stage = "returned"
                self._did("dissolve")
            for slot in SLOTS:
                state.slots[slot].hands.clear()
                state.slots[slot].web = "absent"
                self._did("dissolve")
                state.slots[slot] = Slot()
                self._did("dissolve")
            state.edge, state.traffic = "absent", "none"
            self._did("dissolve")
            state.base_kept = False
            self._did("dissolve")
            self.host.files.remove("incoming")
            return {"changed": True}

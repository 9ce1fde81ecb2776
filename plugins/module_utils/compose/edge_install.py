# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the edge's files and its container to what a spec says, and nothing else when they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ..errors import RunbookError, StepFailed, TimedOut
from ..run.clock import Clock
from ..run.files import Files
from ..run.waiter import wait_for
from .edge_config import USER, compose_model, compose_text, config_files, digest_said, model_digest, pem_name
from .edge_container import EdgeContainer, GapMeter, check_free, dead_ports, published, unreachable_after
from .edge_runtime import Runtime
from .edge_spec import EdgeSpec, Traffic, map_text

CONFIG_NAMES = ("hold.lua", "maintenance.html", "haproxy.cfg")


class EdgeInstall:
    """Installs below the root of *files*; the caller holds the edge's lock."""

    def __init__(self, files: Files, runtime: Runtime, container: EdgeContainer, clock: Clock) -> None:
        self.files = files
        self.runtime = runtime
        self.container = container
        self.clock = clock
        self.name = container.name

    def ensure(self, spec: EdgeSpec) -> dict[str, Any]:
        """See :meth:`Edge.ensure`."""
        self._directories()
        files = config_files(spec)
        digest = digest_said(files["haproxy.cfg"])
        model = compose_model(spec, self.files.root)
        seen = self.container.inspect()
        running = bool(seen and seen["State"]["Running"])
        same_model = bool(seen) and self._label(seen) == model_digest(model)
        same_files = all(self._read(f"config/{name}") == text for name, text in files.items())
        serves = self._serves() if seen and running and not seen["State"].get("Restarting") else ""
        if serves and dead_ports(published(seen)):
            serves = ""
        if running and same_model and same_files and serves == digest:
            return {"changed": False, "change": "none", "config": digest}

        held = {port for _host_ip, port in published(seen)} if running else set()
        if spec.published:
            check_free((port.host_ip, port.published) for port in spec.ports if port.published not in held)
        if not (same_model and same_files):
            self._validate(spec.image, files)
        kept = {*CONFIG_NAMES, *files, *self._pems()}
        before = {name: self._read(name) for name in ("compose.json", *(f"config/{name}" for name in sorted(kept)))}
        self._put(model, files)

        if running and same_model and serves:
            self._reload(digest)
            return {"changed": True, "change": "reloaded", "config": digest}
        pems = {port: before.get(f"config/{pem_name(port.published)}", "") for port in spec.frontends}
        same = [port for port, pem in pems.items() if port.mode == "http" and port.certificate == pem]
        meter = next((port for port in same if (port.host_ip, port.published) in published(seen)), None)
        with GapMeter(meter if serves else None, spec.probe_token) as gap:
            try:
                if seen and same_model and not running:
                    self.container.start()
                else:
                    self.container.up(recreate=running and not serves)
                self._started(digest)
            except StepFailed as error:
                if not serves:
                    raise
                put(self.files, {name: text for name, text in before.items() if text})
                self.container.up(recreate=False)
                raise StepFailed(
                    f"the edge did not start as it should, and runs as it did before: {error.detail}",
                    code=error.code,
                    last_seen=error.last_seen,
                    next_step=error.next_step,
                ) from None
        change = "created" if not seen else "recreated" if running else "started"
        return {"changed": True, "change": change, "config": digest, **({"gap_ms": gap.gap_ms} if running else {})}

    def create(self, spec: EdgeSpec) -> None:
        """Make the container as *spec* says and do not start it: that takes its ports, and the least time then."""
        self._directories()
        files, model = config_files(spec), compose_model(spec, self.files.root)
        self._validate(spec.image, files)
        self._put(model, files)
        self.container.up(recreate=False, start=False)

    def _put(self, model: dict[str, Any], files: dict[str, str]) -> None:
        texts = {f"config/{name}": text for name, text in files.items()}
        put(self.files, {"compose.json": compose_text(model), **texts})
        for name in set(self._pems()) - set(files):
            self.files.remove(f"config/{name}")

    def _pems(self) -> list[str]:
        return [name for name in self.files.names("config") if name.endswith(".pem")]

    def _validate(self, image: str, files: dict[str, str]) -> None:
        """Have the files read by HAProxy from a directory beside the one that runs."""
        self._directory("config.next", 0o2750, 0, USER)
        try:
            put(self.files, {f"config.next/{name}": text for name, text in files.items()})
            put(self.files, {"config.next/edge.map": map_text(Traffic("none"))})
            self.container.validate(image, self.files.path("config.next"))
        finally:
            self.files.remove("config.next")

    def _reload(self, digest: str) -> None:
        # Not by SIGUSR2 through the engine: the socket also tells why a reload failed, and needs no engine.
        answer = ""
        with contextlib.suppress(StepFailed):  # HAProxy 2.6 hangs up while it reloads
            answer = self.runtime.ask("reload").strip()
        if answer.startswith("Success=0"):
            raise StepFailed(
                f"HAProxy went on with the former configuration: {answer[-1000:]}",
                code="edge_reload",
                last_seen=answer[-2000:],
                next_step=f"Run the runbook again; `docker logs {self.name}` has all it said.",
            )
        self._started(digest)

    def _started(self, digest: str) -> None:
        try:
            wait_for(
                lambda: ((said := self._digest_of_process()) == digest, said),
                what=f"{self.name} runs configuration {digest}",
                timeout=15,
                clock=self.clock,
                interval=0.02,
            )
        except TimedOut:
            raise unreachable_after(
                self.name, "does not serve its configuration", self.container.last_words()
            ) from None

    def _serves(self) -> str:
        """The digest of the configuration that the running container serves; "" when it does not answer in time."""
        try:
            return str(
                wait_for(
                    lambda: (bool(said := self._digest_of_process()), said),
                    what=f"{self.name} answers",
                    timeout=3,
                    clock=self.clock,
                    interval=0.05,
                )
            )
        except TimedOut:
            return ""

    def _digest_of_process(self) -> str:
        try:
            return self.runtime.info(self.runtime.current()).get("description", "")
        except RunbookError:
            return ""

    def _read(self, path: str) -> str:
        return (self.files.read(path) or b"").decode(errors="replace")

    def _label(self, seen: dict[str, Any] | None) -> str:
        labels = ((seen or {}).get("Config") or {}).get("Labels") or {}
        return str(labels.get("steady.edge", ""))

    def _directories(self) -> None:
        self._directory("", 0o700, 0, 0)
        # setgid: each file that is put there belongs to the container's group from its first byte on
        self._directory("config", 0o2750, 0, USER)
        self._directory("run", 0o700, USER, USER)
        if not self.files.exists("config/edge.map"):
            put(self.files, {"config/edge.map": map_text(Traffic("none"))})

    def _directory(self, path: str, mode: int, user: int, group: int) -> None:
        where = self.files.directory(path)
        if os.geteuid() == 0:
            os.chown(where, user, group)
        os.chmod(where, mode)


def put(files: Files, texts: Mapping[str, str]) -> None:
    """Write files in the given order; those of the container's directory are readable by its group."""
    for path, text in texts.items():
        files.write(path, text, 0o600 if path == "compose.json" else 0o640)

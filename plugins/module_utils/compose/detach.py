# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting the act so that it outlives the module, the connection and the controller.

Ansible deletes what a module came with when the module ends, and waits for whatever holds its descriptors. So the act
is started anew, in a session of its own, from the host's copy of our code, with what it needs handed over in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from ..carried import keep
from ..errors import Refused
from ..run.clock import Clock
from ..run.files import Files
from ..run.journal import RUN_ID, Journal, at_work, not_written
from ..run.lock import busy, process_identity
from .settings import checked

_START = "import importlib, sys; sys.path.insert(0, sys.argv[2]); importlib.import_module(sys.argv[1]).main()"


def start_run(params: Mapping[str, Any], act: str) -> dict[str, Any]:
    """Start module *act* (its full name) for these parameters and return ``{"run", "directory", "process"}``."""
    params = checked(params)
    files = _files(params)
    run = _run_id(params["run"])
    held = at_work(files, Clock())
    if held:
        raise busy(held)
    try:
        where = files.directory(f"runs/{run}")
        files.append(f"runs/{run}/act.log", b"", durable=False)
        code = keep(files, params.get("code"))
    except OSError as error:
        raise not_written(error) from error
    request = {
        **{name: params[name] for name in ("runbook", "run", "plan", "settings", "secrets", "options")},
        **{name: params[name] for name in ("actor", "reason", "inventory", "registries", "state_directory")},
        "service": params["settings"]["name"],
        "environment": params["environment_name"],
        "target": params["target_name"],
    }
    # Compiled code is kept, whatever is set for whoever runs us: it saves every later run its compilation.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with _in_memory(request) as handed, open(os.path.join(where, "act.log"), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, act, code],
            stdin=handed,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    identity = process_identity(process.pid)
    with contextlib.suppress(OSError):  # it has been started: what it cannot write down itself, it refuses
        files.write_json(f"runs/{run}/process.json", identity)
    return {"run": run, "directory": where, "process": identity}


def _in_memory(request: Mapping[str, Any]) -> BinaryIO:
    """A file of the request, which contains secrets, that is on no disk."""
    stream = os.fdopen(os.memfd_create("request"), "w+b")
    stream.write(json.dumps(request).encode())
    stream.seek(0)
    return stream


def join_run(params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the run that watches to go back, and answer with where to follow it."""
    files = _files(checked(params))
    run = _run_id(params["join"])
    journal = Journal(files, run, Clock())
    journal.request_return({"actor": params["actor"], "reason": params["reason"], "run": params["run"]})
    return {"run": run, "directory": files.path(journal.where), "process": files.read_json(f"runs/{run}/process.json")}


def _files(params: Mapping[str, Any]) -> Files:
    return Files(os.path.join(params["state_directory"], params["settings"]["name"]))


def _run_id(run: str) -> str:
    if not RUN_ID.match(run):
        raise Refused(
            f"{run} is no run id", code="bad_run_id", next_step="Use action steady.runbooks.act, which makes one."
        )
    return run

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our code on a host: brought once a version, and kept there compiled.

What a module imports, Ansible packs for every playbook anew, sends with every call, and the host compiles it again:
for code of this size more than half of a call's time. So a module of ours imports this statically, and the rest with
:func:`carried` from the host's copy. The controller's half is ``plugin_utils/carrying.py``.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .run.files import Files

OURS = __name__.rpartition(".")[0]
HERE = os.path.join(*OURS.split("."))  # in an archive and in a copy, as Python finds it
WANTED = "code_wanted"  # in a result: call again, with the archive
COPIES = 3  # that a host keeps for each service


def carried(module: Any, name: str) -> ModuleType:
    """Module *name* of our code; an Ansible module without the archive ends here when the host has no copy."""
    code = module.params["code"]
    if code:
        where = _kept(module.params, code["digest"]) or _unpacked(module.tmpdir, code)
        if where:
            _import_from(where)
        else:
            module.exit_json(changed=False, **{WANTED: True})
    return importlib.import_module(f"{OURS}.{name}")


def keep(files: Files, code: Mapping[str, Any] | None) -> str:
    """The directory that what runs now can be imported from when this call is over."""
    if not code:
        return here()[: -len(HERE)]
    place = f"code/{code['digest']}"
    if here() != files.path(place, HERE):
        if files.exists(place) and not _whole(files.path(place), code["digest"]):
            files.discard(place)
        if not files.exists(place):
            with files.made(place) as new:
                shutil.copytree(here(), os.path.join(new, HERE))
                compileall.compile_dir(new, quiet=2)  # all of it now, so that a call that only looks writes nothing
            copies = sorted(files.names("code"), key=lambda one: os.path.getmtime(files.path("code", one)))
            for old in copies[:-COPIES]:
                files.remove(f"code/{old}")
    return files.path(place)


def here() -> str:
    """The directory of our code, as it is imported now."""
    return str(sys.modules[OURS].__path__[0])


def content(directory: str) -> dict[str, bytes]:
    """The content of each of our files by its path below *directory*."""
    found = {}
    for folder, _folders, names in os.walk(directory):
        for path in (os.path.join(folder, name) for name in names if name.endswith(".py")):
            with open(path, "rb") as stream:
                found[os.path.relpath(path, directory)] = stream.read()
    return found


def digest(files: Mapping[str, bytes]) -> str:
    """What this code is called: the first 16 hexadecimal digits of its SHA-256."""
    every = hashlib.sha256()
    for path in sorted(files):
        every.update(b"%d %d " % (len(path), len(files[path])) + path.encode() + files[path])
    return every.hexdigest()[:16]


def _kept(params: Mapping[str, Any], wanted: str) -> str | None:
    where = os.path.join(params["state_directory"], str(params["settings"].get("name")), "code", wanted)
    return where if _whole(where, wanted) else None


def _whole(where: str, wanted: str) -> bool:
    """Whether this is such a copy: a power cut can empty files, and people can edit them."""
    return digest(content(os.path.join(where, HERE))) == wanted


def _unpacked(scratch: str, code: Mapping[str, Any]) -> str | None:
    if not code["archive"]:
        return None
    where = os.path.join(scratch, "code")
    with zipfile.ZipFile(code["archive"]) as archive:
        archive.extractall(where)
    return where


def _import_from(where: str) -> None:
    """Let the packages that came with the call find the rest of themselves in the copy."""
    for name, package in list(sys.modules.items()):
        if f"{name}.".startswith(f"{OURS}.") and hasattr(package, "__path__"):
            package.__path__ = [os.path.join(where, *name.split("."))]

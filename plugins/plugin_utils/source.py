# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source of a release: a directory on the controller, made into one archive with one digest."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

LARGEST = 256 * 1024 * 1024  # bytes of all files together
MOST = 20_000  # entries


class Archive(NamedTuple):
    """A packed source: *path* of the tar file (the caller removes it), its SHA-256 *digest* (hex), *size* in bytes."""

    path: str
    digest: str
    size: int
    entries: int


def pack(directory: str, leave_out: Iterable[str] = (), *, largest: int = LARGEST, into: str | None = None) -> Archive:
    """Pack *directory* into a temporary tar file in the directory *into*; equal content gives equal bytes.

    Names are sorted, owners are root, times are 0. The paths *leave_out*, relative to *directory*, stay behind, as does
    ``.git``. Permissions stay, except that only root may write: the rest depends on the umask of whoever checked the
    files out. Refuse what cannot be taken along: links that leave the directory, sockets, devices, more than *largest*
    bytes.
    """
    root = os.path.realpath(directory)
    if not os.path.isdir(root):
        raise Refused(
            f"the source directory does not exist: {directory}",
            code="no_source",
            next_step="Set service_source to the directory that has the compose file.",
        )
    descriptor, path = tempfile.mkstemp(prefix="steady-source-", suffix=".tar", dir=into)
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            entries = _add_all(tar, root, {_inside(path) for path in leave_out}, largest)
        digest = hashlib.sha256()
        with open(path, "rb") as packed:
            for chunk in iter(lambda: packed.read(1 << 20), b""):
                digest.update(chunk)
        return Archive(path, digest.hexdigest(), os.path.getsize(path), entries)
    except BaseException:
        os.unlink(path)
        raise


def commit_of(directory: str) -> dict[str, Any]:
    """``{"commit": sha, "dirty": bool}`` of the git checkout that tracks *directory*; commit "" when none does."""
    commit = _git(directory, "rev-parse", "--verify", "HEAD").strip()
    if not commit or not _git(directory, "ls-files", "--", ".").strip():
        return {"commit": "", "dirty": False}
    return {"commit": commit, "dirty": bool(_git(directory, "status", "--porcelain", "--", ".").strip())}


def _git(directory: str, *arguments: str) -> str:
    """What git says, or "" when it is not installed, this is no checkout, or it does not trust the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        # A checkout must not be able to have a program of its choice run by being looked at.
        said = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", directory, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            env={**environment, "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.decode("utf-8", "replace") if said.returncode == 0 else ""


def _inside(path: Any) -> str:
    name = os.path.normpath(path) if isinstance(path, str) and path else ".."
    if os.path.isabs(name) or name == "." or name.split(os.sep)[0] == "..":
        raise Refused(
            f"service_source_exclude: {path!r} is no path below service_source",
            code="bad_source",
            next_step="Name files and directories relative to service_source, as in [pgdata, data/uploads].",
        )
    return name


def _add_all(tar: tarfile.TarFile, root: str, leave_out: set[str], largest: int) -> int:
    total = entries = 0
    for name in _names(root, leave_out):
        path = os.path.join(root, name)
        try:
            status = os.lstat(path)
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
            entries += 1
            if total > largest or entries > MOST:
                raise _too_large(root, largest)
            _add(tar, root, name, status)
        except OSError as error:
            raise _refused(name, f"cannot be read: {error.strerror or error}") from None
    return entries


def _names(root: str, leave_out: set[str]) -> Iterator[str]:
    """Relative names of everything below *root*, parents first, in the order of their bytes."""
    waiting = [""]
    while waiting:
        here = waiting.pop()
        if here in leave_out:
            continue
        if here:
            yield here
        path = os.path.join(root, here)
        if not os.path.islink(path) and os.path.isdir(path):
            try:
                names = sorted((name for name in os.listdir(path) if name != ".git"), key=os.fsencode, reverse=True)
            except OSError as error:
                raise _refused(here or ".", f"cannot be read: {error.strerror}") from None
            waiting += [os.path.join(here, name) for name in names]


def _add(tar: tarfile.TarFile, root: str, name: str, status: os.stat_result) -> None:
    if not name.isprintable():
        raise _refused(ascii(name), "has a name that is not UTF-8 or cannot be seen")
    entry = tarfile.TarInfo(name)
    mode = status.st_mode
    entry.mode = mode & 0o755
    if stat.S_ISDIR(mode):
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    elif stat.S_ISLNK(mode):
        entry.type, entry.mode = tarfile.SYMTYPE, 0o777
        entry.linkname = _target(root, name)
        tar.addfile(entry)
    elif stat.S_ISREG(mode):
        entry.size = status.st_size
        with open(os.path.join(root, name), "rb") as file:
            tar.addfile(entry, file)
    else:
        raise _refused(name, "is a socket, a device or a pipe")


def _target(root: str, name: str) -> str:
    path = os.path.join(root, name)
    target = os.readlink(path)
    lexical = os.path.normpath(os.path.join(os.path.dirname(name), target))
    real = os.path.realpath(path)
    inside = real == root or real.startswith(root + os.sep)
    if os.path.isabs(target) or lexical == ".." or lexical.startswith(".." + os.sep) or not inside:
        raise _refused(name, "is a link that leaves the source directory")
    return target


def _refused(name: str, problem: str) -> Refused:
    return Refused(
        f"service_source: {name} {problem}",
        code="bad_source",
        last_seen={"file": name},
        next_step="Take it out of the source directory, leave it out of releases (service_source_exclude), or replace "
        "it by an ordinary file.",
    )


def _too_large(root: str, largest: int) -> Refused:
    sizes: dict[str, int] = {}
    for path in Path(root).rglob("*"):
        if path.is_file() and not path.is_symlink():
            top = path.relative_to(root).parts[0]
            sizes[top] = sizes.get(top, 0) + path.stat().st_size
    most = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:3]
    return Refused(
        f"service_source is larger than {largest // 1024**2} MiB or has more than {MOST} entries; largest: "
        + ", ".join(f"{name} ({sizes[name] // 1024**2} MiB)" for name in most),
        code="source_too_large",
        next_step="It is sent with every release: leave out data, dependencies and builds. "
        f"For example service_source_exclude: [{most[0]}].",
    )

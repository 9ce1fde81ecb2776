# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State on disk, written so that a power cut leaves the old content or the new one, never half of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

NEW = ".new-"  # and the process that writes: the name of what is not yet in its place


class Files:
    """The files below one directory. Paths are relative to it; a simulation hands in a directory of its own."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path(path))

    def names(self, path: str = "") -> list[str]:
        """Sorted names in a directory; none when it does not exist."""
        try:
            return sorted(os.listdir(self.path(path)))
        except FileNotFoundError:
            return []

    def directory(self, path: str = "", mode: int = 0o700) -> str:
        """Make a directory, and those above it, that only we can read, and return where it is."""
        where = self.path(path) if path else self.root
        missing = []
        while not os.path.isdir(where):
            missing.append(where)
            where = os.path.dirname(where)
        for each in reversed(missing):  # os.makedirs gives its mode to the last one only
            with contextlib.suppress(FileExistsError):
                os.mkdir(each, mode)
        return missing[0] if missing else where

    def read(self, path: str) -> bytes | None:
        """The content, or None when there is no such file."""
        try:
            with open(self.path(path), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def read_json(self, path: str) -> Any:
        """The document, or None when there is no such file or its content is no JSON (an older format, an edit)."""
        content = self.read(path)
        try:
            return None if content is None else json.loads(content)
        except ValueError:
            return None

    def write(self, path: str, content: bytes | str, mode: int = 0o600) -> None:
        """Replace a file at once and durably."""
        where = self.path(path)
        self.directory(os.path.dirname(path))
        handle, temporary = tempfile.mkstemp(prefix=f"{NEW}{os.getpid()}-", dir=os.path.dirname(where))
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, where)
        except BaseException:
            os.unlink(temporary)
            raise
        self._sync(os.path.dirname(where))

    def write_json(self, path: str, document: Any, mode: int = 0o600) -> None:
        self.write(path, json.dumps(document, indent=1, sort_keys=True) + "\n", mode)

    def append(self, path: str, line: bytes, durable: bool = True) -> None:
        """Add one line. With *durable* it is on the disk when this returns."""
        self.directory(os.path.dirname(path))
        handle = os.open(self.path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)

    def truncate(self, path: str, size: int) -> None:
        with open(self.path(path), "r+b") as stream:
            stream.truncate(size)
            stream.flush()
            os.fsync(stream.fileno())

    @contextlib.contextmanager
    def made(self, path: str) -> Iterator[str]:
        """A new directory to be filled, that gets its place at *path* at the end of the block: all of it or nothing."""
        parent = os.path.dirname(path)
        self.directory(parent)
        new = tempfile.mkdtemp(prefix=f"{NEW}{os.getpid()}-", dir=self.path(parent))
        try:
            yield new
            os.rename(new, self.path(path))
        except OSError:
            if not self.exists(path):  # else somebody was faster, with the same
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
        self._sync(self.path(parent))

    def remove(self, path: str) -> None:
        """Remove a file or a whole directory; not being there is fine."""
        where = self.path(path)
        if os.path.isdir(where) and not os.path.islink(where):
            shutil.rmtree(where)
        elif os.path.lexists(where):
            os.unlink(where)
            self._sync(os.path.dirname(where))

    def discard(self, path: str) -> None:
        """Remove a directory at once, as far as anybody can see; what a kill leaves of it is swept."""
        gone = os.path.join(os.path.dirname(path), f"{NEW}{os.getpid()}-{os.path.basename(path)}")
        os.rename(self.path(path), self.path(gone))
        self._sync(os.path.dirname(self.path(path)))
        self.remove(gone)

    def sweep(self) -> None:
        """Remove what processes that are gone had not yet put in its place. Sources, which are not ours, are let be."""
        for folder, folders, names in os.walk(self.root):
            for name in (*names, *folders):
                if name.startswith(NEW) and not _runs(name[len(NEW) :].partition("-")[0]):
                    self.remove(os.path.join(folder, name))
            deep = os.path.relpath(folder, self.root).count(os.sep) >= 1
            folders[:] = [] if deep else [name for name in folders if name != "source"]

    def _sync(self, directory: str) -> None:
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _runs(process: str) -> bool:
    """Whether a process is there, and does not only wait for its parent to notice its end."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False

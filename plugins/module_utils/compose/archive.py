# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's source on its way to the host: an archive that the controller made."""

from __future__ import annotations

import functools
import os
import tarfile

from ..errors import Refused
from ..run.contract import Release
from ..run.files import Files
from ..run.variables import shown


def unpack(archive: str, where: str) -> None:
    """Unpack an archive that the controller made; a member that would leave *where* is an error."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if not _belongs(member, where):
                    raise _refused(f"has a member that does not belong there: {shown(member.name)}")
            extract = (
                functools.partial(tar.extractall, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall
            )
            extract(where)
    except tarfile.TarError as error:
        raise _refused(f"cannot be unpacked: {error}") from None


def _belongs(member: tarfile.TarInfo, where: str) -> bool:
    """Whether a member is ordinary and stays inside, and what it points to as well."""
    paths = [os.path.join(where, member.name)]
    if member.issym():
        paths.append(os.path.join(where, os.path.dirname(member.name), member.linkname))
    inside = all((os.path.normpath(path) + os.sep).startswith(where + os.sep) for path in paths)
    return inside and (member.isfile() or member.isdir() or member.issym())


def _refused(problem: str) -> Refused:
    return Refused(
        f"the source archive {problem}",
        code="source_invalid",
        next_step="Take it out of service_source and run again: action steady.runbooks.plan packs the archive.",
    )


def keep(files: Files, archive: str | None, release: Release) -> None:
    """Keep source and record of a planned release for the act; what an earlier plan left there goes.

    Without an archive it has the source of a release that is here.

    The record stays on the host because what it was understood from can contain secrets (a healthcheck's words).
    """
    files.remove("incoming")
    if archive:
        with open(archive, "rb") as stream:
            files.write(f"incoming/{release['source_digest']}.tar", stream.read())
    files.write_json("incoming/release.json", release)


def planned_release(files: Files) -> Release:
    """The record of the release that was planned last."""
    record = files.read_json("incoming/release.json")
    if not isinstance(record, dict):
        raise Refused(
            "the planned release is not on the host any more",
            code="source_missing",
            next_step="Run the same command again: the plan brings it.",
        )
    return record

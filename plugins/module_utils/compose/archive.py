# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's source on its way to the host: an archive that the controller made."""

from __future__ import annotations

import os
import tarfile

from ..errors import Refused
from ..run.files import Files


def unpack(archive: str, where: str) -> None:
    """Unpack an archive that the controller made; a member that would leave *where* is an error."""
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            target = os.path.normpath(os.path.join(where, member.name))
            if not (target + os.sep).startswith(where + os.sep) or not (member.isfile() or member.isdir() or member.issym()):
                raise Refused(
                    f"the source archive has a member that does not belong there: {member.name}",
                    code="source_invalid",
                    next_step="Remove it from service_source.",
                )
        tar.extractall(where, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type]


def keep_source(files: Files, archive: str, digest: str) -> None:
    """Keep the archive for the act, under its digest; what an earlier plan left there goes."""
    for name in files.names("incoming"):
        if name != f"{digest}.tar":
            files.remove(f"incoming/{name}")
    with open(archive, "rb") as stream:
        files.write(f"incoming/{digest}.tar", stream.read())

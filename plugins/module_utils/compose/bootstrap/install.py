# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages of Docker: from Docker's own repository, from the distribution, or from a newer release of it."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Sequence

from ansible.module_utils.urls import open_url

from ...errors import CommandFailed
from ...run.files import Files
from .command import run
from .decide import FOREIGN_RELEASE, Packages
from .observe import Seen

KEY = "keyrings/docker.asc"
SOURCE = "sources.list.d/docker.sources"
PROBE_SECONDS = 5


def repository_answers(seen: Seen, repository: str) -> bool:
    """Whether Docker's own packages for this distribution can be reached: one short probe."""
    try:
        open_url(f"{_own(seen, repository)}/dists/{seen.codename}/Release", method="HEAD", timeout=PROBE_SECONDS)
    except Exception:  # no name, no route, a proxy's page, a missing release: all the same here
        return False
    return True


def install(seen: Seen, packages: Packages, repository: str, apt_directory: str = "/etc/apt") -> None:
    """Install *packages*; raise :class:`CommandFailed` when apt cannot, with its sources as they were."""
    added = packages.source == repository and _add_repository(seen, repository, apt_directory)
    try:
        _apt("update")
        if packages.names:
            # Never at the price of a package that is there: replacing an engine would stop its containers.
            _apt("install", "-y", "--no-install-recommends", "--no-remove", *packages.names)
    except CommandFailed:
        if added:
            for path in (SOURCE, KEY):
                Files(apt_directory).remove(path)
        raise
    if packages.foreign:
        _install_foreign(packages.foreign, _mirror(seen))


def _own(seen: Seen, repository: str) -> str:
    return f"{repository}/{seen.distribution}"


def _add_repository(seen: Seen, repository: str, directory: str) -> bool:
    """Make Docker's repository known to apt, unless it is: a second entry with another key stops apt altogether."""
    for path in [f"{directory}/sources.list", *glob.glob(f"{directory}/sources.list.d/*")]:
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as stream:
                if _own(seen, repository) in stream.read():
                    return False
    try:
        key = open_url(f"{_own(seen, repository)}/gpg", timeout=30).read()
    except Exception as error:
        raise CommandFailed(
            f"Docker's package repository cannot be reached: {error}",
            code="repository",
            last_seen=str(error),
            next_step="Check the network, or set host_packages_from to distribution.",
        ) from error
    architecture = run(["dpkg", "--print-architecture"])
    files = Files(directory)
    os.makedirs(files.path("keyrings"), mode=0o755, exist_ok=True)
    files.write(KEY, key, 0o644)
    files.write(
        SOURCE,
        f"Types: deb\nURIs: {_own(seen, repository)}\nSuites: {seen.codename}\nComponents: stable\n"
        f"Architectures: {architecture}\nSigned-By: {files.path(KEY)}\n",
        0o644,
    )
    return True


def _mirror(seen: Seen) -> str:
    """Where this host gets Debian from: it may be a company's own mirror."""
    wanted = ["Created-By: Packages", "Component: main", "Origin: Debian", f"Codename: {seen.codename}"]
    uris = _apt("indextargets", "--format", "$(REPO_URI)", *wanted)
    if not uris:
        raise CommandFailed(
            f"apt knows no mirror of Debian {seen.codename}",
            code="mirror",
            next_step="See `apt-get update` and the files in /etc/apt on the host, or install Compose v2 by hand.",
        )
    return uris.splitlines()[0]


def _install_foreign(names: Sequence[str], mirror: str) -> None:
    """Install packages of a newer release with lists and cache of their own: the host's apt never hears of it."""
    with tempfile.TemporaryDirectory(prefix="steady-apt-") as directory:
        sources = os.path.join(directory, "foreign.sources")
        with open(sources, "w", encoding="utf-8") as stream:
            stream.write(
                f"Types: deb\nURIs: {mirror}\nSuites: {FOREIGN_RELEASE}\nComponents: main\n"
                "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
            )
        options = []
        for name, value in {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": os.path.join(directory, "lists"),
            "Dir::Cache": os.path.join(directory, "cache"),
            "APT::Sandbox::User": "root",
        }.items():
            options += ["-o", f"{name}={value}"]
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(directory, folder))
        _apt("update", *options)
        _apt("download", *options, *names, cwd=directory)
        run(["dpkg", "-i", *glob.glob(os.path.join(directory, "*.deb"))], timeout=300)


def _apt(command: str, *arguments: str, cwd: str | None = None) -> str:
    # Another apt may hold the lock for a while: on a new machine it updates itself.
    return run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", command, *arguments], timeout=1800, cwd=cwd)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a compose host lacks: a pure function of what was seen, so that check mode and the real run say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import Refused
from .observe import DAEMON_JSON, Seen

PYTHON = (3, 9)
ENGINE = (20, 10)
COMPOSE = (2, 20)
DAEMON_LOG = "/var/log/dockerd.log"
FOREIGN_RELEASE = "trixie"


@dataclass(frozen=True)
class Wish:
    """The module's options."""

    install: bool = True
    packages_from: str = "auto"
    repository: str = "https://download.docker.com/linux"
    live_restore: bool = True
    start_seconds: int = 60
    directory: str = "/var/lib/steady"


@dataclass(frozen=True)
class Packages:
    """What apt is to install, and from where; *foreign* ones come from a newer Debian."""

    source: str
    names: tuple[str, ...]
    foreign: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{', '.join(self.names)} from {self.source}" if self.names else ""
        extra = f"{', '.join(self.foreign)} from Debian {FOREIGN_RELEASE}" if self.foreign else ""
        return "; ".join(filter(None, [text, extra]))


@dataclass(frozen=True)
class Change:
    """One thing to make true: *step* says how, the rest is for people."""

    step: str
    what: str
    before: str
    after: str


def lacks_engine(seen: Seen) -> bool:
    return not (seen.engine or (seen.docker and seen.dockerd))


def lacks_packages(seen: Seen) -> bool:
    return lacks_engine(seen) or not seen.compose


def decide(seen: Seen, wish: Wish) -> tuple[list[Change], list[str]]:
    """The changes in their order, and warnings about what is left alone. May raise :class:`Refused`."""
    _require("Python", ".".join(map(str, seen.python)), PYTHON, "Upgrade the host's distribution.")
    _require("Docker Engine", seen.engine, ENGINE, "Upgrade Docker in a quiet hour: its containers restart.")
    _require("Docker Compose", seen.compose, COMPOSE, "Upgrade its package; this touches no container.")
    changes = [*_packages_change(seen, wish), *_engine_change(seen, wish)]
    live_restore, warnings = _live_restore_change(seen, wish)
    changes += [*live_restore, *_directory_change(seen, wish)]
    if changes and not seen.root:
        raise Refused(
            f"root is needed for: {', '.join(change.what for change in changes)}",
            code="not_root",
            next_step="Run bootstrap.yml with --become (and --ask-become-pass if sudo asks for a password).",
        )
    return changes, warnings


def packages(seen: Seen, wish: Wish) -> Packages:
    """What to install for that which is missing."""
    from_docker = wish.packages_from == "docker"
    if wish.packages_from == "auto":
        # An engine is completed from where it came from; a new one is Docker's own, when that can be reached.
        from_docker = seen.docker_ce if seen.dockerd else seen.repository_answers
    return _docker_packages(seen, wish) if from_docker else _distribution_packages(seen)


def live_restore_hindrance(seen: Seen) -> str:
    """Why live-restore is better left alone, or nothing."""
    if seen.config_error:
        return f"live-restore is left as it is: {seen.config_error}. Correct the file, then run bootstrap.yml again"
    if seen.swarm:
        return "live-restore is left off: an engine in swarm mode does not start with it"
    if seen.engine and not seen.daemon_pid:
        return (
            "live-restore is left as it is: the engine's process is not on this host (rootless, snap or remote); "
            "turn it on where the engine is configured"
        )
    return ""


def _packages_change(seen: Seen, wish: Wish) -> Iterator[Change]:
    missing = [name for name, lacks in (("engine", lacks_engine(seen)), ("compose", not seen.compose)) if lacks]
    if missing:
        before = f"no {' and no '.join(missing)}"
        if not wish.install:
            raise _not_allowed(f"Docker has {before}")
        yield Change("packages", "Docker packages", before, str(packages(seen, wish)))


def _engine_change(seen: Seen, wish: Wish) -> Iterator[Change]:
    if not seen.engine:
        if not wish.install:
            raise _not_allowed(f"Docker's engine does not answer ({seen.engine_error})")
        if seen.config_error:
            raise Refused(
                f"Docker's engine does not run, and cannot: {seen.config_error}",
                code="daemon_json",
                next_step=f"Correct {DAEMON_JSON}, then run bootstrap.yml again.",
            )
        how = "running, started at boot by systemd" if seen.systemd else f"running, its log in {DAEMON_LOG}"
        yield Change("engine", "Docker Engine", "does not answer", how)


def _not_allowed(seen: str) -> Refused:
    return Refused(
        f"{seen}, and host_install is never",
        code="docker_missing",
        next_step="Install and start Docker with Compose v2 yourself, or run bootstrap.yml with host_install=auto.",
    )


def _live_restore_change(seen: Seen, wish: Wish) -> tuple[list[Change], list[str]]:
    if not wish.live_restore or seen.live_restore or (not seen.engine and seen.config.get("live-restore") is True):
        return [], []
    hindrance = live_restore_hindrance(seen)
    if hindrance:
        return [], [hindrance]
    return [Change("live_restore", "live-restore", "off", f"on, in {DAEMON_JSON}, without a restart")], []


def _directory_change(seen: Seen, wish: Wish) -> Iterator[Change]:
    if seen.directory == "other":
        raise Refused(
            f"{wish.directory} is not a directory",
            code="state_directory",
            next_step=f"See what it is (`ls -l {wish.directory}`) and move it away.",
        )
    if seen.directory != "0700":
        yield Change("directory", wish.directory, seen.directory, "0700")


def _require(name: str, version: str, least: tuple[int, int], next_step: str) -> None:
    """Refuse what is there and too old; what is not there yet passes."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if version and (not found or (int(found[1]), int(found[2])) < least):
        raise Refused(
            f"{name} {version} is older than {least[0]}.{least[1]}",
            code="too_old",
            last_seen=version,
            next_step=next_step,
        )


def _docker_packages(seen: Seen, wish: Wish) -> Packages:
    if not seen.repository_answers:
        raise Refused(
            f"{wish.repository} has no packages for {seen.distribution} {seen.codename}, or cannot be reached",
            code="repository",
            next_step="Check the network and host_repository, or set host_packages_from to distribution.",
        )
    every = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin")
    return Packages(wish.repository, every if lacks_engine(seen) else every[-1:])


def _distribution_packages(seen: Seen) -> Packages:
    plugin: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    engine: tuple[str, ...] = ("docker.io", "iptables", "ca-certificates")
    if seen.distribution == "ubuntu":
        plugin = ("docker-compose-v2",)
    elif seen.distribution == "debian" and seen.codename == "bookworm":
        # Its own docker-compose is 1.29; the newer release's package needs nothing that bookworm does not have.
        foreign = ("docker-compose",)
    elif seen.distribution == "debian" and seen.codename not in ("bullseye", "buster"):
        engine += ("docker-cli",)
        plugin = ("docker-compose",)
    else:
        raise Refused(
            f"no packages of Docker with Compose v2 are known for {seen.distribution} {seen.codename}",
            code="distribution",
            next_step="Install Docker Engine 20.10 and Compose 2.20 or newer by hand, then run bootstrap.yml again.",
        )
    names = (engine if lacks_engine(seen) else ()) + (() if seen.compose else plugin)
    return Packages(f"{seen.distribution} {seen.codename}", names, () if seen.compose else foreign)

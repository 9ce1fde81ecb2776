# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images: from what a compose file says to exactly what will run, and having it here before anything changes."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Callable
from urllib.parse import quote

from ..errors import CommandFailed, Refused, RunbookError
from ..run.variables import IMAGE, shown
from .docker import Docker
from .model import Model, image_of, registry_of, repository, services, unescape
from .registry import digest_of, pull
from .roles import derive
from .understand import near

LOOK_SECONDS = 20
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_ID = re.compile(r"^sha256:[0-9a-f]{64}$")


def resolve(
    docker: Docker,
    model: Mapping[str, Any],
    names: Iterable[str],
    builders: Mapping[str, Callable[[], str]] | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Pins: compose service -> ``reference@sha256:…`` or, for an image that is only here, its id; and notes to show.

    An image that no registry has is built by its builder, if there is one, and pinned by its id.
    Raise :class:`Refused` (``image_unavailable``) naming the image, its services and what the registry answered.
    """
    wanted = {name: unescape(image_of(model, name)) for name in sorted(names)}
    found: dict[str, str] = {}
    notes: list[str] = []
    silent: dict[str, CommandFailed] = {}
    builders, written = builders or {}, {body.get("image") for body in services(model).values()}
    for image in sorted(set(wanted.values())):
        _checked(image, " of " + ", ".join(name for name, its in wanted.items() if its == image))
        if _DIGEST.search(image) or _ID.match(image):
            found[image] = image
            continue
        users = ", ".join(name for name, its in wanted.items() if its == image)
        if image in builders and image not in written:  # Compose's own name for it: no registry's business
            found[image] = builders[image]()
            notes.append(f"The image of {users} was built here from the source, and is pinned by its id.")
            continue
        registry = registry_of(image)
        try:
            if registry in silent:
                raise silent[registry]
            found[image] = f"{image}@{digest_of(docker, image)}"
        except CommandFailed as answer:
            if answer.code == "docker_slow":
                silent[registry] = answer  # one that hangs is not waited for again
            if image in builders:
                found[image] = builders[image]()
                notes.append(
                    f"{image} was built here from the source, and is pinned by its id. The registry said: "
                    f"{_sentence(answer)}"
                )
            else:
                found[image] = _local(docker, image, users, answer, notes)
    return {name: found[image] for name, image in wanted.items()}, notes


def ensure_present(
    docker: Docker, pins: Mapping[str, str], progress: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Pull what is not here yet, by digest and without a tag; return what was pulled.

    Raise :class:`Refused` (``image_unavailable``): nothing was changed by then but images that are here as well.
    """
    users: dict[str, list[str]] = {}
    for name, image in sorted(pins.items()):
        users.setdefault(image, []).append(name)
    missing = [image for image in users if not here(docker, image)]
    for number, image in enumerate(missing, 1):
        if _ID.match(image):
            raise _unavailable(image, ", ".join(users[image]), "it was only on this host, and is not here any more")
        what = f"pulling {repository(image)} for {', '.join(users[image])} ({number} of {len(missing)})"
        progress(what)
        try:
            pull(docker, _untagged(image), functools.partial(_further, progress, what))
        except CommandFailed as answer:
            raise _unavailable(image, ", ".join(users[image]), str(answer.last_seen or answer.detail)) from None
    return missing


def _further(progress: Callable[[str], None], what: str, far: str) -> None:
    progress(f"{what}: {far}")


def image_tests(docker: Docker, pins: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The healthchecks that images bring along, by compose service; only of images that are here."""
    found: dict[str, tuple[str, ...]] = {}
    for name, image in sorted(pins.items()):
        check = ((here(docker, image) or {}).get("Config") or {}).get("Healthcheck") or {}
        if check.get("Test"):
            found[name] = tuple(check["Test"])
    return found


def image_ports(docker: Docker, pins: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The TCP ports that images say they have, by compose service; only of images that are here."""
    found = {}
    for name, image in sorted(pins.items()):
        ports = ((here(docker, image) or {}).get("Config") or {}).get("ExposedPorts") or {}
        found[name] = tuple(int(port.partition("/")[0]) for port in sorted(ports) if port.endswith("/tcp"))
    return found


def apply_images(model: Mapping[str, Any], images: Mapping[str, str]) -> Model:
    """A model with the images that a release manifest names, by compose service."""
    changed: Model = copy.deepcopy(dict(model))
    for name, reference in images.items():
        if name not in services(model):
            raise Refused(
                f"the release names an image for {name}, which is no service of the compose file",
                code="unknown_service",
                next_step=near(name, services(model)),
            )
        changed["services"][name]["image"] = _checked(reference)
    return changed


def image_override(model: Mapping[str, Any], reference: str, roles: Mapping[str, str] | None = None) -> Model:
    """A model where *reference* replaces the image of the services that use the same repository; else that of the only
    web service and of whatever shares its image. *roles* are the declared ones. Refused when it could mean several."""
    wanted = repository(_checked(reference))
    images = {name: image_of(model, name) for name in services(model)}
    chosen = [name for name, image in images.items() if repository(image) == wanted]
    if not chosen:
        derived = derive(model, roles or {})
        web = [name for name in images if derived[name][0] == "web"]
        if len({images[name] for name in web}) != 1:
            raise Refused(
                f"no service uses an image of {wanted}, and there {'are several' if web else 'is no'} web "
                f"service{'s' if web else ''} that it could be meant for",
                code="image_ambiguous",
                last_seen=images,
                next_step="Name it in a release manifest: images: {SERVICE: REFERENCE}. " + near(wanted, web or images),
            )
        chosen = [name for name, image in images.items() if image == images[web[0]]]
    return apply_images(model, dict.fromkeys(chosen, reference))


def _checked(reference: Any, users: str = "") -> str:
    if not isinstance(reference, str) or len(reference) > 512 or not re.fullmatch(IMAGE, reference):
        raise Refused(
            f"the image {shown(reference)}{users} is no image reference",
            code="image_invalid",
            next_step="Write it as REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST.",
        )
    return reference


def _local(docker: Docker, image: str, users: str, answer: CommandFailed, notes: list[str]) -> str:
    """The image as it is on this host, which is what ``docker compose up`` would have run."""
    local = here(docker, image)
    if not local:
        raise _unavailable(image, users, str(answer.last_seen or answer.detail))
    known = _digests(local, image)
    what = "at its last known digest" if known else "by its id: it was never in a registry"
    notes.append(f"{image} is taken as it is on this host, {what}. The registry said: {_sentence(answer)}")
    return str(known[0] if known else local["Id"])


def here(docker: Docker, image: str) -> dict[str, Any] | None:
    """An image of this host, as the engine describes it; None when it is not here."""
    status, found = docker.engine.json("GET", f"/images/{quote(_untagged(image), safe='/:@')}/json")
    return dict(found) if status == 200 else None


def _digests(local: Mapping[str, Any], image: str) -> list[str]:
    return [str(one) for one in local.get("RepoDigests") or [] if repository(one) == repository(image)]


def pin_of(docker: Docker, image: str, name: str) -> str:
    """How the image with the id *image* is pinned that a container was made from as *name*: by a digest of that
    repository, else by its id."""
    known = _digests(here(docker, image) or {}, name)
    if not known:
        return image
    digest = known[0].partition("@")[2]
    return f"{name.partition('@')[0]}@{digest}" if not _ID.match(name) else known[0]


def present_id(docker: Docker, image: str) -> str:
    """The id of an image of this host; "" when it is not here."""
    return str((here(docker, image) or {}).get("Id") or "")


def _untagged(image: str) -> str:
    """``repository@digest`` of ``repository:tag@digest``: so that a pull never moves a tag."""
    name, at, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.split(':', 1)[0]}@{digest}" if at else image


def _sentence(error: RunbookError) -> str:
    lines = [line for line in str(error.last_seen or error.detail).splitlines() if line.strip()]
    return (lines[-1] if lines else "nothing")[:300]


def _unavailable(image: str, users: str, answer: str) -> Refused:
    text = " ".join(answer.split())[-400:]
    code, _colon, same = text.partition(": ")
    text = code if same == code else text  # `manifest unknown: manifest unknown`
    if re.search(r"timeout|refused|lookup|no such host|did not|unreachable|dial", text, re.IGNORECASE):
        step = "Look whether this host reaches the registry; then run it again."
    elif re.search(r"unauthorized|denied|authentication|forbidden|401|403", text, re.IGNORECASE):
        step = "Log in: add the registry to service_registries; or look whether the repository's name is right."
    elif re.search(r"unknown|not found|no such|404", text, re.IGNORECASE):
        step = "Look for a typing error in name or tag, and whether it was pushed (`docker push`)."
    else:
        step = f"Try `docker pull {_untagged(image)}` on the host."
    return Refused(
        f"the image {image}{' of ' + users if users else ''} cannot be had: {text}",
        code="image_unavailable",
        last_seen=text,
        next_step=step,
    )

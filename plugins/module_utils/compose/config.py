# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport: one run of ``docker compose config``, which resolves everything that a compose file can contain."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import Refused
from .cli import compose
from .docker import Docker
from .limits import inside
from .model import Model, mounts_of, services, unescape
from .render import needs_environment
from .understand import near

SECONDS = 60
MOUNTED = 65536  # bytes of a file that is read for what it passes requests to
_LOG_LINE = re.compile(r'^time="[^"]*" level=(\w+) msg=(".*"|\S+)', re.MULTILINE)
_UNSET = re.compile(r'The "([^"]*)" variable is not set')
# A line of an env file that cannot be read is quoted as it is, and may well be a secret.
_QUOTES = re.compile(
    r"(unexpected character \S+ in variable name|unterminated quoted value|Invalid template:).*", re.DOTALL
)
_OVERRIDES = tuple(f"{stem}.override.{end}" for stem in ("compose", "docker-compose") for end in ("yaml", "yml"))


def render_source(
    docker: Docker,
    directory: str,
    files: Sequence[str],
    profiles: Sequence[str],
    project: str,
    environment: Mapping[str, Any],
    env_files: Sequence[str] = (),
) -> Model:
    """The model of the compose *files* (relative to *directory*), with *environment* for interpolation.

    Without *files* Compose looks for them as it always does. Raise :class:`Refused`: ``compose_invalid`` with Compose's
    own sentence, ``compose_missing``, ``variable_unset`` naming each variable, or ``profile_unknown``.
    """
    for name in [*files, *env_files]:
        _check_file(directory, name)
    values = {str(key): str(value) for key, value in environment.items()}
    words = [word for name in files for word in ("--file", os.path.join(directory, name))]
    words += [word for name in profiles for word in ("--profile", name)]
    words += ["config", "--format", "json"]
    read = [os.path.join(directory, name) for name in env_files]
    said = compose(
        docker, *words, project=project, directory=directory, variables=values, env_files=read, timeout=SECONDS
    )
    shown = ", ".join(files) or "the compose file"
    if said.returncode:
        raise _invalid(shown, _clean(said.stderr, directory, values))
    unset = sorted(set(_UNSET.findall(_messages(said.stderr))))
    if unset:
        raise _unset(unset, shown)
    try:
        model = json.loads(said.stdout)
    except ValueError:
        raise _invalid(shown, "docker compose printed something that is no JSON") from None
    if not isinstance(model, dict):
        raise _invalid(shown, "it has no services")
    _check_profiles(model, profiles)
    missing = [name for name in needs_environment(model) if name not in secret_values(docker, directory, model, values)]
    if missing:
        raise _unset(missing, shown)
    return model


def secret_values(
    docker: Docker, directory: str, model: Mapping[str, Any], environment: Mapping[str, Any]
) -> dict[str, str]:
    """The values of the variables that secrets and configs of *model* are made of, wherever Compose takes them from:
    *environment*, the process or the ``.env`` in *directory*. They have to be in the environment of ``compose up``."""
    names = needs_environment(model)
    values = {name: str(environment[name]) for name in names if name in environment}
    others = [name for name in names if name not in values]
    if others:
        # A variable that is set is not empty with "+", even when its value is.
        asked = {f"{kind}{n}": f"${{{name}{kind}}}" for n, name in enumerate(others) for kind in ("-", "+x")}
        asking = json.dumps({"services": {"x": {"image": "x", "environment": asked}}})
        words = ("--file", "-", "config", "--format", "json")
        said = compose(
            docker, *words, project="x", directory=directory, variables=environment, stdin=asking, timeout=SECONDS
        )
        if said.returncode:
            raise _invalid("the environment", _clean(said.stderr, directory, {}))
        answer = services(json.loads(said.stdout))["x"]["environment"]
        values.update(
            (name, unescape(str(answer[f"-{n}"]))) for n, name in enumerate(others) if answer[f"+x{n}"] == "x"
        )
    return values


def overlooked(directory: str, files: Sequence[str]) -> list[str]:
    """Override files that plain ``docker compose`` reads by itself, but not when files are named."""
    if not files:
        return []
    return [name for name in _OVERRIDES if name not in files and os.path.exists(os.path.join(directory, name))]


def source_files(directory: str, limit: int = 10000) -> list[str]:
    """The files of a release's source, relative to it: what ``understand`` wants as ``source_files``."""
    found: list[str] = []
    for folder, _folders, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(folder, name), directory) for name in names]
        if len(found) >= limit:
            break
    return sorted(found[:limit])


def mounted_texts(model: Mapping[str, Any], directory: str) -> dict[str, str]:
    """By service, what is in the small files of the source that it mounts, and in its inline configs."""
    found = {}
    for name, body in services(model).items():
        uses = [
            str((model.get("configs") or {}).get(one.get("source"), {}).get("content") or "")
            for one in body.get("configs") or []
        ]
        paths = [unescape(str(mount["source"])) for mount in mounts_of(body) if mount.get("type") == "bind"]
        below = [path for path in paths if inside(path, directory) not in (None, ".")]
        found[name] = "\n".join([*uses, *(_text(file) for path in below for file in _files(path))])
    return found


def _files(path: str) -> list[str]:
    """A file, or those of a directory; few, as configurations are."""
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in sorted(os.listdir(path))[:50]]


def _text(path: str) -> str:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MOUNTED:
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def _check_file(directory: str, name: str) -> None:
    path = os.path.normpath(os.path.join(directory, name))
    if os.path.isabs(name) or not path.startswith(directory.rstrip("/") + "/"):
        raise Refused(
            f"{name} is not inside the source directory, and only that is kept with a release",
            code="compose_invalid",
            next_step="Name files relative to service_source.",
        )
    if not os.path.isfile(path):
        there = [one for one in source_files(directory) if one.endswith((".yaml", ".yml", ".env"))]
        raise Refused(
            f"{name} is not in the source directory",
            code="compose_invalid",
            next_step=f"Correct service_compose_files or service_source. {near(name, there)}",
        )


def _check_profiles(model: Mapping[str, Any], profiles: Iterable[str]) -> None:
    known = {profile for body in services(model).values() for profile in body.get("profiles") or []}
    for profile in profiles:
        if profile not in known and profile != "*":
            raise Refused(
                f"no service has the profile {profile}",
                code="profile_unknown",
                next_step=f"Correct service_profiles. Of those that are on: {near(profile, known)}",
            )


def _messages(stderr: str) -> str:
    found = []
    for _level, text in _LOG_LINE.findall(stderr):
        try:
            found.append(str(json.loads(text)))
        except ValueError:
            found.append(text)
    return "\n".join(found)


def _clean(stderr: str, directory: str, values: Mapping[str, str]) -> str:
    """Compose's sentence without log lines, our directory, and any value that was handed in."""
    text = "\n".join(line for line in stderr.splitlines() if not _LOG_LINE.match(line) and line.strip())
    text = text.replace(directory.rstrip("/") + "/", "")
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        if len(value) > 3:
            text = text.replace(value, f"${{{name}}}")
    text = _QUOTES.sub(r"\1 (in an env file; not shown)", text)
    text = " ".join(text.replace(": invalid compose project", "").split())
    text = re.sub(r"^(line \d+: )", r"an env_file, \1", text)  # Compose does not say which
    return text[:600] or "docker compose gave no reason"


def _invalid(shown: str, sentence: str) -> Refused:
    return Refused(
        f"{shown} cannot be used: {sentence}",
        code="compose_invalid",
        last_seen=sentence,
        next_step=f"Correct {shown} in service_source; `docker compose config` there says the same.",
    )


def _unset(names: Sequence[str], shown: str) -> Refused:
    return Refused(
        f"{shown} uses {'variables that are' if len(names) > 1 else 'a variable that is'} not set: {', '.join(names)}",
        code="variable_unset",
        last_seen=list(names),
        next_step=f"Set {names[0]} in service_environment (a secret: in service_secrets), or give it a default: "
        f"`${{{names[0]}:-}}`. A `$` that is meant as such is written `$$`.",
    )

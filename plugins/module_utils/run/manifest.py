# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release manifests: what a ``<version>.yml`` may say, made into one normal form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ..errors import Refused
from . import semver
from .variables import COMMIT, IMAGE, SERVICE, meant, shown, type_of

Manifest = dict[str, Any]

ACTIONS = ("job", "restart")
REVISION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_SCHEMA = ("revision", "compatible", "additive_to", "min", "max")
_MOST = 200  # entries of a list or mapping


def check_manifest(data: Any, version: str, revisions: Sequence[str] = ()) -> Manifest:
    """Return *data*, the content of ``<version>.yml``, in its normal form, or refuse and name the field.

    The normal form has every key: ``version``, ``type`` ("" when not given), ``changes`` (list of str), ``images``
    and ``environment`` (mappings of str), ``commit``, ``from`` ("" when not given), ``schema`` ({} or ``{revision,
    compatible: [...], additive_to: [...]}``), ``required_actions`` (list of ``{action: compose service}``), ``order``
    (list of compose services).

    A schema revision is a name and has no order of its own. ``compatible`` lists the revisions that the release can
    live with; without it that is ``revision`` only. ``min`` and ``max`` are short for a stretch of *revisions*, the
    history of the directory: the revisions of its manifests in the order of their versions.
    """
    where = f"{version}.yml"
    if not isinstance(data, Mapping):
        raise _invalid(where, "", f"must be a mapping, not {type_of(data)}")
    checks: dict[str, Callable[[Any], Any]] = {
        "version": lambda value: _version(where, value, version),
        "type": lambda value: _choice(where, "type", value, semver.CHANGES),
        "changes": lambda value: [_line(where, f"changes[{i}]", x) for i, x in _entries(where, "changes", value)],
        "images": lambda value: _map(where, "images", value, SERVICE, lambda field, x: _image(where, field, x)),
        "commit": lambda value: _match(where, "commit", value, COMMIT, "7 to 64 lower-case hex digits"),
        "schema": lambda value: _schema(where, value, revisions),
        "required_actions": lambda value: _actions(where, value),
        "order": lambda value: _order(where, value),
        "environment": lambda value: _map(
            where, "environment", value, VARIABLE, lambda field, x: _setting(where, field, x)
        ),
        "from": lambda value: _range(where, value),
    }
    _known(where, "", data, checks)
    if data.get("version") is None:
        raise _invalid(where, "version", "is missing", f'Write `version: "{version}"`.')
    empty: Manifest = {
        "type": "",
        "changes": [],
        "images": {},
        "commit": "",
        "schema": {},
        "required_actions": [],
        "order": [],
        "environment": {},
        "from": "",
    }
    return {**empty, **{name: checks[name](value) for name, value in data.items() if value is not None}}


def check_type(manifest: Mapping[str, Any], from_version: str) -> str:
    """Return the kind of change from *from_version* to the manifest's version; refuse when it declares another one.

    The kind is ``hotfix``, ``minor``, ``major``, ``downgrade``, ``same``, or ``unknown`` when *from_version* is "" or
    no SemVer version (a release that was made from an image has none). Refuse too when *from_version* is outside the
    manifest's ``from``.
    """
    version, declared = manifest["version"], manifest["type"]
    if not semver.is_version(from_version):
        return "unknown"
    kind = semver.change(from_version, version)
    if kind == "same":
        return kind
    if manifest["from"] and not semver.in_range(from_version, manifest["from"]):
        raise _invalid(
            f"{version}.yml",
            "from",
            f'"{manifest["from"]}" leaves out the live version {from_version}',
            "Apply a version in between first, or correct the range.",
        )
    if declared and declared != kind:
        raise _invalid(
            f"{version}.yml",
            "type",
            f"is {declared}, but {from_version} to {version} is a {kind}",
            "Correct the type, or give the release another version."
            if kind in semver.CHANGES
            else f"To go back to {version} run rollback.yml.",
        )
    return kind


def _invalid(where: str, field: str, problem: str, next_step: str = "") -> Refused:
    return Refused(
        f"manifest {where}: {field + ' ' if field else ''}{problem}",
        code="manifest_invalid",
        last_seen={"file": where, "field": field},
        next_step=next_step or f"Correct {field or 'the manifest'} in {where} and run again.",
    )


def _known(where: str, field: str, data: Mapping[Any, Any], known: Any) -> None:
    for key in data:
        if key not in known:
            raise _invalid(
                where, f"{field}." * bool(field) + str(shown(key))[:60], f"is unknown{meant(str(key), known)}",
                f"Known are: {', '.join(known)}.",
            )  # fmt: skip


def _text(where: str, field: str, value: Any, longest: int = 500) -> str:
    if not isinstance(value, str):
        raise _invalid(where, field, f"must be a string, not {type_of(value)}: quote it")
    if not value.strip():
        raise _invalid(where, field, "is empty")
    if len(value) > longest:
        raise _invalid(where, field, f"is {len(value)} characters long; the limit is {longest}")
    return value


def _line(where: str, field: str, value: Any) -> str:
    text = _text(where, field, value).strip()
    if not text.replace("\n", " ").isprintable():
        raise _invalid(where, field, f"contains characters that cannot be seen: {shown(text)}")
    return text


def _match(where: str, field: str, value: Any, pattern: str, what: str) -> str:
    text = _text(where, field, value)
    if not re.fullmatch(pattern, text):
        raise _invalid(where, field, f"must be {what}, not {shown(text)}")
    return text


def _choice(where: str, field: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        hint = meant(value, choices) if isinstance(value, str) else ""
        raise _invalid(where, field, f"must be one of {', '.join(choices)}, not {shown(value)}{hint}")
    return str(value)


def _entries(where: str, field: str, value: Any) -> list[tuple[int, Any]]:
    if not isinstance(value, (list, tuple)):
        raise _invalid(where, field, f"must be a list, not {type_of(value)}")
    if len(value) > _MOST:
        raise _invalid(where, field, f"has {len(value)} entries; the limit is {_MOST}")
    return list(enumerate(value))


def _map(
    where: str, field: str, value: Any, key_pattern: str, item: Callable[[str, Any], str]
) -> dict[str, str]:  # fmt: skip
    if not isinstance(value, Mapping):
        raise _invalid(where, field, f"must be a mapping, not {type_of(value)}")
    if len(value) > _MOST:
        raise _invalid(where, field, f"has {len(value)} entries; the limit is {_MOST}")
    for key in value:
        if not isinstance(key, str) or not re.fullmatch(key_pattern, key):
            raise _invalid(where, field, f"has the key {shown(key)}, which is no name")
    return {key: item(f"{field}.{key}", entry) for key, entry in value.items()}


def _version(where: str, value: Any, expected: str) -> str:
    text = _text(where, "version", value)
    if not semver.is_version(text):
        raise _invalid(where, "version", f"must be a SemVer version like 1.1.0, not {shown(text)}")
    if text != expected:
        raise _invalid(where, "version", f"is {text}, but the file is named {where}", "Make both the same.")
    return text


def _image(where: str, field: str, value: Any) -> str:
    return _match(where, field, value, IMAGE, "an image reference like registry.example.com/app:1.1.0 or …@sha256:…")


def _service(where: str, field: str, value: Any) -> str:
    return _match(where, field, value, SERVICE, "the name of a compose service")


def _setting(where: str, field: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # Booleans and floats would not come out as they were written: `yes`, `1.10`.
    if not isinstance(value, str):
        raise _invalid(where, field, f"must be a string, not {type_of(value)}: quote it")
    if "\0" in value or len(value) > 32768:
        raise _invalid(where, field, "is too long or contains a null character")
    return value


def _range(where: str, value: Any) -> str:
    text = _text(where, "from", value)
    try:
        semver.check_range(text)
    except Refused as refused:
        raise _invalid(where, "from", f"{refused.detail}", refused.next_step) from None
    return text


def _order(where: str, value: Any) -> list[str]:
    names = [_service(where, f"order[{index}]", name) for index, name in _entries(where, "order", value)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise _invalid(where, f"order[{index}]", f"names {name} a second time")
    return names


def _actions(where: str, value: Any) -> list[dict[str, str]]:
    actions = []
    for index, entry in _entries(where, "required_actions", value):
        field = f"required_actions[{index}]"
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise _invalid(
                where, field, "must be a mapping of one action to a compose service", "Write `- job: migrate`."
            )
        _known(where, field, entry, ACTIONS)
        action, service = next(iter(entry.items()))
        actions.append({str(action): _service(where, f"{field}.{action}", service)})
    return actions


def _schema(where: str, value: Any, history: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(
            where, "schema", f"must be a mapping, not {type_of(value)}", 'Write `schema: {revision: "0002"}`.'
        )
    _known(where, "schema", value, _SCHEMA)
    revision = _revision(where, "schema.revision", value.get("revision"))
    additive = value.get("additive_to")
    stretch = [name for name in ("min", "max") if value.get(name) is not None]
    if stretch and value.get("compatible") is not None:
        raise _invalid(where, f"schema.{stretch[0]}", "cannot be given beside compatible", "Give one of both.")
    if stretch:
        compatible = _stretch(where, value, revision, history)
    else:
        compatible = _revisions(where, "schema.compatible", value.get("compatible", revision))
    if revision not in compatible:
        raise _invalid(where, "schema.compatible", f"does not list the release's own revision {revision}")
    return {
        "revision": revision,
        "compatible": compatible,
        "additive_to": _revisions(where, "schema.additive_to", additive) if additive is not None else [],
    }


def _stretch(where: str, value: Mapping[str, Any], revision: str, history: Sequence[str]) -> list[str]:
    """The revisions from ``min`` to ``max`` (each the own one when not given) in the directory's history."""
    ends = {
        name: _revision(where, f"schema.{name}", value[name]) if value.get(name) is not None else revision
        for name in ("min", "max")
    }
    known = [*history, revision] if revision not in history else list(history)
    for name, end in ends.items():
        if end not in known:
            raise _invalid(
                where,
                f"schema.{name}",
                f"is {end}, which no manifest of the directory has as its revision",
                f"Name the revisions in schema.compatible instead. Known are: {', '.join(known[-20:])}.",
            )
    low, own, high = known.index(ends["min"]), known.index(revision), known.index(ends["max"])
    if not low <= own <= high:
        field = "min" if low > own else "max"
        raise _invalid(
            where,
            f"schema.{field}",
            f"is {ends[field]}, {'after' if field == 'min' else 'before'} the release's own revision {revision}",
        )
    return known[low : high + 1]


def _revisions(where: str, field: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [_revision(where, field, value)]
    names = [_revision(where, f"{field}[{index}]", name) for index, name in _entries(where, field, value)]
    return list(dict.fromkeys(names))


def _revision(where: str, field: str, value: Any) -> str:
    if value is None:
        raise _invalid(where, field, "is missing", "Give the revision that the release brings the database to.")
    return _match(where, field, value, REVISION, "the name of a schema revision")

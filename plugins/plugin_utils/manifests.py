# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of release manifests on the controller: which versions there are, and one of them, checked."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run import semver
from ansible_collections.steady.runbooks.plugins.module_utils.run.manifest import Manifest, check_manifest
from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import check_value, shown

LARGEST = 256 * 1024  # bytes
DEEPEST = 20  # levels


def list_versions(directory: str) -> list[str]:
    """The versions that *directory* has a manifest for, lowest first."""
    try:
        names = [path.stem for path in Path(directory).iterdir() if path.suffix == ".yml" and path.is_file()]
    except OSError as error:
        raise Refused(
            f"the directory of release manifests cannot be read: {directory} ({error.strerror})",
            code="no_manifests",
            next_step="Set service_manifests to the directory that has the <version>.yml files.",
        ) from None
    return sorted((name for name in names if semver.is_version(name)), key=semver.precedence)


def find_manifest(directory: str, version: str) -> Manifest:
    """The checked manifest of *version*, or a refusal that lists the versions there are."""
    check_value("version", version)
    versions = list_versions(directory)
    if version not in versions:
        listed = ", ".join(versions[-20:]) or "none"
        close = difflib.get_close_matches(version, versions, n=1, cutoff=0.5)
        raise Refused(
            f"there is no release manifest of version {shown(version)}" + (f" (nearest: {close[0]})" if close else ""),
            code="unknown_version",
            last_seen=versions,
            next_step=f"Give one of: {listed}; or add {version}.yml to {directory}.",
        )
    data = _read(directory, version)
    return check_manifest(data, version, _history(directory, versions) if _has_stretch(data) else ())


def load_manifest(text: str, name: str) -> Manifest:
    """Check the manifest *text* of the file *name* (``1.1.0.yml``) by itself: no ``min`` or ``max`` of others."""
    return check_manifest(parse_yaml(text, name), Path(name).stem)


def _read(directory: str, version: str) -> Any:
    path = Path(directory, f"{version}.yml")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise _broken(path.name, f"cannot be read: {error.strerror}") from None
    try:
        return parse_yaml(content.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError:
        raise _broken(path.name, "is not UTF-8 text") from None


def _has_stretch(data: Any) -> bool:
    schema = data.get("schema") if isinstance(data, dict) else None
    return isinstance(schema, dict) and ("min" in schema or "max" in schema)


def _history(directory: str, versions: list[str]) -> list[str]:
    """The schema revisions of all manifests in the order of their versions, each once."""
    revisions: dict[str, None] = {}
    for version in versions:
        data = _read(directory, version)
        schema = data.get("schema") if isinstance(data, dict) else None
        revision = schema.get("revision") if isinstance(schema, dict) else None
        if isinstance(revision, str):
            revisions.setdefault(revision)
    return list(revisions)


def parse_yaml(text: str, name: str) -> Any:
    """Parse one YAML document of plain data; refuse what is too large, too deep, aliased or given twice."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise _broken(name, f"is larger than {LARGEST // 1024} KiB")
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise _broken(name, f"is no plain YAML: {error.problem or error.context}{place}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _broken(name, f"is no plain YAML: {str(error).splitlines()[0]}") from None


def _broken(name: str, problem: str) -> Refused:
    return Refused(
        f"manifest {name} {problem}",
        code="manifest_invalid",
        last_seen={"file": name, "field": ""},
        next_step=f"Correct {name} and run again.",
    )


class _Loader(yaml.SafeLoader):
    """Plain data only: no aliases (they can grow without bound), no key twice, a bounded depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not accepted", self.peek_event().start_mark)
        if self.depth >= DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, f"it is nested deeper than {DEEPEST} levels", self.peek_event().start_mark
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key_node.value)} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

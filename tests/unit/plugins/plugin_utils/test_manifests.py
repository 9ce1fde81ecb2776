# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.plugin_utils.manifests import (
    find_manifest,
    list_versions,
    load_manifest,
    parse_yaml,
)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    for version, schema in (
        ("1.9.0", '{revision: "b", min: "a"}'),
        ("1.10.0", '{revision: "c"}'),
        ("1.0.0", '{revision: "a", max: "b"}'),
    ):
        (tmp_path / f"{version}.yml").write_text(f'version: "{version}"\nschema: {schema}\n')
    (tmp_path / "README.md").write_text("no manifest")
    (tmp_path / "notes.yml").write_text("no manifest")
    return str(tmp_path)


def test_versions_are_listed_by_precedence(directory: str) -> None:
    assert list_versions(directory) == ["1.0.0", "1.9.0", "1.10.0"]


def test_manifest_is_found_with_the_history_of_the_others(directory: str) -> None:
    assert find_manifest(directory, "1.9.0")["schema"]["compatible"] == ["a", "b"]
    assert find_manifest(directory, "1.0.0")["schema"]["compatible"] == ["a", "b"]
    assert find_manifest(directory, "1.10.0")["schema"]["compatible"] == ["c"]


def test_unknown_version_names_the_nearest_and_all(directory: str) -> None:
    with pytest.raises(Refused) as caught:
        find_manifest(directory, "1.9.1")
    error = caught.value
    assert error.code == "unknown_version"
    assert error.detail == "there is no release manifest of version '1.9.1' (nearest: 1.9.0)"
    assert error.next_step == f"Give one of: 1.0.0, 1.9.0, 1.10.0; or add 1.9.1.yml to {directory}."


@pytest.mark.parametrize("version", ["../secret", "/etc/passwd", "notes", "1.0.0/../1.9.0", "1.0.0\0"])
def test_version_is_no_path(directory: str, version: str) -> None:
    with pytest.raises(Refused) as caught:
        find_manifest(directory, version)
    assert caught.value.code == "invalid_variable"


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        find_manifest(str(tmp_path / "nowhere"), "1.0.0")
    assert caught.value.code == "no_manifests"
    assert "service_manifests" in caught.value.next_step


def test_another_broken_manifest_is_no_hindrance_unless_the_history_is_needed(directory: str) -> None:
    Path(directory, "2.0.0.yml").write_text("{")
    assert find_manifest(directory, "1.10.0")["version"] == "1.10.0"
    with pytest.raises(Refused, match=r"manifest 2\.0\.0\.yml is no plain YAML"):
        find_manifest(directory, "1.9.0")


def test_load_manifest_by_its_name() -> None:
    assert load_manifest('version: "1.0.0"', "1.0.0.yml")["version"] == "1.0.0"
    with pytest.raises(Refused, match=r"the file is named 1\.0\.1\.yml"):
        load_manifest('version: "1.0.0"', "1.0.1.yml")


BOMB = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "aliases are not accepted"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "aliases are not accepted"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is given twice (line 3, column 1)"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("? [a]\n: b\n", "a key must be plain text"),
        ("[" * 200_000, "nested deeper than 20 levels"),
        ("a: " * 1 + "{a: " * 50 + "}" * 50, "nested deeper than 20 levels"),
        ("#" * (256 * 1024 + 1), "larger than 256 KiB"),
        ("ä" * (128 * 1024 + 1), "larger than 256 KiB"),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("a: !vault x", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "is no plain YAML"),
        ("a: [", "is no plain YAML"),
        ("a: \x07", "is no plain YAML"),
        ("a: 2030-99-99", "is no plain YAML"),
        ("a: !!int nine", "is no plain YAML"),
    ],
)
def test_refused_yaml(text: str, said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Refused) as caught:
        parse_yaml(text, "1.0.0.yml")
    assert time.monotonic() - begun < 5
    assert caught.value.code == "manifest_invalid"
    assert caught.value.detail.startswith("manifest 1.0.0.yml is ")
    assert said in caught.value.detail
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"version: '\xe9'"])
def test_binary_file(directory: str, content: bytes) -> None:
    Path(directory, "1.0.0.yml").write_bytes(content)
    with pytest.raises(Refused, match=r"manifest 1\.0\.0\.yml is not UTF-8 text"):
        find_manifest(directory, "1.0.0")


def test_large_file_is_not_read_whole(directory: str) -> None:
    with Path(directory, "1.0.0.yml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Refused, match="larger than 256 KiB"):
        find_manifest(directory, "1.0.0")


def test_byte_order_mark(directory: str) -> None:
    Path(directory, "1.0.0.yml").write_bytes(b'\xef\xbb\xbfversion: "1.0.0"\r\n')
    assert find_manifest(directory, "1.0.0")["version"] == "1.0.0"

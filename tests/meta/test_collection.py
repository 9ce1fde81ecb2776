# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree as a whole: what it may contain, and what has to agree."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.tests.meta import tree

LICENSE_HEADER = """\
# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
# Written in two parts, because this file is searched too.
UNFINISHED = re.compile(
    "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "no" + "qa", "type: ig" + "nore", "pylint: dis" + "able"])
)
SKIPPED = re.compile("|".join(["skip_" + "list", "warn_" + "list", "no" + "-lint", r"\bnose" + r"c\b"]))
PRIVATE_PATH = re.compile(r"(?<![\w.}])/" + r"work/|/home/(?!node/)[a-z]+/")  # node is an image's
URL = re.compile(r"\b(?:https?|ssh|wss?)://(?:[^/@\s\"'`]+@)?(\[[0-9a-f:]+\]|[\w.-]+)")
# The ordinary public places that the documentation and the bootstrap of a host speak of.
PUBLIC = {
    "docs.ansible.com",
    "docs.docker.com",
    "download.docker.com",
    "galaxy.ansible.com",
    "github.com",
    "json-schema.org",
    "registry-1.docker.io",
    "semver.org",
    "www.gnu.org",
    "www.haproxy.org",
    "www.w3.org",
}


def text(path: Path) -> str | None:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


def found(pattern: re.Pattern[str], *, outside: tuple[str, ...] = ()) -> list[str]:
    """'file:line: text' of every match in the tree."""
    return [
        f"{tree.relative(path)}:{number}: {line.strip()[:120]}"
        for path in tree.files()
        if not tree.relative(path).startswith(outside or ("\0",))
        for number, line in enumerate((text(path) or "").splitlines(), 1)
        if pattern.search(line)
    ]


def is_ordinary(host: str) -> bool:
    """Whether anybody may read this host's name: this machine, an example, or a well-known public place."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.rstrip(".")
        reserved = name.split(".")[-1] in ("example", "invalid", "localhost", "test") or re.search(
            r"(^|\.)example\.(com|net|org)$", name
        )
        return "." not in name or bool(reserved) or name in PUBLIC
    return not address.is_global


def test_nothing_is_left_to_do() -> None:
    assert not found(UNFINISHED, outside=("LICENSE", "tests/meta/test_collection.py"))


def test_nothing_is_skipped() -> None:
    assert not found(SKIPPED, outside=("tests/meta/test_collection.py",))
    assert not [tree.relative(path) for path in tree.files() if "tests/sanity" in str(path) and "ignore" in path.name]


def test_no_path_of_somebodys_machine() -> None:
    assert not found(PRIVATE_PATH, outside=("tests/meta/test_collection.py",))


def test_only_ordinary_hosts_are_named() -> None:
    named = {
        f"{tree.relative(path)}: {host}"
        for path in tree.files()
        if path.name != "LICENSE"
        for host in URL.findall(text(path) or "")
        if not is_ordinary(host)
    }
    assert not sorted(named)


@pytest.mark.parametrize("folder", ["plugins", "tests"])
def test_files_are_short(folder: str) -> None:
    long = {
        tree.relative(path): lines
        for path in tree.files()
        if path.suffix == ".py"
        and tree.relative(path).startswith(f"{folder}/")
        and (lines := len((text(path) or "").splitlines())) > 400
    }
    assert not long


def test_every_python_file_has_the_header() -> None:
    bare = []
    for path in tree.files():
        content = text(path) if path.suffix == ".py" else None
        if content:
            start = content.partition("\n")[2] if content.startswith("#!") else content
            if not start.startswith(LICENSE_HEADER):
                bare.append(tree.relative(path))
    assert not bare


def test_dependencies_are_the_same_everywhere() -> None:
    galaxy = tree.load(tree.ROOT / "galaxy.yml")["dependencies"] or {}
    wanted = tree.load(tree.ROOT / "requirements.yml")["collections"]
    assert {"name": ".", "type": "dir"} in wanted
    assert {each["name"]: each["version"] for each in wanted if each["name"] != "."} == galaxy
    used = set()
    for path in tree.files():
        if tree.relative(path).startswith(("roles/", "playbooks/")) and path.suffix == ".yml":
            used |= set(
                re.findall(
                    r"^\s*(?:- )?((?!ansible\.|steady\.)[a-z0-9_]+\.[a-z0-9_]+)\.[a-z0-9_]+:", text(path) or "", re.M
                )
            )
    assert used <= set(galaxy)


def test_version_and_changelog() -> None:
    version = tree.load(tree.ROOT / "galaxy.yml")["version"]
    fragments = list((tree.ROOT / "changelogs" / "fragments").glob("*.yml"))
    released = tree.ROOT / "changelogs" / "changelog.yaml"
    assert fragments or (released.is_file() and version in tree.load(released)["releases"])


def test_every_inventory_can_be_read() -> None:
    source = tree.ROOT / "inventories"
    for path in [source, *sorted(source.glob("*.yml"))]:
        said = tree.run("ansible-inventory", "--inventory", str(path), "--list")
        assert said.returncode == 0, said.stderr
        assert not tree.warnings(said.stderr)
        groups = json.loads(said.stdout)
        if path != source:
            assert groups[path.stem]["hosts"] or groups[path.stem]["children"], "no group is named after the file"


def test_environments_do_not_see_each_others_values() -> None:
    """group_vars beside hosts of one environment would be loaded for all of them."""
    assert not list((tree.ROOT / "inventories").glob("*/group_vars"))
    assert not list((tree.ROOT / "inventories" / "group_vars").glob("all*"))


def test_inventories_are_below_the_ansible_cfg() -> None:
    settings = configparser.ConfigParser()
    settings.read(tree.ROOT / "ansible.cfg")
    assert settings["defaults"]["inventory"] == "inventories"
    assert settings["inventory"]["any_unparsed_is_failed"] == "true"
    assert settings["connection"]["pipelining"] == "true"
    assert settings["defaults"]["inject_facts_as_vars"] == "false"


def test_the_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (tree.ROOT / "Makefile").read_text()))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`|\s*#|\s*$)", (tree.ROOT / "README.md").read_text(), re.M))
    assert named <= targets

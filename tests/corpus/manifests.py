# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release manifests that are none."""

from __future__ import annotations

from typing import Any

from .case import Case

FIELD = "manifest 1.1.0.yml: "
BOMB = "version: '1.1.0'\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)


def file(name: str, says: str, text: Any) -> Case:
    """A case whose 1.1.0.yml is *text*."""
    return Case(name, (says,), files={"releases/1.1.0.yml": text})


def field(name: str, says: str, line: str) -> Case:
    """A case whose manifest is right but for *line*."""
    return file(name, FIELD + says, f'version: "1.1.0"\n{line}\n')


CASES = [
    # -- as files
    file("empty", "must be a mapping, not null", ""),
    file("a list", "must be a mapping, not a list", "- version: 1.1.0\n"),
    file("a text", "must be a mapping, not a string", "1.1.0\n"),
    file("two documents", "is no plain YAML", "version: '1.1.0'\n---\nversion: '1.2.0'\n"),
    file("no YAML", "manifest 1.1.0.yml is no plain YAML", "version: '1.1.0\n"),
    file("a tab", "is no plain YAML", "changes:\n\t- x\n"),
    file("JSON that breaks off", "is no plain YAML", '{"version": "1.1.0", '),
    file("binary", "manifest 1.1.0.yml is not UTF-8 text", b"\x7fELF\x02\x01\x01\x00\xff\xfe"),
    file("Latin 1", "is not UTF-8 text", b'version: "1.1.0"\nchanges: ["gr\xfc\xdfe"]\n'),
    file("UTF-16", "is not UTF-8 text", 'version: "1.1.0"\n'.encode("utf-16")),
    file("a null character", "is no plain YAML", b'version: "1.1.0"\x00\n'),
    file("an escape character", "is no plain YAML", 'version: "1.1.0"\nchanges: [\x1b[31mred]\n'),
    file("half a character", "is not UTF-8 text", 'version: "1.1.0"\nchanges: ["\udcff"]\n'),
    file("aliases that grow", "is no plain YAML: aliases are not accepted", BOMB),
    file("an alias of itself", "aliases are not accepted", "version: '1.1.0'\nchanges: &a [*a]\n"),
    file("a merge of keys", "aliases are not accepted", "version: '1.1.0'\nx: &x {a: b}\nimages:\n  <<: *x\n"),
    file("very deep", "it is nested deeper than 20 levels", "version: '1.1.0'\nchanges: " + "[" * 5000 + "]" * 5000),
    file("very large", "is larger than 256 KiB", "version: '1.1.0'\n#" + "x" * 2_000_000),
    file("very many keys", "is larger than 256 KiB", "".join(f"k{number}: v\n" for number in range(50_000))),
    file("a call of Python", "is no plain YAML", "version: !!python/object/apply:os.system ['id']\n"),
    file("an object of Python", "is no plain YAML", "!!python/object/new:type {}\n"),
    file("a tag of Ansible", "is no plain YAML", "version: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n"),
    file("a tag of Compose", "is no plain YAML", "version: '1.1.0'\nimages: !reset {}\n"),
    file("a list as key", "a key must be plain text", "? [a, b]\n: c\n"),
    file("a key twice", "the key 'version' is given twice (line 2", "version: '1.1.0'\nversion: '1.1.0'\n"),
    file("a key twice inside", "the key 'web' is given twice", "version: '1.1.0'\nimages: {web: a, web: b}\n"),
    Case("not there", ("there is no release manifest of version '1.1.0'",), files={"releases/1.1.0.yml": None}),
    Case("a directory", ("no release manifest",), files={"releases/1.1.0.yml": None, "releases/1.1.0.yml/x": ""}),
    # -- version
    file("no version", 'version is missing. Write `version: "1.1.0"`.', "changes: [x]\n"),
    file("version without quotes", "version must be a string, not a number: quote it", "version: 1.1\n"),
    file("another version", "version is 1.2.0, but the file is named 1.1.0.yml", 'version: "1.2.0"\n'),
    file("version as a date", "version must be a string, not a date: quote it", "version: 2030-01-31\n"),
    file("version with a newline", "version must be a SemVer version", 'version: "1.1.0\\n"\n'),
    # -- fields
    field("an unknown key", "'imges' is unknown (did you mean 'images'?)", "imges: {}"),
    field("a key that looks like one", "'im\\u0430ges' is unknown", "im\u0430ges: {}"),
    field("a number as key", "1 is unknown", "1: x"),
    field("null as key", "None is unknown", "~: x"),
    field("type: another", "type must be one of hotfix, minor, major, not 'patch'", "type: patch"),
    field("type: a list", "type must be", "type: [minor]"),
    field("changes: a string", "changes must be a list, not a string", "changes: everything"),
    field("changes: a mapping inside", "changes[0] must be a string, not a mapping: quote it", "changes: [fix: it]"),
    field("changes: empty", "changes[1] is empty", "changes: [a, '  ']"),
    field("changes: too many", "changes has 201 entries; the limit is 200", f"changes: {['x'] * 201}"),
    field("changes: very long", "changes[0] is 60000 characters long", f"changes: [{'x' * 60_000}]"),
    field("changes: turned around", "changes[0] contains characters that cannot be seen", 'changes: ["a\u202eb"]'),
    field("changes: a colour", "changes[0] contains characters that cannot be seen", 'changes: ["\\e[31mred"]'),
    field("images: a list", "images must be a mapping, not a list", "images: [web]"),
    field("images: an option", "images.web must be an image reference", "images: {web: --privileged}"),
    field("images: a shell command", "images.web must be an image reference", 'images: {web: "hello:1; id"}'),
    field("images: a template", "images.web must be an image reference", "images: {web: '{{ image }}'}"),
    field("images: nothing", "images.web must be a string, not null", "images: {web: }"),
    field("images: a number", "images.web must be a string, not a number", "images: {web: 1.10}"),
    field("images: a path as service", "images has the key '../web', which is no name", "images: {../web: x}"),
    field("commit: short", "commit must be 7 to 64 lower-case hex digits", "commit: abc"),
    field("commit: digits without quotes", "commit must be a string, not a number: quote it", "commit: 1234567"),
    field("commit: an option", "commit must be", "commit: --upload-pack=id"),
    field(
        "environment: a boolean",
        "environment.DEBUG must be a string, not a boolean: quote it",
        "environment: {DEBUG: yes}",
    ),
    field("environment: a fraction", "environment.A must be a string, not a number", "environment: {A: 1.10}"),
    field("environment: a name with =", "environment has the key 'A=B'", "environment: {A=B: x}"),
    field("environment: a second line", "environment has the key 'A\\nB'", 'environment: {"A\\nB": x}'),
    field("environment: a null character", "environment.A is too long or contains a null", 'environment: {A: "\\0"}'),
    field("from: no range", "from '1.0 - 2.0' is no range of versions", "from: 1.0 - 2.0"),
    field("from: a number", "from must be a string, not a number", "from: 1.0"),
    field("order: a mapping", "order must be a list, not a mapping", "order: {web: 1}"),
    field("order: twice", "order[1] names web a second time", "order: [web, web]"),
    field(
        "required_actions: a string",
        "required_actions[0] must be a mapping of one action",
        "required_actions: [migrate]",
    ),
    field(
        "required_actions: unknown",
        "required_actions[0].'jobs' is unknown (did you mean 'job'?)",
        "required_actions: [jobs: migrate]",
    ),
    field("required_actions: a path", "required_actions[0].job must be the name", "required_actions: [job: ../x]"),
    field("schema: a string", "schema must be a mapping, not a string", "schema: '0002'"),
    field("schema: no revision", "schema.revision is missing", "schema: {min: '0001'}"),
    field("schema: a number", "schema.revision must be a string, not a number: quote it", "schema: {revision: 0002}"),
    field(
        "schema: SQL",
        "schema.revision must be the name of a schema revision",
        'schema: {revision: "1\'; drop table x; --"}',
    ),
    field("schema: not its own", "schema.compatible does not list", "schema: {revision: b, compatible: [a]}"),
    field(
        "schema: both ways",
        "schema.min cannot be given beside compatible",
        "schema: {revision: b, compatible: [b], min: a}",
    ),
    field("schema: unknown end", "schema.max is z, which no manifest", "schema: {revision: a, max: z}"),
    field("schema: an unknown key", "schema.'revison' is unknown (did you mean 'revision'?)", "schema: {revison: a}"),
]

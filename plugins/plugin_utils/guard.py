# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard refuses, as functions of what was said with ``-e`` and what the inventory says."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable

import yaml

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import (
    VARIABLES,
    check_value,
    meant,
    odd_character,
    shown,
    template_in,
    type_of,
)

MARK = "runbooks_environment"
PREFIX = "service_"
OF_ANSIBLE = ("ansible_", "awx_", "tower_")
PATTERN_CHARACTERS = set("*?[]!&:,~ ")


def check_variables(extra: Mapping[Any, Any], takes: Iterable[str], options: Iterable[str]) -> None:
    """Refuse extra variables that this runbook does not know, that hold a template, or whose value is malformed.

    *takes* are the request variables of this runbook beside ``env``; *options* are the documented options of the
    collection's roles. A request variable is also accepted under its role's name (``service_version``).
    """
    request = {"env", *takes}
    unknown = sorted(request - set(VARIABLES))
    if unknown:
        raise Refused(
            f"this playbook's guard takes '{unknown[0]}', which is no request variable of the collection",
            code="invalid_playbook",
            next_step=f"Take some of: {', '.join(sorted(VARIABLES))}.",
        )
    others = {PREFIX + name for name in set(VARIABLES) - request}
    known = request | set(options) - others | {PREFIX + name for name in request - {"env"}}
    for name in extra:
        _check_name(name, request, known)
    for name, value in extra.items():
        if template_in(value):
            raise Refused(
                f"the value of extra variable {shown(name)} contains a template",
                code="template",
                next_step="Give a plain value; what is computed, or contains '{{' itself, belongs in the inventory.",
            )
    for name in sorted(request - {"env"}):
        if name in extra and PREFIX + name in extra:
            raise Refused(
                f"both {name} and {PREFIX}{name} are given",
                code="invalid_variable",
                next_step=f"They are the same thing: give {name} only.",
            )
        check_value(name, extra.get(name))
        check_value(name, extra.get(PREFIX + name))


def _check_name(name: Any, request: set[str], known: set[str]) -> None:
    if isinstance(name, str) and (name in known or name.startswith(OF_ANSIBLE)):
        return
    accepted = ", ".join(sorted(request))
    step = f"This runbook takes {accepted}, and the options that `ansible-doc -t role steady.runbooks.service` shows."
    if name == "_raw_params":
        raise Refused(
            "an argument of -e is not of the form name=value",
            code="unknown_variable",
            next_step="Say for example `-e env=production`, and quote a value with spaces twice: "
            "`-e \"reason='as planned'\"`.",
        )
    short = name[len(PREFIX) :] if isinstance(name, str) and name.startswith(PREFIX) else name
    if isinstance(name, str) and short in VARIABLES:
        raise Refused(f"this runbook does not take '{name}'", code="unknown_variable", next_step=step)
    # A person who mistypes means a word of this runbook before one of the hundred settings.
    hint = meant(str(name), sorted(request)) or meant(str(name), sorted(known))
    raise Refused(f"unknown extra variable {shown(name)}{hint}", code="unknown_variable", next_step=step)


def check_environment(
    value: Any,
    groups: Mapping[str, list[str]],
    mark_of: Callable[[str], Any],
    limited: Iterable[str] | None = None,
    field: str = "env",
) -> str:
    """Return the environment that *value*, given as the variable *field*, names, or refuse.

    *groups* are the inventory's groups with the names of their hosts. *mark_of* gives the unrendered variable
    ``runbooks_environment`` of a host. *limited* are the hosts that ``--limit`` leaves.
    """
    marks = {host: mark_of(host) for host in groups.get("all", [])}
    named = {mark for mark in marks.values() if isinstance(mark, str) and mark in groups} - {"all", "ungrouped"}
    step = f"Environments of this inventory: {', '.join(sorted(named))}." if named else (
        f"Set `{MARK}: NAME` in the inventory's group_vars/NAME/ and name the inventory with -i."
    )  # fmt: skip

    def refused(detail: str, next_step: str = step) -> Refused:
        return Refused(detail, code="environment", next_step=next_step)

    if value is None or value == "":
        raise refused("no environment is given", f"Say which one with `-e env=NAME`. {step}")
    if not isinstance(value, str):
        raise refused(f"{field} must be a string, not {type_of(value)}")
    if value in ("all", "ungrouped"):
        raise refused(f"{field}={value} is no environment: it would act on hosts of several environments at once")
    odd = odd_character(value, ascii_only=True)
    if odd:
        raise refused(f"{field} contains {odd}: {shown(value)}")
    if PATTERN_CHARACTERS & set(value):
        raise refused(f"{field}={shown(value)} is a pattern; {field} names exactly one environment")
    if value not in groups:
        raise refused(f"unknown environment {shown(value)}{meant(value, sorted(named or groups))}")
    if not groups[value]:
        raise refused(f"environment '{value}' is empty: the group has no hosts")
    _check_members(value, groups, marks, named, refused)
    if limited is not None and not set(groups[value]) & set(limited):
        raise refused(
            f"--limit leaves no host of environment '{value}'",
            f"Its hosts are: {', '.join(groups[value][:20])}.",
        )
    return value


def _check_members(
    environment: str,
    groups: Mapping[str, list[str]],
    marks: Mapping[str, Any],
    named: set[str],
    refused: Callable[..., Refused],
) -> None:
    members = groups[environment]
    if environment not in named or all(marks[host] != environment for host in members):
        raise refused(f"group '{environment}' is no environment: no host in it has {MARK}={environment}")
    for host in members:
        others = sorted(other for other in named - {environment} if host in groups[other])
        if marks[host] != environment:
            mark = marks[host]
            if mark is None:
                told = f"does not have {MARK}"
            elif template_in(mark):
                told = f"has a template as {MARK}"
            else:
                told = f"has {MARK}={shown(mark)}"
            others = others or sorted(named & ({mark} if isinstance(mark, str) else set()))
            if not others:
                raise refused(
                    f"host '{host}' is in group '{environment}' but {told}",
                    f"Set `{MARK}: {environment}` once, in group_vars/{environment}/, for every host of the group.",
                )
        if others:
            raise refused(
                f"host '{host}' belongs to two environments: '{environment}' and '{others[0]}'",
                "Take it out of one; two services on one machine are two inventory hosts with one ansible_host.",
            )


@lru_cache(maxsize=4)
def documented_options(collection: Path) -> frozenset[str]:
    """The names of all options that the roles of *collection* document."""
    names: set[str] = set()
    for path in sorted(collection.glob("roles/*/meta/argument_specs.yml")):
        document = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for entry in document["argument_specs"].values():
            names.update(entry.get("options", {}))
    return frozenset(names)


def check_same_collection(loaded: Path, playbooks: Path) -> None:
    """Refuse a collection, loaded from *loaded*, that differs from the checkout that the playbook is run from.

    An equal copy is fine: that is what AWX makes of a project. A copy that went stale would run old code silently.
    """
    checkout = playbooks.resolve().parent
    if not _is_checkout(checkout) or loaded.resolve() == checkout:
        return
    differs = next(_differences(checkout, loaded.resolve()), None)
    if differs is None:
        return
    raise Refused(
        f"the playbook is of the checkout {checkout}, but the collection was loaded from {loaded}, where"
        f" {differs} differs",
        code="stale_collection",
        next_step="Install the checkout again: `ansible-galaxy collection install --force --no-deps"
        f" -p {loaded.parents[2]} {checkout}`.",
    )


def _is_checkout(directory: Path) -> bool:
    try:
        text = (directory / "galaxy.yml").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    names = dict(re.findall(r"^(namespace|name):[ ]*[\"']?(\w+)", text, re.MULTILINE))
    return names == {"namespace": "steady", "name": "runbooks"}


def _differences(one: Path, other: Path) -> Iterator[str]:
    """Files of the code that are not the same in both trees, as relative paths."""
    for part in ("plugins", "roles"):
        for name in sorted(_files(one / part) | _files(other / part)):
            try:
                if filecmp.cmp(one / part / name, other / part / name, shallow=False):
                    continue
            except OSError:
                pass  # missing or unreadable on one side is a difference
            yield f"{part}/{name}"


def _files(directory: Path) -> set[str]:
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }

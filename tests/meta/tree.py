# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the meta tests know of the tree: read from it, never listed by hand."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = "steady.runbooks"
PLUGINS = ROOT / "plugins"
# Kinds that ansible-doc knows, and their folders. Action plugins are documented by the module of the same name.
KINDS = {"module": "modules", "lookup": "lookup", "filter": "filter", "test": "test", "callback": "callback"}
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "COLUMNS": "500",
}


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment that runs the tests, in the checkout."""
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is, or will be, part of a commit."""
    said = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(sorted(path for name in said.stdout.split("\0") if name and (path := ROOT / name).is_file()))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def load(path: Path) -> Any:
    """The content of a YAML file; tags of Ansible (vault, unsafe) are read as plain text."""
    return yaml.load(path.read_text(), Loader=_Loader)


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


def plugins(kind: str) -> list[str]:
    """Names of the plugins in a folder of plugins/."""
    return sorted(path.stem for path in (PLUGINS / kind).glob("*.py") if path.stem != "__init__")


def documented() -> list[tuple[str, str]]:
    """(kind, name) of everything that ansible-doc has to answer for."""
    return [(kind, name) for kind, folder in KINDS.items() for name in plugins(folder)]


@functools.cache
def documentation(kind: str) -> dict[str, Any]:
    """What ansible-doc says about all plugins of a kind, by short name."""
    names = [f"{NAME}.{name}" for name in plugins(KINDS[kind])]
    said = run("ansible-doc", "--type", kind, "--json", *names)
    assert said.returncode == 0, said.stderr
    return {name.rpartition(".")[2]: content for name, content in json.loads(said.stdout).items()}


def roles() -> list[str]:
    return sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())


def playbooks() -> list[str]:
    return sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def header(playbook: str) -> str:
    """The comment at the top of a playbook, without its marks."""
    lines = []
    for line in (ROOT / "playbooks" / f"{playbook}.yml").read_text().splitlines():
        if line.startswith("#"):
            lines.append(line.lstrip("# "))
        elif line.strip() not in ("", "---"):
            break
    return "\n".join(lines)


def command(playbook: str) -> list[str]:
    """The arguments of the command that a playbook's header shows; what it shows in brackets is optional."""
    shown = re.search(rf"(?m)^ansible-playbook playbooks/{playbook}\.yml (.*-e env=.*)$", header(playbook))
    return shlex.split(re.sub(r"\[.*?\]", "", shown[1])) if shown else []


@functools.cache
def exercised() -> frozenset[tuple[str, str]]:
    """What tests on real hosts run: ('playbooks'|'roles'|'plugins', name).

    A test names a playbook, a role or a plugin; a playbook that is named brings its roles, and a role its modules.
    """
    folders = [ROOT / "tests" / folder for folder in ("integration", "molecule", "system")]
    tests = [path for path in files() if path.suffix in (".py", ".yml") and any(f in path.parents for f in folders)]
    parts: dict[tuple[str, str], list[Path]] = {
        **{("playbooks", name): [ROOT / "playbooks" / f"{name}.yml"] for name in playbooks()},
        **{("roles", name): list((ROOT / "roles" / name).glob("tasks/**/*.yml")) for name in roles()},
    }
    for folder in (*KINDS.values(), "action"):
        for name in plugins(folder):
            parts.setdefault(("plugins", name), []).append(PLUGINS / folder / f"{name}.py")
    marks = {
        "playbooks": r"""["'/\s]{}(\.yml)?["'\s]""",
        "roles": r"\bsteady\.runbooks\.{}\b",
        "plugins": r"\bsteady\.runbooks\.{}\b",
    }
    text = "\n".join(path.read_text() for path in tests)
    done: set[tuple[str, str]] = set()
    while True:
        new = {part for part in parts if part not in done and re.search(marks[part[0]].format(part[1]), text)}
        if not new:
            return frozenset(done)
        text = "\n".join(path.read_text() for part in new for path in parts[part] if path.is_file())
        done |= new


def imports(path: Path) -> set[str]:
    """Absolute names of everything that a Python file imports, `from a import b` as `a.b`."""
    package = f"ansible_collections.{NAME}.{'.'.join(path.relative_to(ROOT).parent.parts)}".split(".")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{stem}.{alias.name}" for alias in node.names)
    return found


def warnings(text: str) -> list[str]:
    """The lines of an Ansible program's output that warn."""
    return [line for line in text.splitlines() if re.search(r"\[(DEPRECATION )?WARNING\]|\[DEPRECATED\]", line)]

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard under the real ``ansible-playbook``: one error, an exit status other than 0, and no task has run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent

PLAYBOOK = """
---
- name: (1/2) Act
  hosts: "{{ lookup('steady.runbooks.environment', takes='version images reason') }}"
  gather_facts: false
  tasks:
    - name: Leave a trace
      ansible.builtin.copy:
        dest: "{{ trace }}/{{ inventory_hostname }}"
        content: "{{ version | default('none') }}"
        mode: "0644"

- name: (2/2) Act again
  hosts: "{{ lookup('steady.runbooks.environment', takes='version images reason') }}"
  gather_facts: false
  tasks:
    - name: Say where
      ansible.builtin.debug:
        msg: Acted on {{ inventory_hostname }}
"""
INVENTORY = """
---
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    trace: TRACE
production: {hosts: {p1: , p2: }}
staging: {hosts: {s1: }}
local: {hosts: {l1: }}
web: {hosts: {p1: , s1: }}
empty: {hosts: {}}
"""


class Project:
    """A directory with a guarded playbook and an inventory of three environments."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.collections = ROOT / ".ansible" / "collections"
        self.trace = root / "trace"
        self.trace.mkdir()
        (root / "playbooks").mkdir(exist_ok=True)
        (root / "playbooks" / "act.yml").write_text(PLAYBOOK.lstrip())
        (root / "inventory").mkdir()
        (root / "inventory" / "hosts.yml").write_text(INVENTORY.lstrip().replace("TRACE", str(self.trace)))
        for name in ("production", "staging", "local"):
            self.group_vars(name, f"runbooks_environment: {name}\n")

    def group_vars(self, group: str, text: str) -> None:
        directory = self.root / "inventory" / "group_vars" / group
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "main.yml").write_text(text)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{TOOLS}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
        }
        return subprocess.run(
            [str(TOOLS / program), *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def play(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("ansible-playbook", "-i", "inventory", "playbooks/act.yml", *arguments)

    def acts_on(self, hosts: list[str], *arguments: str) -> str:
        said = self.play(*arguments)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "WARNING" not in said.stderr + said.stdout
        assert sorted(os.listdir(self.trace)) == hosts
        return said.stdout

    def refuses(self, *arguments: str) -> str:
        said = self.play(*arguments)
        told = said.stdout + said.stderr
        assert said.returncode != 0, told
        assert os.listdir(self.trace) == []
        assert "TASK [" not in told
        assert "PLAY [" not in told
        assert "Traceback" not in told
        assert "WARNING" not in told
        assert told.count("ERROR") == 1
        return " ".join(told.split())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_acts_on_one_environment(project: Project) -> None:
    told = project.acts_on(["p1", "p2"], "-e", "env=production", "-e", "version=1.1.0")
    assert told.count("Acted on") == 2
    assert (project.trace / "p1").read_text() == "1.1.0"


def test_acts_on_a_part_of_it(project: Project) -> None:
    project.acts_on(["p2"], "-e", "env=production", "--limit", "p2")


def test_check_mode_and_listings(project: Project) -> None:
    project.acts_on([], "-e", "env=production", "--check", "--diff")
    assert "hosts (2)" in project.acts_on([], "-e", "env=production", "--list-hosts")
    project.acts_on([], "--syntax-check")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no environment is given. Say which one with `-e env=NAME`. Environments of this inventory: local,"),
        (["-e", "env=prodution"], "unknown environment 'prodution' (did you mean 'production'?)"),
        (["-e", "env=all"], "env=all is no environment"),
        (["-e", "env=ungrouped"], "env=ungrouped is no environment"),
        (["-e", "env=web"], "group 'web' is no environment"),
        (["-e", "env=empty"], "environment 'empty' is empty"),
        (["-e", "env=prod*"], "env='prod*' is a pattern"),
        (["-e", "env=production:staging"], "is a pattern"),
        (["-e", '{"env": ["production"]}'], "env must be a string, not a list"),
        (["-e", "env=prοduction"], "env contains the character U+03BF"),
        (["-e", "env=production", "-e", "verison=1.1.0"], "unknown extra variable 'verison' (did you mean 'version'?)"),
        (["-e", "env=production", "-e", "version=1.1"], "version is malformed: '1.1'"),
        (["-e", "env=production", "-e", "release=1.1.0"], "this runbook does not take 'release'"),
        (["-e", "env=production", "-e", '{"images": {"backend": "{{ 1 }}"}}'], "'images' contains a template"),
        (["-e", "env=production", "-e", "runbooks_environment=web"], "unknown extra variable 'runbooks_environment'"),
        (["-e", "production"], "an argument of -e is not of the form name=value"),
    ],
)
def test_refusals_under_limit_too(project: Project, arguments: list[str], said: str) -> None:
    assert said in project.refuses(*arguments, "--limit", "p1")


def test_refusal_without_limit(project: Project) -> None:
    assert "unknown environment 'prod'" in project.refuses("-e", "env=prod")


def test_a_limit_outside_the_environment(project: Project) -> None:
    told = project.refuses("-e", "env=production", "--limit", "s1")
    assert "--limit leaves no host of environment 'production'. Its hosts are: p1, p2." in told


@pytest.mark.parametrize("name", ["env", "version", "reason", "ansible_user"])
def test_a_template_is_never_executed(project: Project, name: str) -> None:
    value = f"{{{{ lookup('pipe', 'touch {project.root}/executed') }}}}"
    told = project.refuses("-e", "env=production", "-e", f'{name}="{value}"')
    assert f"the value of extra variable '{name}' contains a template" in told
    assert "touch" not in told
    assert not (project.root / "executed").exists()


def test_a_template_with_other_marks_is_never_executed(project: Project) -> None:
    header = "#jinja2:variable_start_string:'[%',variable_end_string:'%]'\n"
    reason = header + f"[% lookup('pipe', 'touch {project.root}/executed') %]"
    (project.root / "more.json").write_text(json.dumps({"reason": reason}))
    told = project.refuses("-e", "env=production", "-e", "@more.json")
    assert "the value of extra variable 'reason' contains a template" in told
    assert not (project.root / "executed").exists()


def test_a_host_of_two_environments(project: Project) -> None:
    inventory = project.root / "inventory" / "hosts.yml"
    inventory.write_text(inventory.read_text().replace("{s1: }}\nlocal", "{s1: , p2: }}\nlocal"))
    told = project.refuses("-e", "env=production", "--limit", "p1")
    assert "host 'p2' belongs to two environments: 'production' and 'staging'" in told


def test_an_environment_that_is_whatever_was_asked_for(project: Project) -> None:
    project.group_vars("web", 'runbooks_environment: "{{ env }}"\n')
    assert "is no environment" in project.refuses("-e", "env=web")


def test_a_stale_copy_is_refused_and_the_command_mends_it(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", ".ansible", ".*_cache", "__pycache__", "tests", "examples")
    shutil.copytree(ROOT, checkout, ignore=ignored, symlinks=True)
    project = Project(checkout)
    project.collections = tmp_path / "installed"
    said = project.run(
        "ansible-galaxy", "collection", "install", "--force", "--no-deps", "-p", str(project.collections), str(checkout)
    )
    assert said.returncode == 0, said.stdout + said.stderr
    project.acts_on(["l1"], "-e", "env=local")
    (project.trace / "l1").unlink()

    defaults = checkout / "roles" / "service" / "defaults" / "main.yml"
    defaults.write_text(defaults.read_text() + "# changed\n")
    told = project.refuses("-e", "env=local")
    installed = project.collections / "ansible_collections" / "steady" / "runbooks"
    assert f"the playbook is of the checkout {checkout}, but the collection was loaded from {installed}" in told
    assert "roles/service/defaults/main.yml differs" in told

    command = shlex.split(told.split("Install the checkout again: `")[1].split("`")[0])
    said = project.run(*command)
    assert said.returncode == 0, said.stdout + said.stderr
    project.acts_on(["l1"], "-e", "env=local")

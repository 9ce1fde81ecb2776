# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our code on a host: wanted once, kept whole and compiled, and what a module imports from."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.carried import COPIES, HERE, OURS, content, digest, here

# What Ansible would bring with a module of ours; its answer is one line.
PACKED = ("__init__.py", "carried.py", "run/__init__.py", "run/files.py")
MODULE = f"""
import json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from {OURS}.carried import carried, keep
from {OURS}.run.files import Files

def exit_json(**told):
    print(json.dumps(told))
    sys.exit()

params = json.loads(sys.argv[2])
semver = carried(SimpleNamespace(params=params, tmpdir=sys.argv[3], exit_json=exit_json), "run.semver")
kept = keep(Files(params["state_directory"] + "/hello"), params["code"]) if sys.argv[4:] else ""
exit_json(file=semver.__file__, kept=kept)
"""


@pytest.fixture
def host(tmp_path):
    """``host(archive=False, keep=False, code=…)``: what a module is told that runs there."""
    source = content(here())
    packed = tmp_path / "packed"
    for name in PACKED:
        path = packed / HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.get(name, b""))
    (tmp_path / "tmp").mkdir()

    def call(archive=False, keep=False, code=None):
        code = code or source
        path = tmp_path / "code.zip"
        with zipfile.ZipFile(path, "w") as new:
            for name, text in code.items():
                new.writestr(f"{HERE}/{name}", text)
        settings = {"settings": {"name": "hello"}, "state_directory": str(tmp_path / "state")}
        params = {**settings, "code": {"digest": digest(code), "archive": str(path) if archive else None}}
        said = subprocess.run(
            [sys.executable, "-c", MODULE, packed, json.dumps(params), tmp_path / "tmp", *(["keep"] if keep else [])],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={},
        )
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    call.source, call.copies = source, tmp_path / "state" / "hello" / "code"
    return call


def test_is_wanted_once(host):
    assert host() == {"changed": False, "code_wanted": True}
    assert "/tmp/code/" in host(archive=True)["file"]
    assert not host.copies.exists(), "a call that keeps nothing has left something"
    told = host(archive=True, keep=True)
    assert Path(told["kept"]) == host.copies / digest(host.source)
    assert host()["file"].startswith(told["kept"])
    assert host(keep=True)["kept"] == told["kept"]


def test_is_kept_compiled_so_that_a_call_that_only_looks_writes_nothing(host):
    kept = Path(host(archive=True, keep=True)["kept"])
    every = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    assert len([path for path in every if path.suffix == ".pyc"]) == len(host.source)
    host()
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == every


@pytest.mark.parametrize("broken", ["", "import os\n"], ids=["emptied by a power cut", "edited"])
def test_a_copy_that_is_not_whole_is_not_used(host, broken):
    kept = Path(host(archive=True, keep=True)["kept"])
    (kept / HERE / "run" / "semver.py").write_text(broken)
    assert host() == {"changed": False, "code_wanted": True}
    assert host(archive=True, keep=True)["kept"] == str(kept)
    assert content(str(kept / HERE)) == host.source


def test_old_copies_go(host):
    every = [host(archive=True, keep=True, code={**host.source, "new.py": b"#" * n})["kept"] for n in range(COPIES + 2)]
    assert sorted(map(str, host.copies.iterdir())) == sorted(every[-COPIES:])


def test_where_no_code_was_brought_it_is_what_runs(tmp_path):
    from ansible_collections.steady.runbooks.plugins.module_utils.carried import keep
    from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files

    root = keep(Files(str(tmp_path)), None)
    assert Path(root, HERE, "carried.py").is_file()
    assert not list(tmp_path.iterdir())

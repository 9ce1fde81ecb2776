# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory is told by the kernel, of the container that was asked for and of no other; else by the engine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose import memory

ID = "15d8896935cd"
CONTAINER = {"Id": ID, "State": {"Pid": 42}}
FIRST = f"9:name=systemd:/docker/{ID}\n4:cpu,memory:/other\n3:memory:/docker/{ID}\n0::/docker/{ID}\n"
SECOND = f"0::/system.slice/docker-{ID}.scope\n"
STAT = "cache 5\ninactive_file 300\ntotal_inactive_file 400\n"


class Engine:
    """Answers like /stats."""

    def json(self, _method, path):
        assert path.startswith(f"/containers/{ID}/stats")
        return 200, {"memory_stats": {"usage": 70, "stats": {"inactive_file": 20}}}


HOST = SimpleNamespace(docker=SimpleNamespace(engine=Engine()))


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """``kernel(cgroup of the process, {file: text})``: what it tells."""
    monkeypatch.setattr(memory, "PROCESSES", str(tmp_path / "proc"))
    monkeypatch.setattr(memory, "CGROUPS", str(tmp_path / "cgroup"))

    def tell(cgroup, files):
        for file, text in {
            "proc/42/cgroup": cgroup,
            **{f"cgroup/{name}": text for name, text in files.items()},
        }.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text)

    return tell


def test_of_cgroup_version_1(kernel):
    where = f"memory/docker/{ID}"
    kernel(FIRST, {f"{where}/memory.usage_in_bytes": "1000\n", f"{where}/memory.stat": STAT})
    assert memory.memory_in_use(HOST, CONTAINER) == 600


def test_of_cgroup_version_2(kernel):
    where = f"system.slice/docker-{ID}.scope"
    kernel(SECOND, {f"{where}/memory.current": "1000\n", f"{where}/memory.stat": "anon 1\ninactive_file 300\n"})
    assert memory.memory_in_use(HOST, CONTAINER) == 700


@pytest.mark.parametrize("cgroup", [SECOND.replace(ID, "another"), "0::/../../elsewhere\n", "", SECOND])
def test_the_engine_is_asked_when_the_process_is_not_here(kernel, cgroup):
    kernel(cgroup, {})
    assert memory.memory_in_use(HOST, CONTAINER) == 50


def test_a_host_that_is_not_the_engines(kernel, tmp_path):
    kernel("", {})
    assert memory.host_memory({"MemTotal": 1000 * 1024}) == {}
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 600 kB\n")
    assert memory.host_memory({"MemTotal": 1000 * 1024}) == {"available": 600 * 1024}
    assert memory.host_memory({"MemTotal": 5000 * 1024}) == {}

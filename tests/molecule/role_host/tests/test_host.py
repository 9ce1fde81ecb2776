# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that had nothing of Docker is one that the compose platform can use."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(name="info")
def _info(host):
    return json.loads(host.check_output("docker info --format '{{json .}}'"))


def test_the_engine_answers(info):
    assert not info.get("ServerErrors")
    assert info["ServerVersion"] >= "20.10"


def test_containers_outlive_a_restart_of_the_engine(host, info):
    assert info["LiveRestoreEnabled"] is True
    assert json.loads(host.file("/etc/docker/daemon.json").content_string) == {"live-restore": True}


def test_compose_is_version_2(host):
    assert host.check_output("docker compose version --short").lstrip("v").startswith(("2.", "5."))


def test_only_root_reads_the_state(host):
    directory = host.file("/var/lib/steady")
    assert (directory.is_directory, directory.user, directory.mode) == (True, "root", 0o700)


def test_the_engine_belongs_to_no_connection(host):
    assert host.file("/var/log/dockerd.log").size > 0
    daemon = host.process.get(comm="dockerd")
    assert daemon.ppid == 1

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host lacks, for every kind of host, without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.decide import Wish, decide, packages
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.observe import Seen
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

READY = Seen(
    distribution="debian",
    codename="trixie",
    python=(3, 13),
    root=True,
    docker=True,
    dockerd=True,
    engine="26.1.5+dfsg1",
    compose="2.26.1-4",
    live_restore=True,
    daemon_pid=7,
    config={"live-restore": True},
    directory="0700",
)
BARE = Seen(distribution="debian", codename="trixie", python=(3, 13), root=True, directory="absent")
STOPPED = replace(READY, engine="", live_restore=False, daemon_pid=0, config={})
OFF = replace(READY, live_restore=False, config={})
WISH = Wish()


def steps(seen, wish=WISH):
    return [change.step for change in decide(seen, wish)[0]]


def refused(seen, wish=WISH):
    with pytest.raises(Refused) as caught:
        decide(seen, wish)
    assert caught.value.next_step
    return caught.value


def test_a_host_that_is_ready_is_left_alone():
    assert decide(READY, WISH) == ([], [])
    assert decide(replace(READY, root=False), Wish(install=False)) == ([], [])


def test_a_bare_host_gets_everything_in_order():
    assert steps(BARE) == ["packages", "engine", "live_restore", "directory"]


def test_an_engine_that_only_does_not_run_is_started():
    assert steps(STOPPED) == ["engine", "live_restore"]
    assert steps(replace(STOPPED, config={"live-restore": True})) == ["engine"]


def test_an_engine_that_is_not_of_this_host_is_used_as_it_is():
    changes, warnings = decide(replace(OFF, dockerd=False, daemon_pid=0), WISH)
    assert (changes, len(warnings)) == ([], 1)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (replace(OFF, config_error="/etc/docker/daemon.json is not a JSON object"), "not a JSON object"),
        (replace(OFF, swarm=True), "swarm"),
        (replace(OFF, daemon_pid=0), "not on this host"),
    ],
)
def test_live_restore_is_left_alone_where_it_could_do_harm(seen, said):
    changes, warnings = decide(seen, WISH)
    assert changes == []
    assert said in warnings[0]


def test_live_restore_is_only_touched_when_asked():
    assert steps(OFF) == ["live_restore"]
    assert decide(OFF, Wish(live_restore=False)) == ([], [])


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (BARE, "docker.io, iptables, ca-certificates, docker-cli, docker-compose from debian trixie"),
        (
            replace(BARE, codename="bookworm"),
            "docker.io, iptables, ca-certificates from debian bookworm; docker-compose from Debian trixie",
        ),
        (
            replace(BARE, distribution="ubuntu", codename="noble"),
            "docker.io, iptables, ca-certificates, docker-compose-v2 from ubuntu noble",
        ),
        (
            replace(BARE, repository_answers=True),
            "docker-ce, docker-ce-cli, containerd.io, docker-compose-plugin from https://download.docker.com/linux",
        ),
        # An engine is completed from where it came from, whatever else can be reached.
        (replace(READY, compose="", repository_answers=True), "docker-compose from debian trixie"),
        (replace(READY, compose="", codename="bookworm"), "docker-compose from Debian trixie"),
        (
            replace(READY, compose="", docker_ce=True, repository_answers=True),
            "docker-compose-plugin from https://download.docker.com/linux",
        ),
    ],
)
def test_where_packages_come_from(seen, text):
    assert str(packages(seen, WISH)) == text


@pytest.mark.parametrize(
    ("seen", "wish", "code"),
    [
        (replace(BARE, distribution="fedora", codename=""), WISH, "distribution"),
        (replace(BARE, codename="bullseye"), WISH, "distribution"),
        (BARE, Wish(packages_from="docker"), "repository"),
        (BARE, Wish(install=False), "docker_missing"),
        (STOPPED, Wish(install=False), "docker_missing"),
        (replace(READY, compose=""), Wish(install=False), "docker_missing"),
        (replace(STOPPED, config_error="/etc/docker/daemon.json cannot be read"), WISH, "daemon_json"),
        (replace(READY, python=(3, 8)), WISH, "too_old"),
        (replace(READY, engine="19.03.8"), WISH, "too_old"),
        (replace(READY, engine="1.13.1"), WISH, "too_old"),
        (replace(READY, compose="v2.19.1"), WISH, "too_old"),
        (replace(READY, compose="dev"), WISH, "too_old"),
        (replace(READY, directory="other"), WISH, "state_directory"),
        (replace(READY, root=False, directory="absent"), WISH, "not_root"),
    ],
)
def test_what_is_refused_before_anything_changes(seen, wish, code):
    assert refused(seen, wish).code == code


@pytest.mark.parametrize(
    ("engine", "compose"), [("20.10.0", "2.20.0"), ("29.1.3", "v5.0.1"), ("20.10.24+dfsg1", "2.26.1-4")]
)
def test_versions_that_are_new_enough(engine, compose):
    assert decide(replace(READY, engine=engine, compose=compose), WISH) == ([], [])

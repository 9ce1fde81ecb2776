# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 of an adoption and of the way back at each step: recover.yml ends in plain compose or in a slot, whole.

At its beginning or in the middle of it; ``make prove`` (STEADY_PROVE=1) does both, and ends each in every direction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Callable

import pytest

from ansible_collections.steady.runbooks.tests.lab import lab
from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.acting import Acting
from ansible_collections.steady.runbooks.tests.system.hello import docker, free_port
from ansible_collections.steady.runbooks.tests.system.oracle import not_whole, recorded, unreported
from ansible_collections.steady.runbooks.tests.system.plain import Alone, Plain, differences
from ansible_collections.steady.runbooks.tests.system.scenario import end
from ansible_collections.steady.runbooks.tests.system.test_adopt import SHAPES

PROVE = os.environ.get("STEADY_PROVE") == "1"
WAYS = ("auto", "finish", "back") if PROVE else ("auto",)
# What must never run twice: a worker that is declared so, and what writes to its volume.
ALONE = {"profiles": "queue", "traefik": "app"}


@pytest.fixture(scope="module", params=ALONE)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    lab.up(list(shop.BASES))
    shape = request.param
    name = f"ad-kill-{shape}"
    shop.remove(name)
    network = f"{name}-shared"
    shop.gone("network", network)
    docker("network", "create", network)
    service = Plain(tmp_path_factory.mktemp(shape), shape, name, free_port(), **SHAPES[shape].settings)
    try:
        service.up()
        yield service
    finally:
        service.remove()
        shop.gone("network", network)


@pytest.mark.parametrize("runbook", ["adopt", "unadopt"])
def test_the_act_is_killed(plain: Plain, runbook: str, tell: Callable[[str], None]) -> None:
    acting, other = Acting(plain), "unadopt" if runbook == "adopt" else "adopt"
    shape = plain.name.rpartition("-")[2]
    if acting.platform.describe()["live"]:
        acting.done("unadopt")
    before, state = plain.host(), plain.ids(*SHAPES[shape].state)
    if runbook == "unadopt":
        acting.done("adopt")
    steps = acting.plan(runbook, stays=False)["plan"]["steps"]
    wrong: list[str] = []
    ways: list[str] = []
    with Alone(plain, ALONE[shape]) as alone:
        for number in range(1, len(steps) + 1):
            moments = (0.0, 0.3) if PROVE else (0.3 * (number % 2),)
            for moment, way in ((moment, way) for moment in moments for way in WAYS):
                case = f"{steps[number - 1]['do']} at {moment}, {way}"
                mine = plain.members() if runbook == "adopt" else {}
                act = acting.start(acting.plan(runbook))
                act.reach(lambda number=number, act=act: len(act.titles()) >= number)
                time.sleep(moment)
                act.kill()
                late = recorded(acting, act)
                if not late:
                    wrong += [f"{case}: {one}" for one in end(acting, act, way)]
                live = acting.platform.describe()["live"]
                ways.append("slot" if live else "plain")
                if live:
                    wrong += [f"{case}: {one}" for one in (unreported(acting) if late else not_whole(acting))]
                else:
                    wrong += [f"{case}: {one}" for one in differences(before, plain.host())]
                if (
                    mine
                    and not live
                    and {one["Id"] for one in plain.members().values()} != {one["Id"] for one in mine.values()}
                ):
                    wrong.append(f"{case}: other containers run than before")
                if plain.version() != "1.0.0" or plain.ids(*SHAPES[shape].state) != state:
                    wrong.append(f"{case}: {plain.version()!r} answers, {plain.ids(*SHAPES[shape].state)}")
                assert not wrong, "\n".join(wrong)  # with which the next could not begin
                if bool(live) == (runbook == "adopt"):
                    acting.done(other)
    tell(f"{plain.name} {runbook}: {len(ways)} kills ended in {ways}")
    assert not alone.wrong and alone.looks

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy's runtime API says, as HAProxy 2.6 and 3.0 said it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_runtime import (
    Runtime,
    Worker,
    parse_age,
    parse_entries,
    parse_pairs,
    parse_servers,
    parse_sessions,
    parse_stat,
    parse_workers,
)
from ansible_collections.steady.runbooks.plugins.module_utils.errors import StepFailed

PROCESSES = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
22962           master          1 [failed: 0]   0d00h00m04s     2.6.12-1+deb12u4
# workers
24162           worker          0               0d00h00m01s     2.6.12-1+deb12u4
# old workers
23003           worker          1               0d00h00m04s     2.6.12-1+deb12u4
# programs

"""

SESSIONS = """\
0x7fc74c878000: [22/Nov/2026:15:34:04.780944] id=13 proto=sockpair source=unix:1
  flags=0x8, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=(nil), pend_pos=(nil) waiting=0 epoch=0
  frontend=GLOBAL (id=0 mode=tcp), listener=? (id=1)
  backend=<NONE> (id=-1 mode=-)
  server=<NONE> (id=-1)
  task=0x7fc74ba06140 (state=0x00 nice=-64 calls=1 rate=0 exp=10s tid=0(1/0) age=0s)
0x7fc74bacb400: [22/Nov/2026:15:34:03.745022] id=12 proto=tcpv4 source=192.168.144.1:56514
  frontend=p18080 (id=3 mode=http), listener=? (id=1) addr=192.168.144.2:18080
  backend=p18080_blue (id=4 mode=http) addr=192.168.144.2:42992
  server=s1 (id=1) addr=192.168.144.3:8000
  task=0x7fc74ba061e0 (state=0x00 nice=0 calls=2 rate=0 exp=24h tid=1(1/1) age=1m14s)
  txn=0x7fc74b8f0a40 flags=0x0 meth=1 status=-1 req.st=MSG_DONE rsp.st=MSG_RPBEFORE req.f=0x4c rsp.f=0x00
0x7fc74bacb800: [22/Nov/2026:15:34:03.745022] id=14 proto=tcpv4 source=192.168.144.1:56516
  frontend=p18080 (id=3 mode=http), listener=? (id=1) addr=192.168.144.2:18080
  backend=p18080_green (id=5 mode=http) addr=192.168.144.2:42993
  server=s2 (id=2) addr=192.168.144.4:8000
  task=0x7fc74ba061f0 (state=0x00 nice=0 calls=2 rate=0 exp=24h tid=1(1/1) age=1h2m)
  txn=0x7fc74b8f0b40 flags=0x0 meth=1 status=101 req.st=MSG_TUNNEL rsp.st=MSG_TUNNEL req.f=0x4c rsp.f=0x00
"""

SERVERS = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port
4 p18080_blue 1 s1 192.168.176.3 2 0 1 web-blue 8000
4 p18080_blue 2 s2 - 0 32 1 web-blue 8000
"""


def test_workers_are_told_apart() -> None:
    assert parse_workers(PROCESSES) == [Worker(24162, False), Worker(23003, True)]
    assert parse_workers("") == []


def test_entries_of_a_map() -> None:
    assert parse_entries("0x7f38fd2295b0 live blue\n0x7f38fd229620 canary none\n\n") == {
        "live": "blue",
        "canary": "none",
    }
    assert parse_entries("Unknown map identifier. Please use #<id> or <file>.\n") == {}


def test_pairs_keep_colons_in_values() -> None:
    assert dict(parse_pairs("Name: HAProxy\ndescription: abc:def\n\n")) == {"Name": "HAProxy", "description": "abc:def"}


def test_statistics_by_column() -> None:
    rows = parse_stat("# pxname,svname,scur,\np1_blue,BACKEND,3,\n\n")
    assert rows[0]["pxname"] == "p1_blue"
    assert rows[0]["scur"] == "3"
    assert parse_stat("Can't find the target PID matching the prefix '@!99'\n") == []


def test_servers_by_column() -> None:
    first, second = parse_servers(SERVERS)
    assert (first["be_name"], first["srv_addr"], first["srv_op_state"], first["srv_fqdn"]) == (
        *("p18080_blue", "192.168.176.3", "2", "web-blue"),
    )
    assert second["srv_admin_state"] == "32"


def test_only_a_request_without_an_answer_waits() -> None:
    found = parse_sessions(SESSIONS)
    assert [(session["backend"], session["server"], session["age"], session["waits"]) for session in found] == [
        ("<NONE>", "<NONE>", 0, False),
        ("p18080_blue", "s1", 74, True),
        ("p18080_green", "s2", 3720, False),
    ]
    assert (found[1]["id"], found[1]["number"]) == ("0x7fc74bacb400", 12)


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("4s", 4), ("2m3s", 123), ("1h2m", 3720), ("1d3h", 97200)])
def test_ages(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@given(st.text())
def test_no_answer_breaks_a_parser(text: str) -> None:
    for parse in (parse_workers, parse_entries, parse_pairs, parse_servers, parse_sessions):
        parse(text)


def test_a_socket_that_is_not_there_is_told(tmp_path: object) -> None:
    with pytest.raises(StepFailed) as error:
        Runtime(str(tmp_path), "master.sock").ask("show proc")
    assert error.value.code == "edge_unreachable"
    with pytest.raises(StepFailed):
        Runtime(f"{tmp_path}/nowhere", "master.sock").workers()

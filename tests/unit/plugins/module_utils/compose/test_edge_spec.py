# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the edge can be told, and what is refused by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_spec import (
    LIVE,
    PAGE_BYTES,
    SLOTS,
    EdgePort,
    EdgeSpec,
    Traffic,
    map_text,
    parse_map,
)
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

SPEC = EdgeSpec(
    service="shop",
    image="haproxy:3.0",
    ports=(EdgePort("127.0.0.1", 8080, "backend", 8000), EdgePort("", 443, "web_1", 443, "tcp")),
    probe_token="t" * 24,
    trusted=("10.0.0.0/8", "2001:db8::/32"),
)


def port(**changes: Any) -> EdgePort:
    return dataclasses.replace(SPEC.ports[0], **changes)


def test_an_ordinary_spec_is_accepted() -> None:
    SPEC.check()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"service": "Shop"}, "service_name"),
        ({"service": "a" * 32}, "service_name"),
        ({"image": ""}, "service_edge_image"),
        ({"image": "haproxy:3.0\n"}, "service_edge_image"),
        ({"image": "haproxy:$TAG"}, "service_edge_image"),
        ({"ports": ()}, "ports"),
        ({"hold_seconds": 0}, "service_hold_seconds"),
        ({"hold_seconds": 3601}, "service_hold_seconds"),
        ({"replicas": 65}, "replicas"),
        ({"maintenance_html": "é" * (PAGE_BYTES // 2 + 1)}, "service_edge_maintenance"),
        ({"trusted": ("10.0.0.0/8", "10.0.0.1/8")}, "service_edge_trusted is '10.0.0.1/8'"),
        ({"trusted": ("everyone\nuse_backend x",)}, "service_edge_trusted"),
        ({"ports": (port(mode="udp"),)}, "mode of published port 127.0.0.1:8080"),
        ({"ports": (port(service="web\n    bind :1"),)}, "service of published port 127.0.0.1:8080"),
        ({"ports": (port(service="w" * 56),)}, "service of published port"),
        ({"ports": (port(published=0),)}, "published port 127.0.0.1:0"),
        ({"ports": (port(target=65536),)}, "published port 127.0.0.1:8080"),
        ({"ports": (port(host_ip="localhost"),)}, "address of published port localhost:8080"),
        ({"ports": (port(), port(service="other"))}, "published port 127.0.0.1:8080"),
        ({"ports": (port(), port(host_ip="10.0.0.1", target=9000))}, "published port 8080"),
    ],
)
def test_what_cannot_become_a_configuration_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as error:
        dataclasses.replace(SPEC, **changes).check()
    assert named in error.value.detail
    assert error.value.next_step


@pytest.mark.parametrize("token", ["", "short", "a b" * 10, "x" * 20 + "\n", "x" * 129, 'x"' * 12])
def test_a_bad_probe_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(Refused) as error:
        dataclasses.replace(SPEC, probe_token=token).check()
    assert not token or token not in str(error.value.as_dict())


def test_one_number_on_two_addresses_is_one_frontend() -> None:
    spec = dataclasses.replace(SPEC, ports=(port(), port(host_ip="10.0.0.1"), port(host_ip="::1", published=81)))
    spec.check()
    assert [frontend.published for frontend in spec.frontends] == [81, 8080]


@pytest.mark.parametrize(
    ("live", "canary", "share"),
    [
        ("purple", "", 0),
        ("", "", 0),
        ("blue", "purple", 5),
        ("blue", "blue", 5),
        ("blue", "green", -1),
        ("blue", "green", 101),
        ("blue", "green", True),
        ("blue", "green", 1.5),
        ("blue", "", 5),
        ("hold", "green", 5),
        ("maintenance", "", 0),
    ],
)
def test_traffic_that_makes_no_sense_is_refused(live: str, canary: str, share: Any) -> None:
    with pytest.raises(Refused):
        Traffic(live, canary, share)


def test_a_map_file_reads_as_it_is_meant() -> None:
    assert map_text(Traffic("blue", "green", 10)) == "live blue\ncanary green\nshare 10\n"
    assert map_text(Traffic("blue", maintenance=True)) == "live blue\ncanary none\nshare 0\nmaintenance on\n"
    assert map_text(Traffic("none")) == "live none\ncanary none\nshare 0\n"


@given(live=st.sampled_from(SLOTS), canary=st.booleans(), share=st.integers(0, 100))
def test_a_map_file_comes_back_as_it_was(live: str, canary: bool, share: int) -> None:
    other = SLOTS[1 - SLOTS.index(live)]
    traffic = Traffic(live, other, share) if canary else Traffic(live)
    assert parse_map(map_text(traffic)) == traffic


@pytest.mark.parametrize("live", LIVE)
def test_every_state_comes_back(live: str) -> None:
    assert parse_map(map_text(Traffic(live))) == Traffic(live)
    assert parse_map(map_text(Traffic(live, maintenance=True))) == Traffic(live, maintenance=True)


@given(st.text())
def test_a_map_file_of_somebody_else_is_refused_and_nothing_worse(text: str) -> None:
    try:
        traffic = parse_map(text)
    except Refused:
        return
    assert isinstance(traffic, Traffic)


@pytest.mark.parametrize(
    "text", ["live blue\n", "live blue\ncanary none\nshare ten\n", "live blue\ncanary none\nshare 0\nx y\n"]
)
def test_missing_and_foreign_keys_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="edge map"):
        parse_map(text)

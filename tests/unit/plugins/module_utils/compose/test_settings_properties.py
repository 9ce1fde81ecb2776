# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever settings, manifests and texts are handed in: they are refused by name, or taken as they are read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_config import compose_model, config_files
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_spec import EdgePort, EdgeSpec
from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import SETTINGS, check_settings, checked
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

ODD = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "\0",
        "{{ x }}",
        "${X:?}",
        "$(id)",
        "../..",
        "%s",
        "-x",
        "a" * 300,
        "\u202e",
        "\udcff",
        "1e9",
        "yes",
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 1, 65535, 65536, 10**30])
values = st.recursive(
    st.none() | st.booleans() | NUMBERS | ODD | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Of the right shape, with the right keys, so that what is inside is reached.
inner = {
    "watch": ("seconds", "checkpoints", "errors_percent", "p95_ms", "p99_ms", "log_errors", "normal"),
    "proof": ("path", "max_failed", "max_gap_ms"),
    "schema": ("service", "query", "database", "user"),
    "version_endpoint": ("service", "port", "path", "field"),
}
TEST = ("name", "service", "port", "method", "path", "headers", "body", "expect", "take")
shaped = st.one_of(
    st.tuples(st.sampled_from(sorted(SETTINGS)), values),
    *(
        st.tuples(st.just(name), st.dictionaries(st.sampled_from(keys), values, max_size=4))
        for name, keys in inner.items()
    ),
    st.tuples(
        st.just("smoke_tests"),
        st.lists(
            st.dictionaries(st.sampled_from(TEST), values, max_size=5).map(
                lambda test: {"name": "one", "path": "/", **test}
            ),
            max_size=2,
        ),
    ),
    st.tuples(
        st.just("ready"),
        st.dictionaries(
            st.just("web"), st.dictionaries(st.sampled_from(["path", "port", "status", "timeout"]), values, max_size=4)
        ),
    ),
)


def clear(refused: Refused, named: str) -> None:
    told = refused.detail + refused.next_step
    assert told.isprintable() and len(told) < 1500 and refused.next_step
    assert named in refused.detail


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shaped)
def test_any_setting_is_refused_by_name_or_taken(one: tuple[str, Any]) -> None:
    name, value = one
    try:
        found = check_settings({"name": "shop", name: value}, {})
    except Refused as refused:
        clear(refused, f"service_{name}")
        return
    assert check_settings(json.loads(json.dumps(found)), {}) == found


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=8), values, max_size=3), st.lists(values, max_size=2))
def test_secrets_and_logins_are_refused_without_being_shown(secrets: dict[str, Any], logins: list[Any]) -> None:
    planted = {name: f"s3cr3t{value}" if isinstance(value, str) else value for name, value in secrets.items()}
    try:
        checked({"settings": {"name": "shop"}, "secrets": planted, "registries": logins})
    except Refused as refused:
        clear(refused, "service_")
        assert not any(isinstance(value, str) and value in refused.detail for value in planted.values())


texts = (
    ODD | st.text(max_size=30) | st.sampled_from(["fe80::1%\n    http-request deny", "0.0.0.0/0 or src", "::1", "x"])
)
SPEC = EdgeSpec(
    service="shop",
    image="haproxy:3.0",
    ports=(EdgePort("127.0.0.1", 8080, "backend", 8000), EdgePort("", 5432, "raw", 5433, "tcp")),
    probe_token="secret-token-0123456789",
    trusted=("10.0.0.0/8",),
)
field = st.sampled_from(["service", "image", "probe_token", "trusted", "host_ip", "name", "mode", "maintenance_html"])


@settings(max_examples=300, deadline=None)
@given(field, texts)
def test_no_text_becomes_a_directive_of_the_edge(name: str, text: str) -> None:
    """What the check lets pass renders as many lines as an ordinary specification, and as many words in each."""
    port = {"host_ip": "host_ip", "name": "service", "mode": "mode"}.get(name)
    if port:
        changed = replace(SPEC, ports=(replace(SPEC.ports[0], **{port: text}), SPEC.ports[1]))
    else:
        page = text.encode(errors="replace").decode()  # it was decoded from a file
        changed = replace(SPEC, **{name: {"trusted": (text,), "maintenance_html": page}.get(name, text)})
    try:
        changed.check()
    except Refused as refused:
        assert refused.detail.isprintable() and refused.next_step
        return
    one, other = (config_files(spec)["haproxy.cfg"].splitlines() for spec in (changed, SPEC))
    assert [len(line.split()) for line in one] == [len(line.split()) for line in other]
    assert json.loads(json.dumps(compose_model(changed, "/edge")))["services"]["edge"]["image"] == changed.image

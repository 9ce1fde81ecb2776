# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a manifest's file holds: it is refused and its name said, or it has one normal form."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.manifest import check_manifest
from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import VARIABLES
from ansible_collections.steady.runbooks.plugins.plugin_utils.growth import check_growth
from ansible_collections.steady.runbooks.plugins.plugin_utils.guard import check_environment, check_variables
from ansible_collections.steady.runbooks.plugins.plugin_utils.manifests import load_manifest

KEYS = ["version", "type", "changes", "images", "commit", "schema", "required_actions", "order", "environment", "from"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=5) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
marks = st.sampled_from(
    list("-:?&*!|>'\"%@`{}[],#\n\t ") + ["<<", "---", "...", "!!python/name:os", "\0", "\ufeff", "\x85"]
)
yamls = st.lists(marks | st.text(max_size=5), max_size=30).map("".join)


def refused_clearly(refused: Refused) -> None:
    assert refused.code and refused.next_step
    assert (refused.detail + refused.next_step).replace("\n", " ").isprintable()


@settings(max_examples=250, deadline=None)
@given(yamls | st.text())
def test_any_text_is_a_manifest_or_refused(text: str) -> None:
    try:
        load_manifest(text, "1.1.0.yml")
    except Refused as refused:
        refused_clearly(refused)
        assert "1.1.0.yml" in refused.detail


@settings(max_examples=250, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_data_is_refused_or_has_one_normal_form(data: dict[str, Any]) -> None:
    try:
        found = check_manifest({"version": "1.1.0", **data}, "1.1.0")
    except Refused as refused:
        refused_clearly(refused)
        return
    assert set(found) == set(KEYS)
    assert json.loads(json.dumps(found)) == found
    again = {name: value for name, value in found.items() if value}
    assert check_manifest(again, "1.1.0") == found


@settings(max_examples=250, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)) | st.text(max_size=8), values, max_size=3), values)
def test_the_guard_refuses_and_never_breaks(extra: dict[Any, Any], env: Any) -> None:
    for check in (
        lambda: check_variables(extra, sorted(set(VARIABLES) - {"env"}), ["service_name"]),
        lambda: check_environment(env, {"all": ["h"], "local": ["h"]}, {"h": "local"}.get),
    ):
        try:
            check()
        except Refused as refused:
            refused_clearly(refused)


@settings(max_examples=200, deadline=None)
@given(yamls)
def test_counting_aliases_never_breaks(tmp_path_factory: Any, text: str) -> None:
    directory = tmp_path_factory.mktemp("yaml")
    (directory / "x.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    check_growth(str(directory))


@settings(max_examples=100, deadline=None)
@given(values)
def test_what_yaml_writes_is_read(value: Any) -> None:
    try:
        load_manifest(yaml.safe_dump({"version": "1.1.0", "changes": value}), "1.1.0.yml")
    except Refused as refused:
        refused_clearly(refused)

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences for people and digests of files with secrets."""

from __future__ import annotations

import copy
import os
import stat

from ansible_collections.steady.runbooks.plugins.module_utils.compose.digest import changed, key_from, keyed_digest


def test_a_key_is_made_once_and_only_root_reads_it(tmp_path):
    path = str(tmp_path / "key")
    key = key_from(path)
    assert (len(key), key_from(path)) == (32, key)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_digests_depend_on_key_and_content_only():
    assert keyed_digest(b"k", {"a": 1, "b": "ü"}) == keyed_digest(b"k", {"b": "ü", "a": 1})
    assert keyed_digest(b"k", "x") == keyed_digest(b"k", b"x")
    assert len({keyed_digest(key, data) for key in (b"k", b"l") for data in ("x", "y", ["x"])}) == 6
    assert keyed_digest(b"k", "x").startswith("hmac-sha256:")


def test_nothing_changed(shape):
    assert changed(shape("full"), shape("full")) == []


def test_differences_are_told_by_service_without_values(shape):
    before = shape("migrate")
    after = copy.deepcopy(before)
    api = after["services"]["api"]
    api["image"] = "registry.example.com/team/api:2"
    api["environment"] = {"PASSWORD_FILE": "/other/s3cret", "NEW": "s3cret"}
    api["command"] = ["serve", "--token", "s3cret"]
    api["ports"] = [{"target": 8080, "published": "8081", "host_ip": "::1"}]
    api["secrets"].pop()
    api["deploy"] = {"replicas": 3}
    api["healthcheck"] = None
    after["services"]["worker"] = {"image": "x"}
    del after["services"]["db"]
    after["secrets"]["api_token"]["environment"] = "OTHER"
    after["volumes"]["media"] = {"name": "shape_media"}
    found = changed(before, after)
    assert found == [
        "service worker is new",
        "service db is gone",
        "api: command is new",
        "api: replicas 1 -> 3",
        "api: environment +NEW, -INHERITED, -LITERAL, ~PASSWORD_FILE (values are not shown)",
        "api: healthcheck is gone",
        "api: image registry.example.com/team/api:1.0.0 -> registry.example.com/team/api:2",
        "api: ports +::1:8081:8080/tcp, -8080:8080/tcp",
        "api: secrets -api_token:token",
        "volume media is new",
        "secret api_token is defined differently",
    ]
    assert "s3cret" not in str(found)


def test_lists_and_orders():
    def body(**keys):
        return {"services": {"a": keys}}

    assert changed(body(extra_hosts=["a=1"]), body(extra_hosts=["b=1"])) == ["a: extra_hosts +b, -a"]
    assert changed(body(dns=["1", "2"]), body(dns=["2", "1"])) == ["a: dns changed"]
    assert changed(body(deploy={"replicas": 1}), body(deploy={"replicas": 1, "resources": {}})) == ["a: deploy changed"]
    assert changed(body(restart=None), body(restart="always")) == ["a: restart none -> always"]
    assert changed(body(volumes=["a:/a", "b:/b"]), body(volumes=["b:/b", "a:/a"])) == ["a: volumes changed"]
    assert changed(body(command=None), body(command=[])) == []

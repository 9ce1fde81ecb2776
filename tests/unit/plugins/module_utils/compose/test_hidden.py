# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which values of a compose model are never told, though nobody declared them as secrets."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.hidden import values_to_hide


def model(name, value, **more):
    return {"services": {"web": {"image": "registry/backend:1", "environment": {name: value}}}, **more}


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("DB_PASSWORD", "tr0ub4dor", "tr0ub4dor"),
        ("DB_PASSWORD", "a$$b$$cdef", "a$b$cdef"),
        ("pgpasswd", "tr0ub4dor", "tr0ub4dor"),
        ("SECRET_KEY", "0123456789", "0123456789"),
        ("GITHUB_TOKEN", "ghp_1234", "ghp_1234"),
        ("STRIPE_APIKEY", "sk_1234", "sk_1234"),
        ("DATABASE_URL", "postgresql://shop:tr0ub4dor@db/shop", "tr0ub4dor"),
        ("BROKER", "redis://:p%40ssword@redis:6379/0", "p@ssword"),
    ],
)
def test_hidden(name, value, hidden):
    assert hidden in values_to_hide(model(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("PASSWORD", "/run/secrets/db"),
        ("TOKEN_URL", "https://login.example.com/token"),
        ("TOKEN_TTL", "3600000"),
        ("KEYBOARD", "qwertz-de"),
        ("KEY_PREFIX", "shop-cache"),
        ("PASSWORD", "short"),
        ("PASSWORD", "backend"),
        ("PASSWORD", None),
        ("LOG_LEVEL", "debugging"),
    ],
)
def test_not_hidden(name, value):
    assert values_to_hide(model(name, value)) == set()


def test_what_compose_secrets_are_made_of(tmp_path):
    (tmp_path / "key").write_text("-----BEGIN-----\nabc\n")
    secrets = {
        "file": {"file": str(tmp_path / "key")},
        "gone": {"file": str(tmp_path / "gone")},
        "directory": {"file": str(tmp_path)},
        "inline": {"content": "in$$line"},
        "environment": {"environment": "KEY"},
    }
    assert values_to_hide(model("A", "b", secrets=secrets)) == {"-----BEGIN-----\nabc", "in$line"}


def test_nothing_at_all():
    assert values_to_hide({}) == set()


@pytest.mark.parametrize(
    "body",
    [
        {"command": ["redis-server", "--requirepass", "tr0ub4dor"]},
        {"command": "serve --db-password=tr0ub4dor"},
        {"command": "serve postgresql://shop:tr0ub4dor@db/shop"},
        {"entrypoint": ["sh", "-c", "API_TOKEN=tr0ub4dor exec serve"]},
        {"healthcheck": {"test": ["CMD", "redis-cli", "-h", "localhost", "-a", "tr0ub4dor", "ping"]}},
        {"healthcheck": {"test": ["CMD-SHELL", "curl -H 'x' --token 'tr0ub4dor' http://localhost"]}},
    ],
)
def test_what_stands_in_a_command_line_is_hidden(body):
    assert "tr0ub4dor" in values_to_hide({"services": {"web": {"image": "x", **body}}})


@pytest.mark.parametrize(
    "command", ["serve --password-file /run/secrets/db", "redis-cli -a $$PASSWORD ping", "serve --token $${TOKEN}"]
)
def test_what_only_leads_to_a_secret_is_not(command):
    assert not values_to_hide({"services": {"web": {"image": "x", "command": command}}})

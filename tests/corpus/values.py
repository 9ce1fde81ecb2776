# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values for the compose file, secrets and logins: inventory variables."""

from __future__ import annotations

from .case import SECRET, inventory

CASES = [
    inventory("environment: a string", "service_environment must be a mapping, not a string", environment="PORT=18099"),
    inventory("environment: a list", "service_environment must be a mapping, not a list", environment=["PORT=18099"]),
    inventory(
        "environment: a boolean",
        "service_environment.DEBUG must be a string, not a boolean: quote it",
        environment={"PORT": "18099", "DEBUG": True},
    ),
    inventory(
        "environment: a fraction",
        "service_environment.RELEASE must be a string, not a number: quote it",
        environment={"PORT": "18099", "RELEASE": 1.10},
    ),
    inventory(
        "environment: nothing", "service_environment.PORT must be a string, not null", environment={"PORT": None}
    ),
    inventory(
        "environment: a list inside", "service_environment.PORT must be a string, not a list", environment={"PORT": [1]}
    ),
    inventory("environment: a second line", "service_environment has the key 'A\\nB'", environment={"A\nB": "1"}),
    inventory("environment: a name with =", "service_environment has the key 'PORT=1'", environment={"PORT=1": "1"}),
    inventory(
        "environment: a null character",
        "service_environment.PORT contains a null character",
        environment={"PORT": "1\0"},
    ),
    inventory(
        "environment: very long",
        "service_environment.PORT is 1000000 characters long",
        environment={"PORT": "1" * 1_000_000},
    ),
    inventory(
        "environment: missing", "a variable that is not set: PORT", "Set PORT in service_environment", environment={}
    ),
    inventory("secrets: a list", "service_secrets must be a mapping of names to strings, not a list", secrets=[SECRET]),
    inventory("secrets: empty", "service_secrets.DB_PASSWORD is empty", secrets={"DB_PASSWORD": "", "TOKEN": SECRET}),
    inventory(
        "secrets: missing", "a variable that is not set: DB_PASSWORD", "service_secrets", secrets={"TOKEN": SECRET}
    ),
    inventory(
        "secrets: a mapping inside",
        "service_secrets.DB_PASSWORD must be a string, not a mapping",
        secrets={"DB_PASSWORD": {"is": SECRET}},
    ),
    inventory(
        "secrets: a null character",
        "service_secrets.DB_PASSWORD contains a null character",
        secrets={"DB_PASSWORD": f"{SECRET}\0"},
    ),
    inventory(
        "secrets: a name with a newline", "service_secrets has the key", secrets={"DB_PASSWORD": SECRET, "A\nPORT": "1"}
    ),
    inventory("registries: a mapping", "service_registries", "list", registries={"registry": "x", "password": SECRET}),
    inventory(
        "registries: an address",
        "service_registries[0].registry must be host[:port]",
        registries=[{"registry": "https://registry.example.com", "username": "me", "password": SECRET}],
    ),
    inventory(
        "registries: a path",
        "service_registries[0].registry must be host[:port]",
        registries=[{"registry": "registry.example.com/team", "username": "me", "password": SECRET}],
    ),
    inventory(
        "registries: no password",
        "password",
        "service_registries",
        registries=[{"registry": "registry.example.com", "username": "me"}],
    ),
    inventory(
        "registries: an empty password",
        "service_registries[0].password is empty",
        registries=[{"registry": "registry.example.com", "username": "me", "password": ""}],
    ),
    inventory(
        "registries: an unknown key",
        "pasword",
        registries=[{"registry": "registry.example.com", "username": "me", "password": SECRET, "pasword": SECRET}],
    ),
    inventory(
        "registries: twice",
        "service_registries[1].registry is registry.example.com again",
        registries=[
            {"registry": "registry.example.com", "username": name, "password": SECRET} for name in ("me", "you")
        ],
    ),
    inventory(
        "registries: a newline in the name",
        "service_registries[0].username contains",
        registries=[{"registry": "registry.example.com", "username": "me\nyou", "password": SECRET}],
    ),
]

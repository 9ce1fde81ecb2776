# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the services are and when they are ready, and the database: inventory variables."""

from __future__ import annotations

from .case import inventory

INF = float("inf")

CASES = [
    # -- what the services are
    inventory("roles: a list", "service_roles must be a mapping, not a list", roles=["web"]),
    inventory("roles: misspelled", "service_roles gives web the role wbe", "Did you mean web?", roles={"web": "wbe"}),
    inventory("roles: no such service", "service_roles names wbe", "Did you mean web?", roles={"wbe": "web"}),
    inventory("roles: a number", "service_roles.web must be a name, not a number", roles={"web": 1}),
    inventory("roles: a list inside", "service_roles.web must be a name, not a list", roles={"web": ["web"]}),
    inventory("roles: a key that is no name", "service_roles has the key '../web'", roles={"../web": "web"}),
    inventory(
        "roles: nothing serves", "no web service publishes a port", "web is taken for worker", roles={"web": "worker"}
    ),
    inventory("shared: a string", "service_shared must be a list, not a string", shared="web"),
    inventory("shared: no such service", "service_shared names we", shared=["we"]),
    inventory("self_migrating: no such service", "service_self_migrating names api", self_migrating=["api"]),
    inventory(
        "labels: no such program", "service_labels names trafik", "Did you mean traefik?", labels={"trafik": "keep"}
    ),
    inventory(
        "labels: neither keep nor remove",
        "service_labels.traefik must be one of keep, remove",
        labels={"traefik": True},
    ),
    inventory("ready: a list", "service_ready must be a mapping, not a list", ready=["/"]),
    inventory("ready: a string inside", "service_ready.web must be a mapping", ready={"web": "/"}),
    inventory(
        "ready: an unknown key",
        "service_ready.web has the unknown key 'pth' (did you mean 'path'?)",
        ready={"web": {"pth": "/"}},
    ),
    inventory("ready: no such service", "service_ready names wbe", "Did you mean web?", ready={"wbe": {"path": "/"}}),
    inventory(
        "ready: a path with a newline",
        "service_ready.web.path contains the character U+000D",
        ready={"web": {"path": "/\r\nX: y"}},
    ),
    inventory(
        "ready: an address as path",
        "service_ready.web.path must be a path",
        ready={"web": {"path": "http://example.com/"}},
    ),
    inventory(
        "ready: port 0",
        "service_ready.web.port must be from 1 to 65535, not 0",
        ready={"web": {"path": "/", "port": 0}},
    ),
    inventory(
        "ready: port 65536",
        "service_ready.web.port must be from 1 to 65535",
        ready={"web": {"path": "/", "port": 65536}},
    ),
    inventory(
        "ready: a boolean as port",
        "service_ready.web.port must be a whole number",
        ready={"web": {"path": "/", "port": True}},
    ),
    inventory(
        "ready: status 99",
        "service_ready.web.status must be from 100 to 599",
        ready={"web": {"path": "/", "status": 99}},
    ),
    inventory(
        "ready: no time",
        "service_ready.web.timeout must be from 0.1 to 3600",
        ready={"web": {"path": "/", "timeout": 0}},
    ),
    inventory(
        "ready: endless",
        "service_ready.web.timeout must be from 0.1 to 3600",
        ready={"web": {"path": "/", "timeout": INF}},
    ),
    inventory("ready: none", "web has no healthcheck and no declared readiness", ready={}),
    # -- schema
    inventory("schema: no service", "service_schema.service is missing", schema={"query": "select 1"}),
    inventory("schema: an unknown key", "databse", schema={"service": "db", "databse": "x"}),
    inventory("schema: a list", "service_schema must be a mapping with service", schema=["db"]),
    inventory(
        "schema: another statement",
        "service_schema.query must be one SQL query that only reads",
        schema={"service": "db", "query": "select 1; drop table orders"},
    ),
    inventory(
        "schema: a change",
        "service_schema.query must be one SQL query that only reads",
        schema={"service": "db", "query": "delete from orders"},
    ),
    inventory(
        "schema: a command of psql",
        "service_schema.query must be one SQL query that only reads",
        schema={"service": "db", "query": "\\! id"},
    ),
    inventory(
        "schema: another server",
        "service_schema.database must be a plain name",
        schema={"service": "db", "database": "host=192.0.2.1 dbname=x"},
    ),
    inventory(
        "schema: an address",
        "service_schema.database must be a plain name",
        schema={"service": "db", "database": "postgres://192.0.2.1/x"},
    ),
    inventory(
        "schema: an option as user",
        "service_schema.user must be a plain name",
        schema={"service": "db", "user": "--file=/etc/passwd"},
    ),
    inventory(
        "schema: a shell command as user",
        "service_schema.user must be a plain name",
        schema={"service": "db", "user": "$(id)"},
    ),
    inventory(
        "schema: a path as service",
        "service_schema.service must be the name of a compose service",
        schema={"service": "../db"},
    ),
]

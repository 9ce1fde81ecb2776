# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service of a compose file is, by evidence: its command, image, volumes, who calls it, who waits for it."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.roles import migrates
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand

from .test_understand import PORT, one_service, refused, roles


def test_migrating_at_its_own_start_is_seen_and_said(shape):
    model = copy.deepcopy(shape("full"))
    model["services"]["web"]["command"] = ["sh", "-c", "python manage.py migrate && exec gunicorn app"]
    found = understand(model, {}, source="/srv/source")
    assert found.services["web"].self_migrating
    assert ("self_migrating", "web") in [(one.code, one.service) for one in found.notes]
    assert understand(shape("full"), {"self_migrating": ["web"]}).services["web"].self_migrating


def volume(target, **options):
    return {"volumes": [{"type": "volume", "source": "v", "target": target, **options}]}


@pytest.mark.parametrize(
    ("name", "body", "role"),
    [
        ("web", {"command": ["celery", "-A", "app", "worker", "-B"]}, "scheduler"),
        ("clock", {}, "scheduler"),
        ("heartbeat", {}, "worker"),
        ("sidekiq", {"healthcheck": {"test": ["CMD", "curl", "localhost:7433"]}}, "worker"),
        ("postgres-exporter", {"image": "quay.io/prometheuscommunity/postgres-exporter"}, "worker"),
        ("x", {"image": "docker.io/bitnami/postgresql:16@sha256:" + "0" * 64}, "state"),
        ("x", {"image": "registry:5000/timescale/timescaledb-ha:pg17"}, "state"),
        ("x", {"image": "mcr.microsoft.com/mssql/server:2022-latest"}, "state"),
        ("x", {"image": "own", **volume("/var/lib/mysql/")}, "state"),
        (
            "x",
            {
                "image": "own",
                "volumes": [{"type": "volume", "source": "v", "target": "/var/lib/mysql", "read_only": True}],
            },
            "worker",
        ),
        ("redis", {"build": {"context": "."}}, "worker"),
        ("x", {"image": "nginx", "healthcheck": {"test": ["CMD-SHELL", "wget -q localhost"]}}, "web"),
    ],
)
def test_roles_by_evidence(name, body, role):
    found = understand({"name": "p", "services": {name: {"image": None, **body}}}, {})
    assert found.services[name].role == role


def test_a_scheduler_with_a_port_is_reachable_and_never_runs_twice():
    found = one_service(
        {
            "ports": [PORT],
            "command": ["app", "scheduler"],
            "healthcheck": {"test": ["CMD", "x"]},
        }
    )
    assert found.services["web"].role == "web"
    assert "may be a scheduler" in found.services["web"].exclusive_why[0]
    assert not one_service({"ports": [], "command": ["app", "scheduler"]}, roles={"web": "worker"}).exclusive


def test_who_is_called_by_address_is_web():
    model = {
        "name": "p",
        "services": {
            "front": {
                "image": "nginx",
                "ports": [PORT],
                "environment": {"UPSTREAM": "api:8000"},
            },
            "api": {"image": "app"},
            "apis": {"image": "app"},
        },
    }
    assert roles(understand(model, {})) == {"api": "web", "apis": "worker", "front": "web"}


def test_who_is_named_in_a_file_that_a_proxy_mounts_is_web():
    model = {
        "name": "p",
        "services": {"front": {"image": "nginx", "ports": [PORT]}, "api": {"image": "app"}, "php": {"image": "app"}},
    }
    texts = {"front": "location / { proxy_pass http://api; }\nfastcgi_pass php:9000;\n"}
    found = understand(model, {"mounted_texts": texts})
    assert roles(found) == {"api": "web", "php": "web", "front": "web"}
    assert (found.services["php"].readiness.kind, found.services["php"].readiness.port) == ("tcp", 9000)
    assert refused(found, "api") == [("no_readiness", "api")], "nobody says at which port"
    found = understand(model, {"mounted_texts": texts}, image_ports={"api": (3000,), "front": (80,)})
    assert refused(found) == [("no_readiness", "front")], "where users come in, an open port is not enough"


def test_what_requests_depend_on_starts_before_them():
    bodies = {
        "front": {"image": "nginx", "ports": [PORT], "depends_on": {"api": None}},
        "api": {"image": "app", "depends_on": {"render": None, "queue-worker": None}},
        "render": {"image": "app"},
        "queue-worker": {"image": "app"},
        "alone": {"image": "app", "depends_on": {"front": None}},
    }
    found = roles(understand({"name": "p", "services": bodies}, {}))
    assert found == {"front": "web", "api": "web", "render": "web", "queue-worker": "worker", "alone": "worker"}


@pytest.mark.parametrize(
    ("command", "migrating"),
    [
        ("/entrypoint.sh db migrate && /entrypoint.sh run", True),
        ("./app migrate up", True),
        ("migrate", True),
        ("sh -c 'bin/migrate && serve'", True),
        ("yarn db:migrate", True),
        ("node migrations run", True),
        ("serve --no-migrate", False),
        ("serve --migrate-later", False),
        ("celery -A migrate.tasks worker", False),
    ],
)
def test_migrations_in_commands(command, migrating):
    assert migrates({"command": command}) is migrating


@pytest.mark.parametrize(
    ("body", "role"),
    [
        ({"command": "./app migrate"}, "job"),
        ({"command": "sh -c 'wait-for db && alembic upgrade head'"}, "job"),
        ({"command": "./app migrate", "restart": "on-failure:3"}, "job"),
        ({"command": "./app migrate", "restart": "always"}, "worker"),
        ({"command": "sh -c 'alembic upgrade head && run'"}, "worker"),
        ({"command": '"0 3 * * * backup"'}, "scheduler"),
        ({"command": ["sh", "-c", "crontab */5 * * * * job"]}, "scheduler"),
        ({"command": "run 1 2 3"}, "worker"),
    ],
)
def test_jobs_and_schedules_by_their_commands(body, role):
    services = {"web": {"image": "x", "ports": [PORT]}, "other": {"image": "x", **body}}
    assert roles(understand({"name": "p", "services": services}, {}))["other"] == role

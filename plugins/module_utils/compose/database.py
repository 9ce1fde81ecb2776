# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of the service's database, asked in its own container: few are published, and a target has no driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RunbookError, StepFailed
from .host import Host, is_running, service_of
from .model import repository
from .roles import STATE_IMAGES

ALEMBIC = "select string_agg(version_num, ',' order by version_num) from alembic_version"
# The most there may be, those kept for superusers and for a role (since 16), and where each comes from.
CONNECTIONS = (
    "select current_setting('max_connections'), current_setting('superuser_reserved_connections'), "
    "coalesce(nullif(current_setting('reserved_connections', true), ''), '0'), "
    "coalesce(string_agg(coalesce(host(client_addr), '-'), ' '), '') "
    "from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
)
REMEMBERED = "base/schema.json"

# The official image's own variables name user and database; what was declared comes first. The query is an argument
# of the shell, never a part of its program; and whatever it says, it changes nothing.
_PSQL = (
    'export PGOPTIONS="${PGOPTIONS:-} -c default_transaction_read_only=on -c statement_timeout=15s"; '
    "exec psql --no-psqlrc --no-password --tuples-only --no-align --field-separator=, "
    '--username "${2:-${POSTGRES_USER:-postgres}}" '
    '--dbname "${3:-${POSTGRES_DB:-${POSTGRES_USER:-postgres}}}" --command "$1"'
)


def schema_revision(host: Host) -> str | None:
    """The live schema revision: None when no schema is declared, no database runs yet, or nothing was migrated yet."""
    declared = host.settings.get("schema")
    if not declared:
        return None
    return ask(host, declared, declared.get("query") or ALEMBIC, missing_table_is_none=True) or None


def remember_schema(host: Host) -> None:
    """Keep the live revision where it can be read when the database does not answer."""
    try:
        revision = schema_revision(host)
    except RunbookError:
        return
    if revision:
        host.files.write_json(REMEMBERED, {"revision": revision})


def last_known_schema(host: Host) -> tuple[str | None, str]:
    """The live revision, or the one remembered and why it could not be read.

    A release that takes the last connection of the database, or fells it, must not take the way back too.
    """
    try:
        return schema_revision(host), ""
    except RunbookError as error:
        known = host.files.read_json(REMEMBERED)
        if not known:
            raise
        return str(known["revision"]), error.detail


def is_postgresql(container: Mapping[str, Any]) -> bool:
    """Whether a container is a PostgreSQL, as all images of it say."""
    variables = container["Config"].get("Env") or []
    image = repository(str(container["Config"].get("Image") or "")).rpartition("/")[2]
    return image in STATE_IMAGES["PostgreSQL"].split() or any(one.startswith("PGDATA=") for one in variables)


def connections(host: Host, declared: Mapping[str, Any]) -> tuple[int, int, list[str]]:
    """The most connections of a database, those kept for others, and the address that each present one comes from."""
    most, superusers, others, clients = str(ask(host, declared, CONNECTIONS) or "0,0,0,").split(",")
    return int(most), int(superusers) + int(others), clients.split()


def ask(host: Host, declared: Mapping[str, Any], query: str, missing_table_is_none: bool = False) -> str | None:
    """One value or row (comma-separated), asked in the declared service's container; None when it does not run."""
    running = [c for c in host.base_containers() if service_of(c) == declared["service"] and is_running(c)]
    if not running:
        return None
    words = ("sh", "-c", _PSQL, "sh", query, declared.get("user") or "", declared.get("database") or "")
    said = host.docker.engine.execute(running[0]["Id"], words, 20)
    if said.returncode == 0:
        return said.stdout.strip()
    if missing_table_is_none and "does not exist" in said.stderr and "relation" in said.stderr:
        return None
    raise StepFailed(
        f"the database in {declared['service']} did not answer: {said.stderr.strip()[-300:]}",
        code="schema_unreadable",
        next_step=f"See docker logs {running[0]['Name'].lstrip('/')}, and user and database in service_schema.",
    )

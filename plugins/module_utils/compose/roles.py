# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which role a service has, and the evidence for it. Only what is safe is derived; the user's word always wins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .keys import ROUTERS
from .limits import foreign
from .model import image_of, mounts_of, repository, services, words

# The last part of an image's repository. Exact names only: `postgres-exporter` and `redis-commander` keep no data.
STATE_IMAGES = {
    "PostgreSQL": "postgres postgresql postgresql-repmgr timescaledb timescaledb-ha pgvector pgvecto-rs postgis spilo "
    "citus cockroach yugabyte paradedb age vchord-postgres",
    "MySQL": "mysql mysql-server mariadb mariadb-galera percona percona-server percona-xtradb-cluster tidb vitess",
    "another database": "cratedb crate db2 oracle-xe oracle-free firebird rqlite sqld libsql-server immudb",
    "Redis": "redis redis-stack redis-stack-server valkey valkey-bundle valkey-cluster keydb dragonfly redict kvrocks "
    "garnet redis-sentinel redis-cluster",
    "a cache": "memcached",
    "a pool of database connections": "pgbouncer pgcat pgpool odyssey proxysql maxscale",
    "a document or graph store": "mongo mongodb mongodb-community-server mongodb-enterprise-server mongodb-atlas-local "
    "percona-server-mongodb couchdb couchbase arangodb neo4j surrealdb rethinkdb dgraph janusgraph memgraph ferretdb "
    "ravendb orientdb falkordb eventstore kurrentdb",
    "a vector or search store": "qdrant elasticsearch opensearch solr meilisearch typesense weaviate chroma milvus "
    "manticore zincsearch sonic vespa marqo quickwit",
    "a column or time series store": "clickhouse clickhouse-server influxdb influxdb3-core cassandra scylla questdb "
    "victoria-metrics victoria-logs victoriametrics timescale greptimedb tdengine",
    "a message broker": "rabbitmq lavinmq kafka kafka-native cp-kafka cp-server redpanda zookeeper cp-zookeeper nats "
    "nats-streaming activemq-classic activemq-artemis artemis pulsar eclipse-mosquitto emqx vernemq hivemq-ce "
    "hivemq4 beanstalkd nsqd nsq faktory gearmand",
    "an object or configuration store": "minio rustfs seaweedfs garage azurite localstack etcd consul vault openbao "
    "openldap",
}
_STATE_BY_IMAGE = {name: kind for kind, names in STATE_IMAGES.items() for name in names.split()}
_STATE_BY_REPOSITORY = {"mcr.microsoft.com/mssql/server": "SQL Server", "gvenzl/oracle-free": "Oracle"}

# Where databases keep their files: a writable mount there says more than an image's name.
DATA_DIRECTORIES = {
    "/var/lib/postgresql": "PostgreSQL",
    "/var/lib/postgresql/data": "PostgreSQL",
    "/bitnami/postgresql": "PostgreSQL",
    "/var/lib/mysql": "MySQL",
    "/bitnami/mysql": "MySQL",
    "/bitnami/mariadb": "MariaDB",
    "/data/db": "MongoDB",
    "/var/lib/mongodb": "MongoDB",
    "/bitnami/mongodb": "MongoDB",
    "/var/lib/redis": "Redis",
    "/var/lib/valkey": "Valkey",
    "/bitnami/redis/data": "Redis",
    "/bitnami/valkey/data": "Valkey",
    "/var/lib/rabbitmq": "RabbitMQ",
    "/var/lib/neo4j": "Neo4j",
    "/qdrant/storage": "Qdrant",
    "/var/lib/clickhouse": "ClickHouse",
    "/usr/share/elasticsearch/data": "Elasticsearch",
    "/usr/share/opensearch/data": "OpenSearch",
    "/var/lib/influxdb": "InfluxDB",
    "/var/lib/influxdb2": "InfluxDB",
    "/var/lib/cassandra": "Cassandra",
    "/var/lib/scylla": "Scylla",
    "/var/lib/kafka/data": "Kafka",
    "/bitnami/kafka": "Kafka",
    "/opt/couchdb/data": "CouchDB",
    "/var/solr": "Solr",
    "/meili_data": "Meilisearch",
    "/var/lib/weaviate": "Weaviate",
    "/var/lib/milvus": "Milvus",
    "/var/lib/etcd": "etcd",
    "/etcd-data": "etcd",
}

# At the end of a service's name, together with something that it writes to.
STATE_WORDS = words(
    "db database postgres postgresql pg mysql mariadb mongo mongodb redis valkey rabbitmq kafka elasticsearch "
    "opensearch clickhouse minio influxdb etcd neo4j qdrant"
)
_SCHEMES = (
    "postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|valkey|amqps?|nats|kafka|clickhouse|sqlserver|mssql|neo4j|bolt"
)
_STORE_PORTS = "1433|1521|3306|5432|6379|6432|7687|9042|11211|27017|5672|9092"
# Variables that say where a store is: POSTGRES_HOST, WORDPRESS_DB_HOST, GITEA__database__HOST, PGHOST.
_STORE_HOST = re.compile(
    r"(?:^|_)(?:DB|DATABASE|SQL|PG|POSTGRES(?:QL|DB)?|MYSQL|MARIADB|MONGO(?:DB)?|REDIS|VALKEY|MEMCACHED?|RABBITMQ|AMQP|"
    r"CLICKHOUSE|CASSANDRA|NEO4J|OPENSEARCH|ELASTICSEARCH|INFLUXDB)_*(?:CONNECTION_*)?"
    r"(?:HOST|HOSTS|HOSTNAME|SERVER|SERVERS|ADDR|ADDRESS)$",
    re.IGNORECASE,
)
SCHEDULER_WORDS = words("beat celerybeat scheduler cron crond supercronic ofelia rqscheduler clockwork clock redbeat")
WORKER_WORDS = words(
    "worker workers celery rq rqworker sidekiq resque huey dramatiq arq consumer consumers queue horizon listener "
    "delayed_job bullmq qcluster"
)
MIGRATES = re.compile(
    r"alembic\b.*\bupgrade|manage\.py\s+migrate|flask\s+db\s+upgrade|prisma\s+(?:migrate\s+deploy|db\s+push)|"
    r"(?:rails|rake)\s+db:(?:migrate|prepare)|sequelize\S*\s+db:migrate|knex\s+migrate|artisan\s+migrate|"
    r"flyway\b.*\bmigrate|dbmate\s+(?:up|migrate)|goose\b.*\bup\b|typeorm\b.*migration:run|ecto\.migrate|"
    r"\bdb[\s:](?:migrate|upgrade|prepare)\b|\bmigrations?[\s:](?:run|up|apply|migrate)\b|"
    r"(?:^|[\s/])migrate(?:\.sh|\.py)?(?:\s+(?:-\S+|up|head|latest|all))*\s*(?:$|[&;|'\"])",
)
JOB_WORDS = words("init setup seed createbuckets createbucket migrate migration migrations")
# Not evidence but the lack of it: what this is said of may turn out to be something else.
NOTHING_SHOWN = ("worker", "It publishes no port, and nothing shows that other services send requests to it.")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_SCHEDULE = re.compile(r"(?:^|[\"'\s])(?:@(?:hourly|daily|weekly|monthly)|(?:[\d*][\d*/,-]*\s+){4}[\d*][\d*/,-]*)\s")
_THEN = re.compile(r"&&|;|\|\||\bexec\b")


def derive(
    model: Mapping[str, Any], declared: Mapping[str, str], texts: Mapping[str, str] | None = None
) -> dict[str, tuple[str, str]]:
    """Role and reason (one sentence) of each service; *declared* are the user's own, already checked. *texts* are the
    files that services mount, where they are known: what a proxy passes requests to may be said nowhere else."""
    found: dict[str, tuple[str, str]] = {}
    bodies = services(model)
    for name in bodies:
        if name in declared:
            found[name] = (declared[name], "It is declared in service_roles.")
            continue
        evidence = _by_itself(model, name) or ("", "")
        if evidence[0]:
            found[name] = evidence
    for name, body in bodies.items():
        if name not in found:
            found[name] = _by_company(bodies, name, body, texts or {})
    # What requests depend on starts before them, however many hands they go through.
    while True:
        needed = _needed(bodies, found)
        if not needed:
            return {name: found[name] for name in bodies}
        found.update(needed)


def _needed(
    bodies: Mapping[str, Mapping[str, Any]], found: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    webs = [name for name, role in sorted(found.items()) if role[0] == "web"]
    inside = {
        name: ("web", f"It is in the network of {owner_of(body)}, which gets requests.")
        for name, body in bodies.items()
        if owner_of(body) in webs and found[name] == NOTHING_SHOWN
    }
    return inside or {
        needed: ("web", f"It publishes no port, but {name}, which gets requests, depends on it.")
        for name in reversed(webs)
        for needed in bodies[name].get("depends_on") or {}
        if found.get(needed) == NOTHING_SHOWN
    }


def owner_of(body: Mapping[str, Any]) -> str:
    """The service whose network a service is in, as a VPN's; "" with networks of its own."""
    kind, _colon, owner = str(body.get("network_mode") or "").partition(":")
    return owner if kind == "service" else ""


def migrates(service: Mapping[str, Any]) -> bool:
    """True when a service's own command line migrates a database before it serves."""
    return bool(MIGRATES.search(command_line(service)))


def command_line(service: Mapping[str, Any]) -> str:
    """Entrypoint and command as one line."""
    line: list[str] = []
    for key in ("entrypoint", "command"):
        value = service.get(key) or []
        line += [value] if isinstance(value, str) else [str(word) for word in value]
    return " ".join(line)


def looks_like_scheduler(name: str, service: Mapping[str, Any]) -> str:
    """The word that gives a scheduler away, or ""."""
    line = command_line(service)
    # `celery worker -B` runs the beat inside the worker: two of them would send everything twice.
    if re.search(r"\bcelery\b.*\s(-B|--beat)\b", line) or "schedule:work" in line:
        return "beat" if "celery" in line else "schedule:work"
    found = _SCHEDULE.search(line)
    if found:
        return found.group().strip(" \"'")
    return next(iter(sorted(_words_of(name, service) & SCHEDULER_WORDS)), "")


def _words_of(name: str, service: Mapping[str, Any]) -> set[str]:
    texts = (command_line(service), name.replace("_", " "))
    return {word.lower() for text in texts for word in _WORD.findall(text)}


def _by_itself(model: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    body = services(model)[name]
    # First of all: what others wait for to end is no store, although its image may be one's, for its client.
    for other, dependent in services(model).items():
        condition = ((dependent.get("depends_on") or {}).get(name) or {}).get("condition")
        if condition == "service_completed_successfully":
            return "job", f"{other} waits for it to complete successfully."
    if _only_asks(services(model), name):
        return "job", "It keeps nothing, asks another service, is asked by none, and is not restarted when it ends."
    kind = _state_kind(model, name, body) or _asked_as_store(services(model), name)
    if kind:
        return "state", kind
    if body.get("ports"):
        return "web", "It publishes a port."
    if _only_migrates(body):
        return "job", "Its command migrates a database and does nothing after that, and it is not restarted."
    # One that waits for what serves could not run before it.
    needs = {other: services(model).get(other, {}) for other in body.get("depends_on") or {}}
    called = set(re.split(r"[^a-z]+", name.lower())) & JOB_WORDS
    if called and may_end(body) and all(body and _state_kind(model, other, body) for other, body in needs.items()):
        return "job", f"It is called {name}, and is not restarted when it ends."
    word = looks_like_scheduler(name, body)
    if word:
        return "scheduler", f'Its name or command says "{word}", and two schedulers would do everything twice.'
    return None


def _only_migrates(body: Mapping[str, Any]) -> bool:
    last = _THEN.split(command_line(body).strip().rstrip("'\""))[-1]
    return bool(MIGRATES.search(last)) and may_end(body)


def may_end(body: Mapping[str, Any]) -> bool:
    """True when nothing starts it again once it has ended well."""
    policy = ((body.get("deploy") or {}).get("restart_policy") or {}).get("condition") or body.get("restart") or "no"
    return str(policy).partition(":")[0] in ("no", "none", "on-failure")


def _only_asks(bodies: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    """Whether a store's image is used for its client only: to make a bucket, a topic, a replica set."""
    body = bodies[name]
    if repository(str(body.get("image") or "")).rpartition("/")[2].lower() not in _STATE_BY_IMAGE:
        return False
    keeps = any(not mount.get("read_only") for mount in mounts_of(body))
    serves = keeps or body.get("ports") or body.get("expose") or body.get("healthcheck") or not may_end(body)
    if serves or not command_line(body) or not body.get("depends_on"):
        return False
    named = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
    return not any(
        name in (other.get("depends_on") or {}) or any(named.search(text) for text in _said(other))
        for one, other in bodies.items()
        if one != name
    )


def _said(body: Mapping[str, Any]) -> list[str]:
    """What a service is told: the values of its variables, and its command."""
    values = [str(value) for value in (body.get("environment") or {}).values() if value is not None]
    return [*values, command_line(body)]


def _state_kind(model: Mapping[str, Any], name: str, body: Mapping[str, Any]) -> str:
    full = repository(image_of(model, name))
    last = full.rpartition("/")[2].lower()
    kind = _STATE_BY_REPOSITORY.get(full) or (_STATE_BY_IMAGE.get(last) if body.get("image") else "")
    if kind:
        return f"Its image {last} is known as {kind}."
    for mount in mounts_of(body):
        data = DATA_DIRECTORIES.get(str(mount.get("target", "")).rstrip("/"))
        if data and not mount.get("read_only") and mount.get("type") in ("volume", "bind"):
            return f"It writes to {mount['target']}, where {data} keeps its data."
    keeps = any(mount.get("type") in ("volume", "bind") and not mount.get("read_only") for mount in mounts_of(body))
    if keeps and re.split(r"[^a-z]+", name.lower().rstrip("0123456789-_."))[-1] in STATE_WORDS:
        return f"It is called {name}, and writes to a volume."
    return ""


def _asked_as_store(bodies: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """By how others call it, one sentence; "" when nobody calls it a store."""
    known = re.escape(name)
    address = re.compile(
        rf"(?:^|[\s=,;:\"'])({_SCHEMES})(?:\+\w+)?://(?:[^@/\s]*@)?(?:[^@/\s]*,)?{known}(?=[:/?,;\s\"']|$)"
    )
    port = re.compile(rf"(?:^|[/@\s=,;\"']){known}:({_STORE_PORTS})(?!\d)")
    alone = re.compile(rf"(?:^|.*,){known}(?::\d+)?(?:,|$)")
    for other, body in bodies.items():
        if other == name:
            continue
        for variable, value in (body.get("environment") or {}).items():
            if _STORE_HOST.search(variable) and alone.match(str(value)):
                return f"{other} asks it as a store ({variable})."
        for text in _said(body):
            found = address.search(text)
            if found:
                return f"{other} asks it as a store ({found.group(1)}://)."
            found = port.search(text)
            if found:
                return f"{other} asks it as a store (port {found.group(1)})."
    return ""


def _by_company(
    bodies: Mapping[str, Mapping[str, Any]],
    name: str,
    body: Mapping[str, Any],
    texts: Mapping[str, str],
) -> tuple[str, str]:
    if _words_of(name, body) & WORKER_WORDS:
        return "worker", "It publishes no port, and its name or command says that it works a queue."
    routers = [program for program in foreign(body) if program in ROUTERS]
    if routers:
        return "web", f"It says to {routers[0]} that it gets requests."
    if body.get("expose"):
        return "web", "It exposes a port to other services of the slot."
    test = " ".join(str(word) for word in ((body.get("healthcheck") or {}).get("test") or []))
    if re.search(r"https?://|\bcurl\b|\bwget\b", test):
        return "web", "It publishes no port, but its healthcheck asks it over HTTP."
    caller, _port = who_calls(bodies, name, texts)
    if caller:
        return "web", f"It publishes no port, but {caller} names it as one that answers."
    return NOTHING_SHOWN


def who_calls(
    bodies: Mapping[str, Mapping[str, Any]], name: str, texts: Mapping[str, str] | None = None
) -> tuple[str, int]:
    """The service that names this one with a port or in a URL, and the port (0 when it does not say)."""
    address = re.compile(
        rf"(?:^|[/@\s=,;\"'])(?:{re.escape(name)}):(\d{{2,5}})\b|https?://{re.escape(name)}(?=[/;\"'\s]|$)"
    )
    for other, body in bodies.items():
        for text in [*_said(body), (texts or {}).get(other, "")] if other != name else ():
            found = address.search(text)
            if found:
                return other, int(found.group(1) or 0)
    return "", 0

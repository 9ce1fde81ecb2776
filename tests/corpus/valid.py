# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odd, but right: what has to be accepted, so that a check that is too strict is found as well."""

from __future__ import annotations

from .case import COMPOSE, MANIFEST, SECRET, SECRETS, Case, Link, inventory
from .compose import WEB

PORT = {"PORT": "18099"}
TEST = {"name": "one", "path": "/"}


def said(name: str, /, **extra: object) -> Case:
    return Case(name, extra={"version": "1.1.0", **extra})


def version(text: str) -> Case:
    """A manifest of another version."""
    return Case(
        f"version {text}", extra={"version": text}, files={f"releases/{text}.yml": MANIFEST.replace("1.1.0", text, 1)}
    )


def manifest(name: str, lines: str) -> Case:
    return Case(name, files={"releases/1.1.0.yml": f'version: "1.1.0"\n{lines}\n'})


def compose(name: str, lines: str = "", more: str = "", **variables: object) -> Case:
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return Case(name, files={"source/compose.yaml": f"{WEB}{body}{more}"}, variables=variables)


CASES = [
    Case("the ordinary service"),
    version("2.0.0-rc.1+build.5"),
    version("1.1.0-0.x-y-z.--"),
    said("nothing answered to a survey", image="", reason="", approved_plan="", commit=None),
    said("a reason in another script", reason="Ошибки в корзине 🛒 — zurück, naïve «ü»"),
    said("AWX's own variables", awx_job_id=7, tower_user_name="me", ansible_check_mode=True),
    said("a number that is a string", service_warm_seconds="60"),
    said("braces that are no template", reason="{ x } %} }}"),
    Case("an image instead of a version", extra={"image": "127.0.0.1:5000/hello:1.1.0"}),
    Case("an image by its digest", extra={"image": "127.0.0.1:5000/hello@sha256:" + "a" * 64}),
    Case("an image of an IPv6 registry", extra={"images": {"web": "[::1]:5000/team/hello@sha256:" + "a" * 64}}),
    # -- settings
    inventory("a name of 31 characters", name="a" * 31),
    inventory("nothing but what is needed", ready={"web": {"path": "/"}}, registries=[]),
    inventory("a project of another name", project="my_app-2"),
    inventory("least times", start_seconds=1, drain_seconds=0, hold_seconds=1, warm_seconds=0, min_free_mib=0),
    inventory("most times", start_seconds=86400, drain_seconds=86400, hold_seconds=3600, warm_seconds=2592000),
    inventory("no watch", watch={"seconds": 0}),
    inventory("a watch without limits", watch={"errors_percent": False, "p95_ms": False, "p99_ms": False}),
    inventory("one latency", watch={"p95_ms": 5000}),
    inventory("a checkpoint at the end", watch={"seconds": 10, "checkpoints": [10]}),
    inventory("IPv6 networks", edge_trusted=["2001:db8::/32", "10.0.0.0/8", "192.0.2.1"]),
    inventory("a value of many lines", environment={**PORT, "KEY": "-----BEGIN\n'\"$HOME${X}`id`\\\n-----END"}),
    inventory("an empty value", environment={**PORT, "EMPTY": ""}),
    inventory("a number as value", environment={"PORT": 18099}),
    inventory("a secret of every character", secrets={**SECRETS, "X": "".join(map(chr, range(1, 128))) + "é🛒"}),
    inventory("a secret for smoke tests only", secrets={**SECRETS, "api-token.v2": SECRET}),
    inventory(
        "a registry with a port", registries=[{"registry": "localhost:5000", "username": "$oauth", "password": "{{"}]
    ),
    inventory("a readiness of TCP", ready={"web": {"port": 8000, "timeout": 0.5}}),
    inventory("a query with a cast", schema={"service": "db", "query": "select max(v)::text from x where y = 'a'"}),
    inventory("a schema without a query", schema={"service": "db"}),
    inventory("a pointer to a key with a slash", version_endpoint={"path": "/v?full=1", "field": "/build~1x/0"}),
    inventory("a mandatory check that is there", mandatory_checks=["disk", "state_directory", "last_run"]),
    inventory("held although it could overlap", switch="hold"),
    inventory("a port of plain TCP", edge_tcp_ports=[18099]),
    # -- smoke tests
    inventory("a literal ${", smoke_tests=[{**TEST, "body": "price: $${x} $5"}]),
    inventory("a whole answer", smoke_tests=[{**TEST, "expect": {"status": 503, "json": {"": {"a": [None]}}}}]),
    inventory(
        "tokens and secrets",
        smoke_tests=[
            {**TEST, "method": "POST", "body": {"key": "${secret:TOKEN}"}, "take": {"t": "/a/0"}},
            {"name": "two", "path": "/${t}?q=%20é", "headers": {"Authorization": "Bearer ${t}"}},
        ],
    ),
    # -- manifests
    manifest("an empty manifest", ""),
    manifest("keys of nothing", "changes:\nimages:\nschema:\ncommit:\n"),
    manifest("changes of many lines", "changes:\n  - |\n    One\n    two: {{ three }} ${FOUR}\n  - 日本語 🛒\n"),
    manifest("a version of a database", 'schema: {revision: "0002", compatible: ["0001", "0002"]}\nimages: {}'),
    Case("a manifest with a byte order mark", files={"releases/1.1.0.yml": b"\xef\xbb\xbf" + MANIFEST.encode()}),
    Case("a manifest of Windows", files={"releases/1.1.0.yml": MANIFEST.replace("\n", "\r\n")}),
    Case("a manifest of JSON", files={"releases/1.1.0.yml": '{"version": "1.1.0", "from": ">=0.1.0 <1.1.0"}'}),
    Case("files beside the manifests", files={"releases/README.md": "x", "releases/x.yml": ":", "releases/.yml": ""}),
    # -- compose files
    Case(
        "anchors and merges",
        files={"source/compose.yaml": "x-a: &a {stop_grace_period: 1m30s}\n" + WEB + "    <<: *a\n"},
    ),
    Case(
        "an override that resets",
        variables={"service_compose_files": ["compose.yaml", "more.yaml"]},
        files={"source/more.yaml": "services: {web: {environment: !reset {}, labels: {x: y}}}\n"},
    ),
    Case(
        "an include and an extension",
        files={
            "source/compose.yaml": "include: [parts/db.yaml]\n"
            + WEB
            + "    extends: {file: parts/base.yaml, service: base}\n",
            "source/parts/db.yaml": "services: {db: {image: '127.0.0.1:5000/postgres:17'}}\n",
            "source/parts/base.yaml": "services: {base: {environment: {A: b}}}\n",
        },
    ),
    compose("defaults of interpolation", lines="command: ['${X:-a}', '${PORT:+b}', '$$HOME']"),
    Case(
        "IPv6 and a second port",
        files={"source/compose.yaml": WEB.replace("['18099:8000']", "['[::1]:18099:8000', '127.0.0.1:18098:8000']")},
    ),
    compose("privileged and with limits", lines="privileged: true\nmem_limit: 64m\nulimits: {nofile: 1024}"),
    compose(
        "an outside network", lines="networks: [out]", more="networks: {out: {external: true, name: 'of others'}}\n"
    ),
    compose("a secret of the environment", lines="secrets: [key]", more="secrets: {key: {environment: TOKEN}}\n"),
    compose(
        "a readiness in the file", lines="healthcheck: {test: [CMD, 'true'], interval: 1h2m3.5s}", service_ready={}
    ),
    compose(
        "writes, but shared", lines="volumes: ['data:/data']", more="volumes: {data: {}}\n", service_shared=["web"]
    ),
    compose("names with dots and underscores", more="  a_b.c-d: {image: '127.0.0.1:5000/x:1'}\n"),
    compose("no version in the file", more="version: '2.4'\n"),
    Case("a link inside", files={"source/conf": Link("compose.yaml"), "source/deep/up": Link("../compose.yaml")}),
    Case(
        "a page of one's own",
        files={"source/down/p\u00e4ge.html": "<p>{{ x }} %[src] ${Y}</p>"},
        variables={"service_edge_maintenance": "down/p\u00e4ge.html"},
    ),
    Case("an .env and a directory of .git", files={"source/.env": "PORT=1\n", "source/.git/x": Link("/etc")}),
    Case(
        "a file with spaces",
        files={"source/a compose file.yaml": COMPOSE},
        variables={"service_compose_files": ["a compose file.yaml"]},
    ),
]

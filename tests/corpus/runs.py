# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times, the edge, and what a run checks: inventory variables."""

from __future__ import annotations

from .case import SECRET, Case, inventory

CERTIFICATE = {"certificate": "/etc/hostname"}
INF, NAN = float("inf"), float("nan")

CASES = [
    # -- times
    inventory("warm_seconds: negative", "service_warm_seconds must be from 0 to 2592000, not -1", warm_seconds=-1),
    inventory(
        "warm_seconds: a fraction",
        "service_warm_seconds must be a whole number from 0 to 2592000, not a",
        warm_seconds=1.5,
    ),
    inventory(
        "warm_seconds: no number",
        "service_warm_seconds must be a whole number from 0 to 2592000, not a",
        warm_seconds=NAN,
    ),
    inventory(
        "warm_seconds: a word",
        "service_warm_seconds must be a whole number from 0 to 2592000, not a",
        warm_seconds="an hour",
    ),
    inventory("warm_seconds: a boolean", "service_warm_seconds must be a whole number", warm_seconds=True),
    inventory(
        "warm_seconds: a list",
        "service_warm_seconds must be a whole number from 0 to 2592000, not a",
        warm_seconds=[60],
    ),
    inventory("start_seconds: none", "service_start_seconds must be from 1 to 86400, not 0", start_seconds=0),
    inventory("start_seconds: huge", "service_start_seconds must be from 1 to 86400", start_seconds=10**30),
    inventory("drain_seconds: negative", "service_drain_seconds must be from 0 to 86400, not -3", drain_seconds="-3"),
    inventory("hold_seconds: too long", "service_hold_seconds must be from 1 to 3600, not 3601", hold_seconds=3601),
    inventory("min_free_mib: negative", "service_min_free_mib must be from 0", min_free_mib=-1),
    inventory("min_free_mib: more than there is", "no go: disk:", "service_min_free_mib", min_free_mib=10**11),
    inventory("switch: misspelled", "service_switch", "overlap", switch="overlapp"),
    inventory(
        "mandatory_checks: no such check",
        "service_mandatory_checks asks for backups, which is no check (did you mean 'backup_age'?)",
        mandatory_checks=["backups"],
    ),
    inventory(
        "mandatory_checks: not configured",
        "service_mandatory_checks asks for it",
        "Configure ci",
        mandatory_checks=["ci"],
    ),
    inventory("mandatory_checks: a mapping", "service_mandatory_checks", "list", mandatory_checks={"ci": True}),
    # -- edge
    inventory(
        "edge_image: two words", "service_edge_image must be an image reference", edge_image="haproxy:3.0 --privileged"
    ),
    inventory("edge_image: interpolation", "service_edge_image must be an image reference", edge_image="haproxy:${X}"),
    inventory("edge_image: a newline", "service_edge_image contains the character U+000A", edge_image="haproxy:3.0\n"),
    inventory("edge_trusted: a string", "service_edge_trusted must be a list", edge_trusted="10.0.0.0/8"),
    inventory(
        "edge_trusted: a word",
        "service_edge_trusted[0] must be a network such as 10.0.0.0/8",
        edge_trusted=["everyone"],
    ),
    inventory("edge_trusted: a host's bits", "service_edge_trusted[0] must be a network", edge_trusted=["10.0.0.1/8"]),
    inventory(
        "edge_trusted: a line of configuration",
        "service_edge_trusted[0] must be a network",
        edge_trusted=["10.0.0.0/8\n    http-request deny"],
    ),
    inventory(
        "edge_trusted: a line after a scope",
        "service_edge_trusted[0] must be a network",
        edge_trusted=["fe80::1%\n    http-request deny\n#/128"],
    ),
    inventory("edge_trusted: a number", "service_edge_trusted[0] must be a network", edge_trusted=[5]),
    inventory("edge_trusted: twice", "service_edge_trusted[1] is '10.0.0.0/8' again", edge_trusted=["10.0.0.0/8"] * 2),
    inventory("edge_tcp_ports: a word", "service_edge_tcp_ports", edge_tcp_ports=["http"]),
    inventory("edge_tcp_ports: too large", "service_edge_tcp_ports[0] must be from 1 to 65535", edge_tcp_ports=[70000]),
    inventory(
        "edge_tcp_ports: nobody publishes it",
        "service_edge_tcp_ports names 5432, which no service publishes",
        "There are: 18099.",
        edge_tcp_ports=[5432],
    ),
    inventory("edge_tcp_ports: twice", "service_edge_tcp_ports[1] is 18099 again", edge_tcp_ports=[18099, "18099"]),
    inventory("edge_tls: a list", "service_edge_tls must be a mapping of published ports, not", edge_tls=[443]),
    inventory("edge_tls: a word as port", "service_edge_tls has the key 'https'", edge_tls={"https": CERTIFICATE}),
    inventory("edge_tls: too large", "service_edge_tls has the key '65536'", edge_tls={65536: CERTIFICATE}),
    inventory("edge_tls: a boolean as port", "service_edge_tls has the key 'true'", edge_tls={True: CERTIFICATE}),
    inventory("edge_tls: a path alone", "service_edge_tls.18099 must be a mapping", edge_tls={18099: "/x.pem"}),
    inventory("edge_tls: no certificate", "service_edge_tls.18099.certificate is missing", edge_tls={18099: {}}),
    inventory(
        "edge_tls: misspelled",
        "service_edge_tls.18099 has the unknown key 'cert'",
        edge_tls={18099: {**CERTIFICATE, "cert": "/x.pem"}},
    ),
    inventory(
        "edge_tls: a path of the controller",
        "service_edge_tls.18099.certificate must be an absolute path on the host, not 'live/fullchain.pem'",
        edge_tls={18099: {"certificate": "live/fullchain.pem"}},
    ),
    inventory(
        "edge_tls: a key instead of its path",
        "service_edge_tls.18099.key contains the character U+000A",
        edge_tls={18099: {**CERTIFICATE, "key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n"}},
    ),
    inventory("edge_tls: a number as key", "18099.key must be an", edge_tls={18099: {**CERTIFICATE, "key": 5}}),
    inventory(
        "edge_tls: not there",
        "service_edge_tls.18099.certificate names /nowhere/x.pem, which cannot be read on the host: No such file",
        edge_tls={18099: {"certificate": "/nowhere/x.pem"}},
    ),
    inventory("edge_tls: a directory", "Is a directory", edge_tls={18099: {"certificate": "/etc"}}),
    inventory("edge_tls: a device", "which is no file", edge_tls={18099: {"certificate": "/dev/zero"}}),
    inventory("edge_tls: no PEM", "holds no certificate in PEM", edge_tls={18099: CERTIFICATE}),
    inventory(
        "edge_tls: nobody publishes it",
        "service_edge_tls names 443, which no web service publishes",
        "There are: 18099.",
        edge_tls={443: CERTIFICATE},
    ),
    inventory(
        "edge_tls: plain TCP",
        "service_edge_tls names 18099, which is passed on as plain TCP (service_edge_tcp_ports)",
        edge_tls={18099: CERTIFICATE},
        edge_tcp_ports=[18099],
    ),
    Case(
        "edge_tls: of an adoption",
        ("the edge has TLS (service_edge_tls)", "maintenance.yml -e state=keep"),
        variables={"service_edge_tls": {18099: CERTIFICATE}},
        extra={},
        runbook="adopt",
    ),
    # -- version, watch, proof
    inventory(
        "version_endpoint: no field", "service_version_endpoint.field is missing", version_endpoint={"path": "/"}
    ),
    inventory(
        "version_endpoint: no path", "service_version_endpoint.path is missing", version_endpoint={"field": "version"}
    ),
    inventory(
        "version_endpoint: an address",
        "service_version_endpoint.path must be a path",
        version_endpoint={"path": "http://x/", "field": "v"},
    ),
    inventory(
        "version_endpoint: no pointer",
        "service_version_endpoint.field must be a key or a JSON pointer",
        version_endpoint={"path": "/", "field": "/a~2"},
    ),
    inventory(
        "version_endpoint: a fraction as port", "port", version_endpoint={"path": "/", "field": "v", "port": 80.5}
    ),
    inventory("watch: a list", "service_watch must be a mapping with seconds", watch=[300]),
    inventory("watch: misspelled", "secnds", watch={"secnds": 3}),
    inventory("watch: negative", "service_watch.seconds must be from 0 to 86400, not -1", watch={"seconds": -1}),
    inventory("watch: too long", "service_watch.seconds must be from 0 to 86400", watch={"seconds": 10**9}),
    inventory(
        "watch: p99 below p95",
        "service_watch.p99_ms must not be below service_watch.p95_ms",
        watch={"p95_ms": 900, "p99_ms": 100},
    ),
    inventory(
        "watch: a checkpoint after its end",
        "service_watch.checkpoints[1] must be from 1 to 10, not 20",
        watch={"seconds": 10, "checkpoints": [5, 20]},
    ),
    inventory(
        "watch: checkpoints in disorder",
        "service_watch.checkpoints[1] must be later than 6",
        watch={"seconds": 10, "checkpoints": [6, 3]},
    ),
    inventory(
        "watch: a checkpoint at 0",
        "service_watch.checkpoints[0] must be from 1",
        watch={"seconds": 10, "checkpoints": [0]},
    ),
    inventory(
        "watch: a word as checkpoints", "service_watch.checkpoints", watch={"seconds": 10, "checkpoints": {"a": 1}}
    ),
    inventory(
        "watch: too many errors",
        "service_watch.errors_percent must be from 0 to 99, not 100",
        watch={"errors_percent": 100},
    ),
    inventory(
        "watch: endless errors", "service_watch.errors_percent must be from 0 to 99", watch={"errors_percent": INF}
    ),
    inventory(
        "watch: no number of errors", "service_watch.errors_percent must be from 0 to 99", watch={"errors_percent": NAN}
    ),
    inventory("watch: no latency", "service_watch.p95_ms must be from 1 to 3600000, not 0", watch={"p95_ms": 0}),
    inventory("watch: negative log errors", "service_watch.log_errors must be from 0", watch={"log_errors": -1}),
    inventory("watch: misspelled normal", "p96_ms", watch={"normal": {"p96_ms": 1}}),
    inventory("watch: normal is a number", "normal", watch={"normal": 5}),
    inventory("proof: a list", "service_proof must be a mapping with path", proof=["/"]),
    inventory("proof: an address", "service_proof.path must be a path", proof={"path": "https://example.com/"}),
    inventory("proof: negative", "service_proof.max_failed must be from 0", proof={"max_failed": -1}),
    inventory("proof: no gap", "service_proof.max_gap_ms must be from 50", proof={"max_gap_ms": 0}),
    inventory("proof: a boolean", "service_proof.max_failed must be a whole number", proof={"max_failed": True}),
    inventory("proof: a header", "service_proof.path contains the character U+000D", proof={"path": "/\r\nHost: evil"}),
    inventory("proof: misspelled", "max_gap", proof={"max_gap": 5}),
]

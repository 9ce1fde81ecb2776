# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renders the files of the edge: HAProxy's configuration and the compose model of its container. Pure functions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from .edge_spec import DEFAULT_PAGE, SLOTS, EdgePort, EdgeSpec
from .edge_tls import CERTIFICATE

CONFIG_DIRECTORY = "/edge/config"
RUN_DIRECTORY = "/edge/run"
SOCKET = "master.sock"
MAP = f"{CONFIG_DIRECTORY}/edge.map"
USER = 99  # `haproxy` in Docker Hub's image; no name is needed for it to run in any other
BUFFER_BYTES = 32_768  # also the longest head of a request; uvicorn and nginx take 64 and 32 KiB, HAProxy's own 16
STOP_SECONDS = 5

# A request that is held sleeps here until the map says something else; then the ordinary rules choose its backend.
# What is held is therefore no state of its own: release, restart and reload follow the map like everything else.
# Those released leave one a millisecond: together they would overflow the backlog of a server's socket. The script has
# one state for all threads, so that this is the pace of the whole edge.
HOLD_SCRIPT = f"""\
local entries = Map.new("{MAP}", Map._str)
local turn = 0

core.register_action("hold", {{ "http-req", "tcp-req" }}, function(_, seconds)
  local left = tonumber(seconds) * 20
  while left > 0 and entries:lookup("live") == "hold" do
    core.msleep(50)
    left = left - 1
  end
  local date = core.now()
  local now = date.sec * 1000 + date.usec // 1000
  turn = math.max(turn + 1, now)
  if turn > now then
    core.msleep(turn - now)
  end
end, 1)
"""

# txn.dice: in a condition of its own, rand() would make a TCP client wait for data that it never sends.
# retries: a server that refuses is asked again after up to 1 s each; more than 3 lets a crashed one hang its clients.
# http-server-close: an application server closes idle connections whenever it likes, and a POST that meets this
#   cannot be repeated; with a connection for each request there are none.
# idle-close-on-response: after a reload idle clients keep their connection until their next answer.
# abortonclose: a client that gave up is not served after a hold, and the application learns of it as it did before.
# inter 2s: sshd (from 9.8 on) shuts out an address that connects and says nothing more than once a second.
# timeouts: the application's own patience decides, as when its port was published directly.
GLOBAL = """\
# Written by steady.runbooks. A change by hand is seen by `status` and taken back by the next run.
global
    description {digest}
    log stdout format raw local0
    fd-hard-limit 50000
    hard-stop-after 24h
    mworker-max-reloads 5
    tune.bufsize {buffer}
    lua-load {config}/hold.lua

resolvers docker
    nameserver engine 127.0.0.11:53
    accepted_payload_size 8192
    resolve_retries 3
    timeout resolve 200ms
    timeout retry 200ms
    hold valid 200ms
    hold nx 500ms
    hold other 500ms
    hold obsolete 0s
    hold refused 20d
    hold timeout 20d

defaults any
    log global
    option dontlognull
    option redispatch 1
    retries 3
    timeout connect 1s
    timeout check 3s
    timeout queue 30s
    timeout client 24h
    timeout server 24h
    timeout tunnel 24h
    default-server check inter 500ms fastinter 100ms downinter 100ms fall 3 rise 1
    default-server resolvers docker resolve-prefer ipv4 init-addr libc,none

defaults http from any
    mode http
    option http-server-close
    option http-ignore-probes
    option idle-close-on-response
    option abortonclose
    timeout http-request 30s
    timeout http-keep-alive 75s
    .if version_atleast(3.0)
    timeout client-hs 30s
    .endif
    log-format "steady %[date(0,ms)] %fp %[var(txn.slot)] %[var(txn.probe)] %ST %ts %Ta %Tw"

defaults tcp from any
    mode tcp
    default-server inter 2s
    log-format "steady %[date(0,ms)] %fp %[var(txn.slot)] - 0 %ts %Tt %Tw"

backend maintenance from http
    http-request return status 503 content-type "text/html; charset=utf-8" \
hdr Retry-After 30 hdr Cache-Control no-store file {config}/maintenance.html

backend closed from tcp
"""

# The text tells certificates apart, so a renewed one is another configuration. They are public; keys are not told.
BIND_TLS = """ ssl crt {config}/{pem} alpn h2,http/1.1 ssl-min-ver TLSv1.2
    # certificate {digest}"""

FRONTEND_HTTP = """
frontend p{published} from http
    bind :{published}{tls}
    acl probe var(txn.probe) -m found
    acl chosen var(txn.chosen) -m found
    acl closed var(txn.closed) -m found
    acl trusted {trusted}
    http-request set-var(txn.probe) int(1) if {{ req.hdr(X-Steady-Probe) -m str -- {token} }}
    http-request return status 204 hdr X-Steady-Slot edge if probe {{ req.hdr(X-Steady-Slot) -m str edge }}
    http-request set-var(txn.chosen) req.hdr(X-Steady-Slot) if probe {{ req.hdr(X-Steady-Slot) -m str blue green }}
    http-request set-var(txn.closed) int(1) if !probe {{ str(maintenance),map({map}) -m str on }}
    http-request lua.hold {hold} if !chosen !closed {{ str(live),map({map}) -m str hold }}
    http-request set-var(txn.slot) str(live),map({map},none)
    http-request set-var(txn.share) str(share),map({map},0),add(0)
    http-request set-var(txn.dice) rand(100),sub(txn.share)
    http-request set-var(txn.slot) str(canary),map({map},none) if {{ var(txn.dice) -m int lt 0 }}
    http-request set-var(txn.slot) var(txn.chosen) if chosen
    http-request set-var(txn.slot) str(maintenance) if closed
    http-request del-header X-Steady-Probe
    http-request del-header X-Steady-Slot
    http-request del-header Forwarded if !trusted
    http-request del-header X-Real-IP if !trusted
    http-request del-header X-Forwarded-For if !trusted
    http-request add-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto {scheme} if !trusted or !{{ req.hdr(X-Forwarded-Proto) -m found }}
    http-request set-header X-Forwarded-Host %[req.hdr(Host)] if !trusted or !{{ req.hdr(X-Forwarded-Host) -m found }}
    http-request set-header X-Forwarded-Port %[dst_port] if !trusted or !{{ req.hdr(X-Forwarded-Port) -m found }}
    http-after-response del-header X-Steady-Slot
    http-after-response set-header X-Steady-Slot %[var(txn.slot)] if probe
    use_backend p{published}_%[var(txn.slot)]
    default_backend maintenance
"""

FRONTEND_TCP = """
frontend p{published} from tcp
    bind :{published}
    tcp-request inspect-delay {longer}s
    acl closed str(maintenance),map({map}) -m str on
    tcp-request content lua.hold {hold} if !closed {{ str(live),map({map}) -m str hold }}
    tcp-request content set-var(txn.slot) str(live),map({map},none)
    tcp-request content set-var(txn.share) str(share),map({map},0),add(0)
    tcp-request content set-var(txn.dice) rand(100),sub(txn.share)
    tcp-request content set-var(txn.slot) str(canary),map({map},none) if {{ var(txn.dice) -m int lt 0 }}
    tcp-request content set-var(txn.slot) str(maintenance) if closed
    use_backend p{published}_%[var(txn.slot)]
    default_backend closed
"""

BACKEND = """
backend p{published}_{slot} from {mode}
    server-template s 1-{replicas} {service}-{slot}:{target}
"""


def backend(port: EdgePort, slot: str) -> str:
    """The name of the backend that serves *port* from *slot*."""
    return f"p{port.published}_{slot}"


def pem_name(published: int) -> str:
    """The file of the configuration directory that a port's certificate and key are in."""
    return f"p{published}.pem"


def http_ports(haproxy: str) -> list[int]:
    """The published ports that a configuration serves by HTTP, with TLS or without."""
    return [int(port) for port in re.findall(r"^frontend p([0-9]+) from http$", haproxy, re.MULTILINE)]


def config_files(spec: EdgeSpec) -> dict[str, str]:
    """The files of the configuration directory but the map, by name."""
    page = spec.maintenance_html or DEFAULT_PAGE
    text = _haproxy(spec, "{digest}")
    digest = digest_of(text, HOLD_SCRIPT, page)
    return {
        "hold.lua": HOLD_SCRIPT,
        "maintenance.html": page,
        **{pem_name(port.published): port.certificate for port in spec.frontends if port.certificate},
        # last, because it is the file that says which version of the others is meant
        "haproxy.cfg": text.replace("{digest}", digest, 1),
    }


def digest_of(haproxy: str, hold: str, page: str) -> str:
    """What names a configuration: it stands in the configuration itself, so the running process tells it too."""
    return hashlib.sha256("\0".join((haproxy, hold, page)).encode()).hexdigest()[:16]


def digest_said(haproxy: str) -> str:
    """The digest that a configuration claims to have, or "" when it claims none."""
    found = re.search(r"^    description ([0-9a-f]{16})$", haproxy, re.MULTILINE)
    return found.group(1) if found else ""


def digest_true(files: Mapping[str, str]) -> str:
    """The digest that files on disk really have: unlike :func:`digest_said` after a change by hand."""
    text = files.get("haproxy.cfg", "")
    said = digest_said(text)
    return digest_of(
        text.replace(said, "{digest}", 1) if said else text,
        files.get("hold.lua", ""),
        files.get("maintenance.html", ""),
    )


def _haproxy(spec: EdgeSpec, digest: str) -> str:
    parts = [GLOBAL.format(digest=digest, buffer=BUFFER_BYTES, config=CONFIG_DIRECTORY)]
    for port in spec.frontends:
        parts.append(
            (FRONTEND_HTTP if port.mode == "http" else FRONTEND_TCP).format(
                published=port.published,
                tls=_tls(port),
                scheme="https" if port.certificate else "http",
                token=spec.probe_token,
                trusted="src " + " ".join(spec.trusted) if spec.trusted else "always_false",
                hold=spec.hold_seconds,
                longer=spec.hold_seconds + 5,
                map=MAP,
            )
        )
        parts.extend(
            BACKEND.format(
                published=port.published,
                slot=slot,
                mode=port.mode,
                replicas=spec.replicas,
                service=port.service,
                target=port.target,
            )
            for slot in SLOTS
        )
    return "".join(parts)


def _tls(port: EdgePort) -> str:
    if not port.certificate:
        return ""
    digest = hashlib.sha256("".join(CERTIFICATE.findall(port.certificate)).encode()).hexdigest()[:16]
    return BIND_TLS.format(config=CONFIG_DIRECTORY, pem=pem_name(port.published), digest=digest)


def compose_model(spec: EdgeSpec, directory: str) -> dict[str, Any]:
    """The compose project of the edge. *directory* is the edge's own directory on the host."""
    name = f"{spec.service}-edge"
    service: dict[str, Any] = {
        "image": spec.image,
        "container_name": name,
        "entrypoint": ["haproxy", "-W", "-db", "-S", f"{RUN_DIRECTORY}/{SOCKET},mode,600"],
        "command": ["-f", f"{CONFIG_DIRECTORY}/haproxy.cfg"],
        "user": f"{USER}:{USER}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        # ports below 1024 without any capability
        "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        # Without these the engine asks the host's name servers for each slot that does not run, five times a second.
        "dns_opt": ["ndots:1"],
        "dns_search": ["."],
        "restart": "unless-stopped",
        # SIGUSR1: no new connections, but requests that are being served get their answer
        "stop_signal": "SIGUSR1",
        "stop_grace_period": f"{STOP_SECONDS}s",
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
        "networks": {"edge": {}},
        # None while the plain containers of a service that is being adopted still have them.
        "ports": [
            {
                "mode": "host",
                "protocol": "tcp",
                "target": port.published,
                "published": str(port.published),
                **({"host_ip": port.host_ip} if port.host_ip else {}),
            }
            for port in sorted(spec.ports if spec.published else (), key=lambda port: (port.published, port.host_ip))
        ],
        "volumes": [
            _bind(f"{directory}/config", CONFIG_DIRECTORY, read_only=True),
            _bind(f"{directory}/run", RUN_DIRECTORY, read_only=False),
        ],
    }
    service["labels"] = {"steady.service": spec.service, "steady.edge": _digest(service)}
    return {
        "name": name,
        "services": {"edge": service},
        "networks": {"edge": {"name": name, "labels": {"steady.service": spec.service}}},
    }


def compose_text(model: Mapping[str, Any]) -> str:
    """The file of a compose model: Compose interpolates JSON too, so each ``$`` is doubled."""
    return json.dumps(model, indent=1, sort_keys=True).replace("$", "$$") + "\n"


def model_digest(model: Mapping[str, Any]) -> str:
    """The label by which a container tells which model it was made from."""
    return str(model["services"]["edge"]["labels"]["steady.edge"])


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": read_only,
        "bind": {"create_host_path": False},
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]

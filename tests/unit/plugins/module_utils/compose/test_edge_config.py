# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rendered files of the edge. Whether HAProxy takes them is for tests/system/test_edge.py."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_config import (
    compose_model,
    compose_text,
    config_files,
    digest_said,
    digest_true,
    http_ports,
    model_digest,
)
from ansible_collections.steady.runbooks.plugins.module_utils.compose.edge_spec import DEFAULT_PAGE, EdgePort, EdgeSpec
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused

SPEC = EdgeSpec(
    service="shop",
    image="haproxy:3.0",
    ports=(EdgePort("127.0.0.1", 8080, "backend", 8000), EdgePort("", 5432, "raw", 5433, "tcp")),
    probe_token="secret-token-0123456789",
    trusted=("10.0.0.0/8",),
    hold_seconds=42,
    replicas=3,
)


# Of a certificate only the text matters here.
PEM = """\
-----BEGIN CERTIFICATE-----
QUJD
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
REVG
-----END PRIVATE KEY-----
"""
TLS = dataclasses.replace(SPEC, ports=(dataclasses.replace(SPEC.ports[0], certificate=PEM), SPEC.ports[1]))


def haproxy(spec: EdgeSpec = SPEC) -> str:
    return config_files(spec)["haproxy.cfg"]


def section(text: str, head: str) -> str:
    """One section of the configuration."""
    found = re.search(rf"^{re.escape(head)}\n((?:    .*\n)*)", text, re.MULTILINE)
    assert found, head
    return found.group(1)


def test_each_port_has_a_frontend_and_a_backend_for_each_slot() -> None:
    text = haproxy()
    assert re.findall(r"^(?:frontend|backend) (\S+) from (\S+)$", text, re.MULTILINE) == [
        ("maintenance", "http"),
        ("closed", "tcp"),
        ("p5432", "tcp"),
        ("p5432_blue", "tcp"),
        ("p5432_green", "tcp"),
        ("p8080", "http"),
        ("p8080_blue", "http"),
        ("p8080_green", "http"),
    ]
    assert section(text, "backend p8080_green from http") == "    server-template s 1-3 backend-green:8000\n"
    assert section(text, "backend p5432_blue from tcp") == "    server-template s 1-3 raw-blue:5433\n"
    assert "lua.hold 42 " in section(text, "frontend p8080 from http")
    assert "lua.hold 42 " in section(text, "frontend p5432 from tcp")


def test_no_address_and_no_placeholder_is_left_in_the_configuration() -> None:
    text = haproxy()
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+", text)) == {"127.0.0.11", "10.0.0.0"}
    assert "{" not in re.sub(r"\{ .*? \}", "", text)


def test_headers_of_nobody_are_trusted_by_default() -> None:
    assert "acl trusted src 10.0.0.0/8\n" in haproxy()
    assert "acl trusted always_false\n" in haproxy(dataclasses.replace(SPEC, trusted=()))


def test_a_port_with_a_certificate_speaks_tls_and_tells_the_application_so() -> None:
    TLS.check()
    files = config_files(TLS)
    assert files["p8080.pem"] == PEM
    text = section(files["haproxy.cfg"], "frontend p8080 from http")
    assert "bind :8080 ssl crt /edge/config/p8080.pem alpn h2,http/1.1 ssl-min-ver TLSv1.2\n" in text
    assert "set-header X-Forwarded-Proto https if !trusted or" in text
    plain = section(haproxy(), "frontend p8080 from http")
    assert "bind :8080\n" in plain and "set-header X-Forwarded-Proto http if !trusted or" in plain
    assert http_ports(files["haproxy.cfg"]) == [8080]
    assert digest_true(files) == digest_said(files["haproxy.cfg"])


def test_a_renewed_certificate_is_another_configuration_and_its_key_is_told_nowhere() -> None:
    port = TLS.ports[0]
    renewed = dataclasses.replace(TLS, ports=(dataclasses.replace(port, certificate=PEM.replace("QUJD", "Q0JB")),))
    other_key = dataclasses.replace(TLS, ports=(dataclasses.replace(port, certificate=PEM.replace("REVG", "R0hJ")),))
    one = dataclasses.replace(TLS, ports=(port,))
    assert haproxy(renewed) != haproxy(one) == haproxy(other_key)
    told = [text for name, text in config_files(TLS).items() if name != "p8080.pem"]
    assert not [text for text in (*told, repr(TLS), compose_text(compose_model(TLS, "/x"))) if "REVG" in text]
    assert model_digest(compose_model(TLS, "/x")) == model_digest(compose_model(SPEC, "/x"))


def test_a_certificate_of_plain_tcp_is_refused() -> None:
    ports = (dataclasses.replace(SPEC.ports[1], certificate=PEM),)
    with pytest.raises(Refused, match=r"mode of published port \*:5432 is 'tcp', but has to be http"):
        dataclasses.replace(SPEC, ports=ports).check()


def test_the_digest_is_of_all_files_and_stands_in_the_configuration() -> None:
    files = config_files(SPEC)
    assert list(files)[-1] == "haproxy.cfg"
    digest = digest_said(files["haproxy.cfg"])
    assert digest == digest_true(files)
    assert digest != digest_said(haproxy(dataclasses.replace(SPEC, maintenance_html="<p>soon</p>")))
    assert digest != digest_said(haproxy(dataclasses.replace(SPEC, hold_seconds=43)))
    for name in files:
        assert digest_true({**files, name: files[name] + "# by hand\n"}) != digest
    assert digest_said("") == ""
    assert digest_true({}) != ""


@pytest.mark.parametrize("page", ["", "<p>{digest} %[src] $HOME</p>"])
def test_the_page_is_the_user_s_or_a_decent_one(page: str) -> None:
    files = config_files(dataclasses.replace(SPEC, maintenance_html=page))
    assert files["maintenance.html"] == (page or DEFAULT_PAGE)
    assert digest_true(files) == digest_said(files["haproxy.cfg"])


def test_the_container_may_do_little_and_publishes_exactly_what_the_service_did() -> None:
    model = compose_model(SPEC, "/var/lib/steady/shop/edge")
    service = model["services"]["edge"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "99:99"
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["ports"] == [
        {"mode": "host", "protocol": "tcp", "target": 5432, "published": "5432"},
        {"mode": "host", "protocol": "tcp", "target": 8080, "published": "8080", "host_ip": "127.0.0.1"},
    ]
    assert [(bind["source"], bind["read_only"]) for bind in service["volumes"]] == [
        ("/var/lib/steady/shop/edge/config", True),
        ("/var/lib/steady/shop/edge/run", False),
    ]
    assert model["networks"]["edge"]["name"] == model["name"] == service["container_name"] == "shop-edge"
    assert SPEC.probe_token not in compose_text(model)


def test_only_what_makes_a_container_changes_the_model() -> None:
    digest = model_digest(compose_model(SPEC, "/x"))
    assert digest == model_digest(compose_model(dataclasses.replace(SPEC, hold_seconds=1, trusted=()), "/x"))
    assert digest != model_digest(compose_model(dataclasses.replace(SPEC, image="haproxy:3.1"), "/x"))
    assert digest != model_digest(compose_model(dataclasses.replace(SPEC, ports=SPEC.ports[:1]), "/x"))
    assert digest == model_digest(compose_model(dataclasses.replace(SPEC, ports=SPEC.ports[::-1]), "/x"))


def test_compose_interpolates_nothing_in_the_model() -> None:
    text = compose_text(compose_model(SPEC, "/srv/$HOME"))
    assert "/srv/$$HOME/config" in text
    assert "$" not in text.replace("$$", "")


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
ports = st.builds(
    EdgePort,
    host_ip=st.sampled_from(["", "127.0.0.1", "::1"]),
    published=st.integers(1, 65535),
    service=names,
    target=st.integers(1, 65535),
    mode=st.sampled_from(["http", "tcp"]),
)


@given(
    ports=st.lists(ports, min_size=1, max_size=6, unique_by=lambda port: port.published).map(tuple),
    page=st.text(max_size=200),
    hold=st.integers(1, 3600),
)
def test_what_the_check_accepts_renders_one_directive_a_line(ports: tuple[EdgePort, ...], page: str, hold: int) -> None:
    spec = dataclasses.replace(SPEC, ports=ports, maintenance_html=page, hold_seconds=hold)
    spec.check()
    files = config_files(spec)
    text = files["haproxy.cfg"]
    assert digest_true(files) == digest_said(text)
    assert text.count("\nfrontend ") == len(ports)
    assert text.count("server-template") == 2 * len(ports)
    assert re.findall(r"bind :(\d+)", text) == sorted((str(port.published) for port in ports), key=int)
    assert json.loads(compose_text(compose_model(spec, "/x")))["services"]["edge"]["image"] == SPEC.image


def test_a_probe_token_is_never_taken_for_an_option() -> None:
    """HAProxy reads a pattern that begins with a dash as an option, unless it is told that no more of these come."""
    text = haproxy(dataclasses.replace(SPEC, probe_token="-0123456789abcdef"))
    assert "{ req.hdr(X-Steady-Probe) -m str -- -0123456789abcdef }" in text

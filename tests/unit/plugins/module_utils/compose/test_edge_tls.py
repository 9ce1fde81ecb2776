# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's certificates: what is read, refused and told of them."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.steady.runbooks.plugins.module_utils.compose import edge_tls
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.tests.corpus.certificates import Authority, Live, key_of

CHAIN, KEY = Authority().issue(7)
OTHER_CHAIN, OTHER_KEY = Authority().issue(8)
NOW = time.time()
PATHS = {"certificate": "fullchain.pem", "key": "privkey.pem"}


@pytest.fixture
def live(tmp_path: Path) -> Live:
    made = Live(tmp_path)
    made.renew(CHAIN, KEY)
    return made


def entry(root: Path, certificate: str = "", key: str = "") -> dict[str, str]:
    """Files with these texts; no key of its own when it is empty."""
    texts = {"certificate": certificate, **({"key": key} if key else {})}
    for name, text in texts.items():
        (root / name).write_text(text)
    return {name: str(root / name) for name in texts}


def test_certificate_chain_and_key_become_one_text(live: Live, tmp_path: Path) -> None:
    pem = edge_tls.pem_of("443", live.paths)
    assert pem == CHAIN + KEY
    assert edge_tls.pem_of("443", entry(tmp_path, f"some\nwords\n{KEY}{CHAIN}")) == pem
    assert edge_tls.pem_of("443", {**entry(tmp_path, CHAIN.replace("\n", "\r\n") + KEY), "key": None})


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        ("", KEY, "service_edge_tls.443.certificate names {certificate}, which holds no certificate in PEM"),
        ("\xff\x00", KEY, "which holds no certificate"),
        (CHAIN, "", "443.certificate names {certificate}, which holds no private key: name the file that does in"),
        (CHAIN, CHAIN, "service_edge_tls.443.key names {key}, which holds no private key"),
        (CHAIN, KEY + OTHER_KEY, "which holds 2 private keys"),
        (CHAIN, OTHER_KEY, "service_edge_tls.443.key names {key}, whose key does not match the certificate"),
        (CHAIN + OTHER_KEY, "", "service_edge_tls.443.certificate names {certificate}, whose key does not match"),
        (CHAIN[:200] + CHAIN[210:], KEY, "service_edge_tls.443 names certificate and key that are damaged ("),
        (CHAIN, KEY.replace("BEGIN PRIVATE KEY-----\nM", "BEGIN PRIVATE KEY-----\nA"), "that are damaged ("),
        (CHAIN, key_of(ec.generate_private_key(ec.SECP256R1()), b"secret"), "whose private key has a passphrase"),
        (CHAIN + "x" * edge_tls.LONGEST, KEY, "which is larger than"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_field(tmp_path: Path, certificate: str, key: str, says: str) -> None:
    paths = entry(tmp_path, certificate, key)
    with pytest.raises(Refused) as refused:
        edge_tls.pem_of("443", paths)
    assert says.format(**paths) in refused.value.detail
    assert refused.value.code == "edge_certificate" and "on the host" in refused.value.next_step
    body = KEY.splitlines()[1]
    assert body not in str(refused.value.as_dict())


def test_a_file_that_cannot_be_read_is_refused(live: Live, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("gone", "No such file"), ("live", "Is a directory"), ("pipe", "is no file")):
        with pytest.raises(Refused, match=says):
            edge_tls.pem_of("443", {**live.paths, "key": str(tmp_path / name)})


@pytest.mark.parametrize("year", [1999, 2049, 2050, 2077])
def test_the_dates_are_those_of_the_first_certificate(year: int) -> None:
    authority = Authority()
    end = datetime.datetime(year, 12, 31, 23, 59, 58, tzinfo=datetime.timezone.utc)
    days = (end - datetime.datetime.now(datetime.timezone.utc)) / datetime.timedelta(days=1)
    chain, _key = authority.issue(2**150, days=days)
    certificate = x509.load_pem_x509_certificate(chain.encode())
    expected = (certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())
    assert edge_tls.dates(chain) == expected


def test_an_expired_certificate_is_refused_unless_the_edge_has_it(live: Live) -> None:
    chain, key = Authority().issue(9, days=-1)
    live.renew(chain, key)
    with pytest.raises(Refused, match=r"443.certificate names .*fullchain.pem, which expired on 20"):
        edge_tls.check({"443": live.paths}, {443: CHAIN + KEY}, NOW)
    edge_tls.check({"443": live.paths}, {443: chain + key}, NOW)
    live.renew(*Authority().issue(10, days=500))
    with pytest.raises(Refused, match="which is not valid before 20"):
        edge_tls.check({"443": live.paths}, {}, NOW)


def test_without_usable_files_the_edge_goes_on_with_what_it_has(live: Live) -> None:
    bad = {"443": {**live.paths, "key": "/gone"}}
    assert edge_tls.serve(443, bad, {443: "what it has"}) == "what it has"
    assert edge_tls.serve(443, bad, {443: ""}) == ""
    assert edge_tls.serve(80, bad, {}) == ""
    with pytest.raises(Refused, match="cannot be read"):
        edge_tls.serve(443, bad, {80: ""})
    assert edge_tls.serve(443, {"443": live.paths}, {443: "old"}) == CHAIN + KEY


def test_what_is_told_and_what_is_due(live: Live) -> None:
    tls = {"443": live.paths}
    assert edge_tls.differences(tls, {80: "", 443: CHAIN + KEY}, NOW) == ([], False)
    assert edge_tls.differences(tls, {80: ""}, NOW) == ([], False)  # nothing publishes it yet
    told, due = edge_tls.differences(tls, {443: OTHER_CHAIN + OTHER_KEY}, NOW)
    assert due and told == [
        "the certificate of port 443 was renewed and the edge still uses the old one: maintenance.yml -e state=keep"
    ]
    assert edge_tls.differences(tls, {443: ""}, NOW) == (
        ["the certificate of port 443 is not in use yet: maintenance.yml -e state=keep"],
        True,
    )
    assert edge_tls.differences({}, {443: CHAIN + KEY}, NOW) == (
        ["port 443 still has TLS: maintenance.yml -e state=keep"],
        True,
    )
    bad = {"443": {**live.paths, "key": "/gone"}}
    told, due = edge_tls.differences(bad, {443: CHAIN + KEY}, NOW)
    assert not due and told[0].endswith("No such file or directory; the edge goes on with the one it has there")
    assert edge_tls.differences(bad, {443: ""}, NOW)[0][0].endswith("goes on without TLS there")


@pytest.mark.parametrize(
    ("days", "says"), [(80, ""), (14.1, ""), (13.9, "expires in 13 days, on 20"), (-0.1, "expired on 20")]
)
def test_a_certificate_that_ends_is_told_in_time(tmp_path: Path, days: float, says: str) -> None:
    live = Live(tmp_path)
    chain, key = Authority().issue(11, days=days)
    live.renew(chain, key)
    told, due = edge_tls.differences({"443": live.paths}, {443: chain + key}, NOW)
    assert not due and len(told) == bool(says)
    assert says in "".join(told)

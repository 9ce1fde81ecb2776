# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's certificates: read where they are on this host whenever the edge is made, so renewing stays the user's.

A target has Python only, so what its ``ssl`` cannot tell without a connection is read out of the certificate itself.
"""

from __future__ import annotations

import calendar
import os
import re
import ssl
import stat
import time
from collections.abc import Mapping
from typing import Any

from ..errors import Refused

SETTING = "service_edge_tls"
RENEW = "maintenance.yml -e state=keep"
WARN_DAYS = 14
LONGEST = 1024 * 1024
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)

Entry = Mapping[str, Any]


def pem_of(port: str, entry: Entry) -> str:
    """Certificate, chain and key of *entry* (``certificate``, ``key``: paths) in one text, as HAProxy reads them.

    Raise :class:`Refused` that names the field of *port*, and never what a file holds.
    """
    fields = {name: f"{SETTING}.{port}.{name}" for name in ("certificate", "key")}
    owner = "key" if entry.get("key") else "certificate"
    first = _read(entry["certificate"], fields["certificate"])
    chain = CERTIFICATE.findall(first)
    if not chain:
        raise _refuse(fields["certificate"], f"names {entry['certificate']}, which holds no certificate in PEM")
    keys = [found.group() for found in KEY.finditer(_read(entry["key"], fields["key"]) if owner == "key" else first)]
    where, path = fields[owner], entry[owner]
    if len(keys) != 1:
        hint = "" if owner == "key" else f": name the file that does in {fields['key']}"
        raise _refuse(where, f"names {path}, which holds {len(keys) or 'no'} private key{'s' * bool(keys)}{hint}")
    if "ENCRYPTED" in keys[0]:
        raise _refuse(where, f"names {path}, whose private key has a passphrase, which nobody could type")
    pem = "\n".join([*chain, *keys, ""])
    _check_pair(pem, where, path)
    return pem


def dates(pem: str) -> tuple[float, float]:
    """From when until when the first certificate of *pem* is valid, in seconds since the epoch."""
    found = CERTIFICATE.search(pem)
    der = ssl.PEM_cert_to_DER_cert(found.group()) if found else b""
    _tag, at, _end = _element(der, 0)
    _tag, at, _end = _element(der, at)
    tag, _start, end = _element(der, at)
    # version (which may not be there), serial number, algorithm, issuer; then the two dates
    for _field in range(4 if tag == 0xA0 else 3):
        at = _element(der, at)[2]
    _tag, at, _end = _element(der, at)
    tag, start, end = _element(der, at)
    later, after, last = _element(der, end)
    return _time(tag, der[start:end]), _time(later, der[after:last])


def check(edge_tls: Mapping[str, Entry], served: Mapping[int, str], now: float) -> None:
    """Refuse what the edge could not serve. *served* are the certificates that it has, by port: what has expired there
    is no reason against an update."""
    for port, entry in edge_tls.items():
        pem = pem_of(port, entry)
        begin, end = dates(pem)
        if not begin <= now < end and pem != served.get(int(port)):
            word = f"expired on {_day(end)}" if now >= end else f"is not valid before {_day(begin)}"
            raise _refuse(f"{SETTING}.{port}.certificate", f"names {entry['certificate']}, which {word}")


def serve(port: int, edge_tls: Mapping[str, Entry], served: Mapping[int, str]) -> str:
    """What the edge serves *port* with; "" without TLS.

    An update has refused files that cannot be used; whatever else makes the edge, a rollback above all, goes on with
    what is there.
    """
    entry = edge_tls.get(str(port))
    if not entry:
        return ""
    try:
        return pem_of(str(port), entry)
    except Refused:
        if port not in served:
            raise
        return served[port]


def differences(edge_tls: Mapping[str, Entry], served: Mapping[int, str], now: float) -> tuple[list[str], bool]:
    """What is to be told of the certificates, a sentence each, and whether the edge has any to take."""
    told, due = [], False
    for port, has in sorted(served.items()):
        try:
            wanted = serve(port, {name: edge_tls[name] for name in edge_tls if name == str(port)}, {})
        except Refused as error:
            told.append(f"{error.detail}; the edge goes on {'with the one it has' if has else 'without TLS'} there")
            wanted = has
        if wanted != has:
            due = True
            was = "was renewed and the edge still uses the old one" if has and wanted else "is not in use yet"
            what = f"the certificate of port {port} {was}" if wanted else f"port {port} still has TLS"
            told.append(f"{what}: {RENEW}")
        elif has:
            told += _ending(port, dates(has)[1], now)
    return told, due


def _ending(port: int, end: float, now: float) -> list[str]:
    days = int((end - now) // 86_400)
    if days >= WARN_DAYS:
        return []
    said = f"expires in {days} days, on {_day(end)}" if end > now else f"expired on {_day(end)}"
    return [f"the certificate of port {port} {said}: renew it on the host, then {RENEW}"]


def _read(path: str, field: str) -> str:
    try:
        # A pipe would keep us waiting for whoever writes to it.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _refuse(field, f"names {path} on the host, which is no file")
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise _refuse(field, f"names {path}, which cannot be read on the host: {error.strerror}") from None
    if len(content) > LONGEST:
        raise _refuse(field, f"names {path}, which is larger than {LONGEST} bytes")
    return content.decode("ascii", errors="replace")


def _check_pair(pem: str, field: str, path: str) -> None:
    """Refuse a certificate and a key that are none, or do not belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with open(os.memfd_create("certificate"), "wb") as file:  # the key is on no other disk
        file.write(pem.encode())
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password="")
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", "") or "unreadable"
            if "MISMATCH" in reason:
                raise _refuse(field, f"names {path}, whose key does not match the certificate") from None
            raise _refuse(field.rpartition(".")[0], f"names certificate and key that are damaged ({reason})") from None


def _refuse(field: str, problem: str) -> Refused:
    step = f"Put that right on the host, or correct {field} in the inventory: it is a path of the host."
    return Refused(f"{field} {problem}", code="edge_certificate", next_step=step)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of the content of the ASN.1 element that begins at *at*."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return der[at], start, start + length


def _time(tag: int, text: bytes) -> float:
    """A date of a certificate: years have two digits until 2049 (UTCTime), four after it."""
    digits = text.decode("ascii")
    if tag == 0x17:
        digits = ("19" if digits >= "50" else "20") + digits
    return float(calendar.timegm(time.strptime(digits, "%Y%m%d%H%M%SZ")))


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))

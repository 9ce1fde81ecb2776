# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for tests, by the library that ansible-core brings; laid out as certbot does, behind links."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for 127.0.0.1; each has a chain of one."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of tests")])
        self.certificate = self._certificate(self.name, self.key.public_key(), 1000, True, 365)

    @property
    def pem(self) -> str:
        return pem_of(self.certificate)

    def issue(self, serial: int, days: float = 90) -> tuple[str, str]:
        """Certificate with chain, and key. It began a year before it ends after *days*, which may be below 0."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        certificate = self._certificate(name, key.public_key(), serial, False, days)
        return pem_of(certificate) + self.pem, key_of(key)

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, serial: int, ca: bool, days: float
    ) -> x509.Certificate:
        end = datetime.datetime.now(datetime.timezone.utc) + days * DAY
        return (
            x509.CertificateBuilder(self.name, name, key, serial, end - 365 * DAY, end)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(self.key, hashes.SHA256())
        )


class Live:
    """A directory as certbot has it: links that a renewal replaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = {"certificate": str(root / "live" / "fullchain.pem"), "key": str(root / "live" / "privkey.pem")}
        for part in ("archive", "live"):
            (root / part).mkdir(parents=True)

    def renew(self, chain: str, key: str) -> None:
        number = len(list((self.root / "archive").iterdir())) // 2 + 1
        for name, text in (("fullchain", chain), ("privkey", key)):
            kept = self.root / "archive" / f"{name}{number}.pem"
            kept.touch(mode=0o600)
            kept.write_text(text)
            new = self.root / "live" / "new"
            new.symlink_to(f"../archive/{kept.name}")
            os.replace(new, self.root / "live" / f"{name}.pem")


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_of(key: ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> str:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()

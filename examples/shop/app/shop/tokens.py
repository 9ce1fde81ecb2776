# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords (scrypt) and signed tokens (HMAC-SHA256), so that no session has to be stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

LIFETIME = 3600


def password_matches(stored: str, password: str) -> bool:
    """Compare with ``salt:hash``, both in hexadecimal."""
    salt, _colon, expected = stored.partition(":")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1, dklen=32)
    return hmac.compare_digest(found.hex(), expected)


def issue(user: str, key: bytes) -> str:
    """A token for the user, valid for an hour."""
    payload = base64.urlsafe_b64encode(
        json.dumps({"user": user, "until": int(time.time()) + LIFETIME}).encode()
    ).decode()
    return f"{payload}.{_signature(payload, key)}"


def user_of(token: str, key: bytes) -> str | None:
    """The user a token names; None when it is forged, damaged or out of date."""
    payload, _dot, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(payload, key).encode()):
        return None
    claims = json.loads(base64.urlsafe_b64decode(payload))
    return claims["user"] if claims["until"] > time.time() else None


def _signature(payload: str, key: bytes) -> str:
    return hmac.new(key, payload.encode(), hashlib.sha256).hexdigest()

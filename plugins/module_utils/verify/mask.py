# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets out of evidence: every form in which a value is likely to come back is replaced."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterable
from typing import Any

MASK = "********"
# A shorter value would also be found inside ordinary words and numbers, so it is replaced only where it stands alone.
SHORT = 4
ALPHABETS = (base64.b64encode, base64.urlsafe_b64encode)


class Mask:
    """Replaces the values added so far in text and in JSON-like data."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._short: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Take *value* into what is hidden; an empty one cannot be."""
        if not value:
            return
        if len(value) < SHORT:
            self._short.add(value)
        else:
            self._forms.update(form for form in _forms(value) if len(form) >= SHORT)
        self._pattern = None

    def _compiled(self) -> re.Pattern[str]:
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        parts = [re.escape(form) for form in longest_first]
        parts += [rf"(?<!\w){re.escape(value)}(?!\w)" for value in sorted(self._short)]
        return re.compile("|".join(parts))

    def text(self, text: str) -> str:
        if not self._forms and not self._short:
            return text
        self._pattern = self._pattern or self._compiled()
        return self._pattern.sub(MASK, text)

    def data(self, data: Any) -> Any:
        """*data* with every string in it masked, keys too."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, dict):
            return {self.data(key): self.data(value) for key, value in data.items()}
        if isinstance(data, (list, tuple)):
            return [self.data(value) for value in data]
        return data


def _forms(value: str) -> set[str]:
    forms = {value, value.strip()}
    # A secret of several lines (a key) may be quoted a line at a time.
    forms.update(line.strip() for line in value.splitlines() if len(line.strip()) >= 8)
    for form in tuple(forms):
        quoted = {urllib.parse.quote(form, safe=safe) for safe in ("", "/", "!'()*~")}
        quoted.add(urllib.parse.quote_plus(form))
        forms |= quoted | {re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), text) for text in quoted}
        forms |= {json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1], repr(form)[1:-1]}
        forms |= {html.escape(form), html.escape(form, quote=False), shlex.quote(form)}
    raw = value.encode("utf-8")
    forms |= {raw.hex(), raw.hex().upper()}
    # Inside a longer text (user:password) the value starts at any of three places of a base64 group.
    for shift in range(3):
        for encode in ALPHABETS:
            encoded = encode(b"\0" * shift + raw).decode("ascii")
            whole = encoded.rstrip("=")
            if shift == 0:
                forms.add(encoded)
            forms |= {whole[(0, 2, 3)[shift] : len(whole) - ((shift + len(raw)) % 3 > 0)]}
    forms.discard("")
    return forms

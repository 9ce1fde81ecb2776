# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One variable more, another value, or one less; and how each is told."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.overlay import (
    change,
    lost,
    overlay_of,
    told,
    value_of,
)

SECRETS = {"token": "hidden"}
LEVEL = {"name": "LEVEL", "service": "web", "value": "debug"}
MODE = {"name": "MODE", "service": "", "value": "fast"}
TOKEN = {"name": "TOKEN", "service": "web", "secret": "token"}
GONE = {"name": "OLD", "service": "web", "unset": True}


@pytest.mark.parametrize(
    ("overlay", "asked", "after"),
    [
        ([], {"variable": "LEVEL", "service": "web", "value": "debug"}, [LEVEL]),
        ([LEVEL], {"variable": "MODE", "value": "fast"}, [MODE, LEVEL]),
        ([{**LEVEL, "value": "info"}], {"variable": "LEVEL", "service": "web", "value": "debug"}, [LEVEL]),
        ([{**LEVEL, "service": "api"}], {"variable": "LEVEL", "service": "web", "value": "debug"}, 2),
        ([LEVEL], {"variable": "TOKEN", "service": "web", "secret": "token"}, [LEVEL, TOKEN]),
        ([TOKEN, MODE], {"variable": "MODE", "unset": True}, [TOKEN]),
        ([LEVEL], {"variable": "LEVEL", "service": "web", "unset": True}, []),
        ([], {"variable": "OLD", "service": "web", "unset": True}, [GONE]),
        ([GONE], {"variable": "OLD", "service": "web", "unset": True}, []),
    ],
)
def test_a_change(overlay: list[Any], asked: dict[str, Any], after: Any) -> None:
    found = change(overlay, asked, SECRETS)
    assert found == after if isinstance(after, list) else len(found) == after


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        ({}, "invalid_variable", "no variable"),
        ({"variable": "A"}, "invalid_variable", "no value"),
        ({"variable": "A", "value": "1", "unset": True}, "invalid_variable", "value and unset"),
        ({"variable": "A", "secret": "tokn"}, "secret_missing", "did you mean 'token'?"),
        ({"variable": "MODUS", "unset": True}, "not_set", "did you mean 'MODE'?"),
    ],
)
def test_what_is_no_change(asked: dict[str, Any], code: str, named: str) -> None:
    with pytest.raises(Refused) as refused:
        change([MODE], asked, SECRETS)
    assert refused.value.code == code and named in refused.value.detail and refused.value.next_step
    assert "hidden" not in str(refused.value.as_dict())


def test_how_it_is_told_and_what_it_is() -> None:
    assert [told(one) for one in (LEVEL, MODE, TOKEN, GONE)] == [
        "LEVEL=debug for web",
        "MODE=fast",
        "TOKEN=${secret:token} for web",
        "OLD unset for web",
    ]
    assert [value_of(one, SECRETS) for one in (LEVEL, TOKEN, GONE)] == ["debug", "hidden", None]
    assert lost([LEVEL, MODE], [MODE]) == ["LEVEL=debug for web"]


def test_a_record_of_an_older_version_has_none() -> None:
    assert overlay_of(None) == overlay_of({}) == overlay_of({"render": {}}) == []
    assert overlay_of({"render": {"overlay": [MODE]}}) == [MODE]

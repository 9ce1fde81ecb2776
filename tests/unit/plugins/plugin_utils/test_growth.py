# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aliases are counted and never expanded."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.plugin_utils.growth import MOST, check_growth

ORDINARY = "x-a: &a {restart: always}\nservices:\n" + "".join(f"  s{n}:\n    <<: *a\n" for n in range(500))


def bomb(levels: int) -> str:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    return text + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, levels))


@pytest.mark.parametrize("text", [bomb(6), bomb(40), "services:\n  web: &w [1]\n" + bomb(9)])
def test_what_grows_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "more.yml").write_text(text)
    with pytest.raises(Refused, match=f"parts/more.yml has aliases that grow to more than {MOST} values"):
        check_growth(str(tmp_path))


@pytest.mark.parametrize(
    "text", [ORDINARY, bomb(3), "a: &a [*a]\n", "a: *nowhere\n", "a: [*\n", "a: !reset &x []\nb: *x\n", "\0*", "* x"]
)
def test_all_else_is_left_to_compose(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yml").write_text(bomb(9))
    (tmp_path / "link.yml").symlink_to("nowhere")
    check_growth(str(tmp_path))

# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sections of a report are built from. Pure."""

from __future__ import annotations

from typing import Any

from .markup import Html, h


def section(title: str, *content: Any) -> Html:
    return h("<section>\n<h2>{}</h2>\n{}\n</section>\n", title, content)


def table(caption: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]], numbers: tuple[int, ...] = ()) -> Html:
    """A table; the columns in *numbers* are figures."""

    def cells(tag: str, row: tuple[Any, ...]) -> list[Html]:
        how = [Html(' class="n"') if index in numbers else Html("") for index in range(len(row))]
        scope = Html(' scope="col"') if tag == "th" else Html("")
        return [h("<{}{}{}>{}</{}>", Html(tag), how[index], scope, cell, Html(tag)) for index, cell in enumerate(row)]

    body = [h("<tr>{}</tr>\n", cells("td", row)) for row in rows]
    title = h("<caption>{}</caption>", caption) if caption else Html("")
    return h(
        '<div class="wide"><table>{}<thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n',
        title,
        cells("th", heads),
        body,
    )


def facts_list(*pairs: tuple[str, Any]) -> Html:
    return h(
        "<dl>{}</dl>\n",
        [h("<dt>{}</dt><dd>{}</dd>\n", name, value) for name, value in pairs if value not in ("", None)],
    )


def word(colour: str, said: str) -> Html:
    return h('<span class="word {}">{}</span>', colour, said)


def command_line(said: str) -> Html:
    """A command to copy; broken between its words, not inside an option."""
    words = [h("{}<span>{}</span>", " " if number else "", one) for number, one in enumerate(said.split(" "))]
    return h('<code class="command">{}</code>\n', words)


def code(said: str) -> Html:
    return h("<code>{}</code>", said) if said else Html("")

"""Pieces of HTML. Whatever comes from outside is escaped here and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from gantool import tables as neutral
from gantool.report.drawing import Picture

# A longer cell is given the width for some words in a line.
_SHORT_CELL = 24


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(value: object) -> Markup:
    """HTML of anything: Markup as it is, all else as escaped text."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """An element. `class_` stands for class; an attribute that is None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{''.join(safe(part) for part in content)}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    return Markup("\n".join(safe(part) for part in parts))


def table(
    heads: Sequence[object], rows: Sequence[Sequence[object]], caption: str, *, strong: int | None = None
) -> Markup:
    """A table in a box of its own that scrolls where the screen is narrow. The first column heads its row.

    Columns of numbers are aligned to the right; `strong` is the index of a row to set in bold.
    """
    numeric = neutral.numeric_columns(rows) if rows else [False] * len(heads)
    aligned = [None, *("num" if is_numeric else None for is_numeric in numeric[1:])]
    head = [tag("th", cell, scope="col", class_=kind) for cell, kind in zip(heads, aligned, strict=True)]
    body = []
    for index, row in enumerate(rows):
        cells = [tag("th", row[0], scope="row")]
        cells += [
            tag("td", _typeset(cell), class_=kind) if kind else _words(cell)
            for cell, kind in zip(row[1:], aligned[1:], strict=True)
        ]
        body.append(tag("tr", *cells, class_="strong" if index == strong else None))
    content = (tag("thead", tag("tr", *head)), tag("tbody", *body))
    # The caption stays outside the box, lest it scroll away; a box that scrolls must be reachable by keyboard.
    box = tag("div", tag("table", *content, aria_label=caption), class_="scroll", tabindex="0")
    return tag("div", tag("p", caption, class_="caption"), box, class_="table")


def _words(cell: object) -> Markup:
    return tag("td", cell, class_="long" if len(str(cell)) > _SHORT_CELL else None)


def rendered(table_: neutral.Table) -> Markup:
    """The table as the terminal shows it, too."""
    return table(table_.headings, table_.rows, table_.caption, strong=table_.strong)


def tables(parts: Sequence[Markup]) -> Markup:
    """Tables beside one another where they fit."""
    return tag("div", *parts, class_="tables") if parts else Markup("")


def fold(title: str, content: Markup) -> Markup:
    """Content that is shown when its title is pressed."""
    return tag("details", tag("summary", title), content)


def figure(picture: Picture) -> Markup:
    """The image inline, a dark one where the reader's screen is dark and there is one; where it has a fault, words."""
    if picture.fault:
        told = tag("p", f"{picture.fault[0].upper()}{picture.fault[1:]}. {picture.alt}")
        return tag("figure", tag("figcaption", tag("h4", picture.title), told), class_="chart")
    images = [_image(picture, picture.light, "any" if picture.dark is None else "light")]
    if picture.dark is not None:
        images.append(_image(picture, picture.dark, "dark"))
    words = tag("p", picture.caption) if picture.caption else ""
    kind = "chart" if picture.media_type == "image/svg+xml" else "pixels"
    return tag("figure", tag("figcaption", tag("h4", picture.title), words), *images, class_=kind)


def number(value: Any) -> str:
    """A number as people read it; other things as text; "–" for nothing."""
    text = neutral.number(value)
    return _typeset(text) if neutral.is_number(value) else text


def nats(value: Any) -> str:
    """A log-likelihood or its error, to a tenth of a nat."""
    return _typeset(neutral.nats(value))


def _typeset(number_: object) -> str:
    """A number with the typographer's minus sign."""
    return str(number_).replace("-", "−")


def _image(picture: Picture, content: bytes, kind: str) -> Markup:
    source = f"data:{picture.media_type};base64,{base64.b64encode(content).decode('ascii')}"
    return Markup(f'<img class="{kind}" src="{source}" alt="{escape(picture.alt)}">')

"""Tables without a look: the terminal and the report render the same one, each in its own way."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

# What the functions below write, and intervals of those.
_NUMBER = re.compile(r"–|[−+-]?\d[\d,.]*(e[−+-]?\d+)?%?( (to|±) [−+-]?\d[\d,.]*%?)?")


@dataclass(frozen=True)
class Table:
    """`rows` of cells under `headings`. `caption` says what the table holds; `strong` is the row that stands out."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    strong: int | None = None


def numeric_columns(rows: Sequence[Sequence[object]]) -> list[bool]:
    """Which columns are aligned to the right: those whose cells are numbers, empty ones aside."""
    return [_is_numeric([str(cell) for cell in cells if str(cell)]) for cells in zip(*rows, strict=True)]


def _is_numeric(cells: Sequence[str]) -> bool:
    return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def is_number(value: Any) -> TypeGuard[float]:
    """True for an int or float that a float can hold; a truth value is none. Edited records hold other things, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def number(value: Any) -> str:
    """A number as people read it; other things as text; "–" for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        whole = isinstance(value, int) or abs(value) >= 10_000
        return f"{value:,.0f}" if whole else f"{value:.4g}"
    return str(value)


def percent(share: Any) -> str:
    """A share in [0, 1] to a tenth of a per cent."""
    return f"{share:.1%}" if is_number(share) else "–"


def nats(value: Any) -> str:
    """A log-likelihood or its error, to a tenth of a nat."""
    return f"{value:,.1f}" if is_number(value) else "–"


def score_and_error(value: Any, error: Any) -> tuple[str, str]:
    """A log-likelihood and its error, to as many decimals as show the error: in two dimensions a tenth is much."""
    if not is_number(value) or not is_number(error):
        return nats(value), "–"
    decimals = 1 if error >= 0.1 or error <= 0 else min(4, 1 - math.floor(math.log10(error)))
    return f"{value:,.{decimals}f}", f"{error:.{decimals}f}"

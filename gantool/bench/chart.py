"""The picture of a benchmark: a panel a case, a bar an implementation, on one logarithmic axis of milliseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from gantool.errors import UsageError
from gantool.files import replacing

_WIDTH, _LEFT, _RIGHT = 900, 130, 190
_ROW, _TITLE, _MARGIN = 18, 26, 14
_OURS, _THEIRS, _INK, _RULE = (0, 90, 181), (150, 150, 150), (20, 20, 20), (225, 225, 225)


def draw_chart(cases: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes a PNG of the records in `cases`, as `run_benchmark` gives them. Raises UsageError for none."""
    if not cases:
        raise UsageError("There is nothing to draw: no case was measured.")
    panels: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for record in cases:
        panels.setdefault((record["case"], record["dtype"], record["data"]), []).append(record)
    low = math.floor(math.log10(min(record["min_ms"] for record in cases)))
    high = max(low + 1, math.ceil(math.log10(max(record["max_ms"] for record in cases))))
    height = 2 * _MARGIN + _ROW + sum(_TITLE + _ROW * len(panel) for panel in panels.values())
    image = Image.new("RGB", (_WIDTH, height), "white")
    pen = ImageDraw.Draw(image)
    _axis(pen, low, high, height)
    top = _MARGIN
    for (name, dtype, data), panel in panels.items():
        title = f"{name}, {dtype}, {data}".replace("×", "x").replace("→", " to ")  # the built-in font lacks both
        pen.text((_MARGIN, top + 8), title, fill=_INK)
        top += _TITLE
        for record in panel:
            _bar(pen, record, low, high, top)
            top += _ROW
    with replacing(path) as partial:
        image.save(partial, format="PNG")


def _place(milliseconds: float, low: int, high: int) -> float:
    """The abscissa of a time."""
    return _LEFT + (math.log10(milliseconds) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)


def _axis(pen: ImageDraw.ImageDraw, low: int, high: int, height: int) -> None:
    for power in range(low, high + 1):
        x = _place(10.0**power, low, high)
        pen.line([(x, _MARGIN), (x, height - _MARGIN - _ROW)], fill=_RULE)
        pen.text((x - 12, height - _MARGIN - 12), f"{10.0**power:g} ms", fill=_INK)


def _bar(pen: ImageDraw.ImageDraw, record: Mapping[str, Any], low: int, high: int, top: int) -> None:
    """The bar reaches to the median; the whisker from the least to the largest time."""
    median, least, most = (_place(record[key], low, high) for key in ("median_ms", "min_ms", "max_ms"))
    middle = top + _ROW // 2 - 1
    pen.text((_MARGIN, top + 2), record["impl"], fill=_INK)
    colour = _OURS if record["impl"] == "native" else _THEIRS
    pen.rectangle([_LEFT, top + 2, max(median, _LEFT + 1), top + _ROW - 4], fill=colour)
    pen.line([(least, middle), (most, middle)], fill=_INK)
    pen.text((max(median, most) + 6, top + 2), _caption(record), fill=_INK)


def _caption(record: Mapping[str, Any]) -> str:
    ratio = record["speedup_over"].get("eager")
    against = f", {ratio:.2f}x eager" if ratio is not None else ""
    return f"{record['median_ms']:.4g} ms{against}"

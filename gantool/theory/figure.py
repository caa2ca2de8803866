"""A study's figure as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(draw: Callable[[Figure], None], path: Path) -> None:
    """Writes what `draw` draws, as PNG or SVG by the path's ending. Makes the folder."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.0), layout="constrained", dpi=110)
    draw(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix.removeprefix("."))

"""A chart as SVG, drawn with matplotlib once for a light page and once for a dark one. Equal data give equal bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (4.4, 2.9)  # inches; an SVG scales to its box, this sets how large text is beside the curve


@dataclass(frozen=True)
class Picture:
    """An image of the page. `alt` says in words what it shows; `dark` is the same for a dark page, or None.

    `fault` says why there is no image, and is empty where there is one.
    """

    title: str
    alt: str
    caption: str
    media_type: str
    light: bytes
    dark: bytes | None = None
    fault: str = ""


@dataclass(frozen=True)
class Theme:
    """Colours that can be told apart without colour vision (after Okabe and Ito), on the page's paper."""

    ink: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme("#1f2328", "#d9dee3", ("#0063a6", "#c8511b", "#00805a", "#7a3e9d", "#5b6570"))
DARK = Theme("#e6e9ec", "#3b434b", ("#6cb6ff", "#ff9d5c", "#4cc795", "#d2a8ff", "#a7b0b9"))


def render(title: str, alt: str, caption: str, draw: Callable[[Axes, Theme], None]) -> Picture:
    """Draws the same chart in both themes. What goes wrong in drawing is the picture's fault, and not the record's."""
    kind = "image/svg+xml"
    try:
        return Picture(title, alt, caption, kind, _svg(draw, LIGHT, title), _svg(draw, DARK, title))
    except (ImportError, MemoryError):  # no chart would be drawn
        raise
    except Exception as error:
        fault = f"the chart cannot be drawn ({type(error).__name__}: {error})"
        return Picture(title, alt, caption, kind, b"", fault=fault)


def _svg(draw: Callable[[Axes, Theme], None], theme: Theme, salt: str) -> bytes:
    matplotlib = _matplotlib()
    from matplotlib.figure import Figure

    style: Any = {  # matplotlib's own type lists some three hundred keys
        "svg.fonttype": "none",  # letters stay text: small, and sharp in the reader's own font
        "svg.hashsalt": salt,  # otherwise random identifiers would make equal reports differ
        "font.size": 10.0,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "grid.color": theme.grid,
        "axes.edgecolor": theme.grid,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "legend.frameon": False,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc may ask for TeX, which need not be here, or for other sizes
        matplotlib.rcParams.update(style)
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_axisbelow(True)
        draw(axes, theme)
        handles, _ = axes.get_legend_handles_labels()
        if handles:
            figure.legend(loc="outside upper left", ncols=2, fontsize=9, columnspacing=1.0, handlelength=1.5)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def _matplotlib() -> Any:
    """matplotlib, whatever backend the environment asks for. A notebook hands its own to each program that it starts,
    where that may not exist; a Figure by itself needs none."""
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked
    return matplotlib


def plain_ticks(axes: Axes) -> None:
    """Plain numbers at 1, 2 and 5 on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())

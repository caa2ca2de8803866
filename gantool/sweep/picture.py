"""A sweep's table as a picture: a panel a column, a line a point, the seeds as dots and their mean with its error."""

from __future__ import annotations

from pathlib import Path

from gantool.files import replacing
from gantool.sweep.table import SweepTable

_INK, _MEAN, _SEED = "#1f2328", "#0063a6", "#c8511b"


def draw_table(table: SweepTable, path: Path) -> None:
    """Writes a PNG. Needs matplotlib. Points without a figure keep their line, empty."""
    from matplotlib.figure import Figure

    columns = table.columns
    height = 1.0 + 0.28 * len(table.rows)
    figure = Figure(figsize=(3.2 + 2.8 * len(columns), height), layout="constrained", dpi=120)
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    places = range(len(table.rows))
    for name, axes in zip(columns, panels, strict=True):
        for place, row in zip(places, table.rows, strict=True):
            if (cell := row.cells.get(name)) is None:
                continue
            axes.plot(cell.values, [place] * len(cell.values), ".", ms=5, color=_SEED, alpha=0.6)
            axes.errorbar(cell.mean, place, xerr=cell.standard_error, fmt="o", ms=4, color=_MEAN, capsize=2)
        axes.set_title(name, fontsize=9, color=_INK)
        axes.grid(axis="x", color="#d9dee3")
        axes.set_axisbelow(True)
    panels[0].set_yticks(list(places), [row.label for row in table.rows], fontsize=8)
    panels[0].set_ylim(len(table.rows) - 0.5, -0.5)
    with replacing(path) as partial:
        figure.savefig(partial, format="png")

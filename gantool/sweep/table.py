"""The table of a sweep: a row a point, each measure's headline as the mean over seeds and its standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from gantool.evaluation.measures import MEASURES
from gantool.sweep.plan import Point, Sweep
from gantool.sweep.workers import Done


@dataclass(frozen=True)
class Cell:
    """A quantity over the seeds that have it: `standard_error` is std/√seeds with ddof 1, None for one seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def standard_error(self) -> float | None:
        return stdev(self.values) / math.sqrt(len(self.values)) if len(self.values) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "standard_error": self.standard_error, "values": list(self.values)}


@dataclass(frozen=True)
class Row:
    """A point: a cell for each column that any of its runs has, the runs, and why some gave nothing."""

    label: str
    group: str
    settings: tuple[str, ...]
    cells: Mapping[str, Cell]
    runs: tuple[str, ...]
    failures: tuple[str, ...]
    missing: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        cells = {name: cell.to_dict() for name, cell in self.cells.items()}
        return {**{name: value for name, value in vars(self).items() if name != "cells"}, "cells": cells}


@dataclass(frozen=True)
class SweepTable:
    """The rows in the points' order. `seconds` are the training's, of all runs together."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    seeds: int
    measured: tuple[dict[str, Any], ...]
    environment: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool sweep --json` prints and sweep.json holds."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "columns": list(self.columns),
            "seeds": self.seeds,
            "measures": list(self.measured),
            "environment": dict(self.environment),
        }


def tabulate(
    sweep: Sweep,
    done: Mapping[tuple[int, int], Done],
    measures: Sequence[tuple[str, Any]],
    environment: Mapping[str, Any],
) -> SweepTable:
    """`done` holds, by point and seed, what became of each run that was reached."""
    rows = tuple(
        _row(point, [done.get((index, seed)) for seed in range(len(sweep.configs(point)))])
        for index, point in enumerate(sweep.points)
    )
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    settings = tuple({"measure": name, **_plain(asdict(own))} for name, own in measures)
    return SweepTable(rows, columns, sweep.seeds, settings, environment)


def _row(point: Point, ends: Sequence[Done | None]) -> Row:
    finished = [end for end in ends if end is not None and end.state == "finished"]
    figures = [headline(end.records) for end in finished]
    names = dict.fromkeys(name for own in figures for name in own)
    cells = {name: Cell(tuple(own[name] for own in figures if name in own)) for name in names}
    failures = tuple(end.reason for end in ends if end is not None and end.state in ("diverged", "failed"))
    missing = sum(end is None or end.state == "stopped" for end in ends)
    runs = tuple(end.run for end in finished)
    return Row(
        point.label, point.group, point.settings, cells, runs, failures, missing, sum(end.seconds for end in finished)
    )


def headline(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The figures that stand for a run's records."""
    found: dict[str, float] = {}
    for record in records:
        own = MEASURES[record.get("measure", "parzen")].headline(record)
        found |= {name: float(value) for name, value in own.items() if value is not None}
    return found


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without the places of this machine's caches."""
    return {name: value for name, value in settings.items() if not isinstance(value, Path)}

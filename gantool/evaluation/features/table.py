"""The table of a record of `gantool eval features`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number

_LINES = (
    ("Fréchet distance", "frechet_distance", ".4g"),
    ("kernel distance", "kernel_distance", ".4g"),
    ("±", "kernel_distance_sd", ".4g"),
    ("precision", "precision", ".3f"),
    ("recall", "recall", ".3f"),
    ("density", "density", ".3f"),
    ("coverage", "coverage", ".3f"),
)


def distance_tables(record: Mapping[str, Any]) -> list[Table]:
    """The distances of the samples, and beside them those of real rows; empty where the record has none.

    A line a distance, not a column: a number of any size then fits into a terminal of any width.
    """
    if not is_number(record.get("frechet_distance")):
        return []
    columns = [record] + ([record["reference"]] if record.get("reference") else [])
    rows = [(name, *(_cell(found.get(key), digits) for found in columns)) for name, key, digits in _LINES]
    counts = ("N", *(number(found.get("num_fake")) for found in columns))
    headings = ("measure", "samples", "real rows")[: len(counts)]
    return [Table(headings, (*rows, counts), "Distances from real rows")]


def _cell(value: Any, digits: str) -> str:
    return f"{value:{digits}}" if is_number(value) else "–"

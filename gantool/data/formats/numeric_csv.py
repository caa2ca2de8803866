"""Tables of numbers in .csv files, where some values may be missing."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.errors import UsageError
from gantool.files import replacing

_MISSING = {"", "nan", "na", "n/a", "null", "none", "?"}


@dataclass(frozen=True)
class NumericTable:
    """`values` [N, D] float64, NaN where a value is missing; `names` of the columns, empty where the file has none."""

    path: Path
    values: NDArray[np.float64]
    names: tuple[str, ...] = ()


def read_csv(path: Path) -> NumericTable:
    """Reads a .csv file of numbers; an empty cell, NaN, NA or ? is a missing value, and a first line of text names the
    columns.

    Raises UsageError naming the line and the column: text, a number that is not finite, lines of unlike length; and
    where there is no row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(reader.line_num, line) for reader in [csv.reader(file)] for line in reader if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a .csv file: {error}.") from error
    names: tuple[str, ...] = ()
    if lines and any(_value(cell) is None for cell in lines[0][1]):
        names = tuple(cell.strip() for cell in lines[0][1])
        lines = lines[1:]
    if not lines:
        raise UsageError(f"{path} has no row of numbers.")
    width = len(names) or len(lines[0][1])
    values = np.empty((len(lines), width))
    for row, (number, line) in enumerate(lines):
        if len(line) != width:
            raise UsageError(f"{path}, line {number}: {len(line)} cells, where the first line has {width}.")
        for column, cell in enumerate(line):
            value = _value(cell)
            if value is None or math.isinf(value):
                name = names[column] if names else str(column + 1)
                raise UsageError(f"{path}, line {number}, column {name}: {cell.strip()!r} is not a finite number.")
            values[row, column] = value
    return NumericTable(path, values, names)


def write_csv(path: Path, table: NumericTable, values: NDArray[np.float64]) -> None:
    """Writes values [N, D] under the table's names, each number as short as it can be read back."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if table.names:
            writer.writerow(table.names)
        writer.writerows([repr(float(value)) for value in row] for row in values)


def _value(cell: str) -> float | None:
    """A number, NaN for a missing one, None for text."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None

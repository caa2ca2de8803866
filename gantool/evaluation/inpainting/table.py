"""The table of a record of `gantool inpaint`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, percent


def inpainting_tables(record: Mapping[str, Any]) -> list[Table]:
    """Each way to fill in, with its errors; empty where the record has none."""
    fillings = [line for line in record.get("fillings") or () if isinstance(line, Mapping)]
    if not fillings:
        return []
    rows = tuple(
        (
            str(line.get("name")),
            _with_error(line.get("rmse"), line.get("rmse_error")),
            _plain(line.get("rmse_of_one")),
            _with_error(line.get("energy_score"), line.get("energy_error")),
            percent(line.get("agreement")) if is_number(line.get("agreement")) else "–",
        )
        for line in fillings
    )
    head = ("filled in by", "RMSE of the mean", "of one draw", "energy score", "class kept")
    title = f"{number(record.get('num_samples'))} rows, missing: {record.get('mask')}"
    return [Table(head, rows, title)]


def _plain(value: Any) -> str:
    return f"{value:.4f}" if is_number(value) else "–"


def _with_error(value: Any, error: Any) -> str:
    return f"{_plain(value)} ± {error:.4f}" if is_number(value) and is_number(error) else _plain(value)

"""The table of a record of `gantool infer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, percent


def inference_tables(record: Mapping[str, Any]) -> list[Table]:
    """Each figure beside what it is read against; empty where the record has none."""
    if not is_number(record.get("reconstruction")):
        return []
    count = number(record.get("num_samples"))
    beside_rows = f"{_distance(record.get('nearest_training'))} to the nearest training row"
    beside_codes = f"{_distance(record.get('codes_apart'))} between two z"
    rows = [
        (
            "x to G(E(x))",
            _distance(record["reconstruction"]),
            _distance(record.get("reconstruction_error")),
            beside_rows,
        ),
        ("z to E(G(z))", _distance(record.get("code_error")), _distance(record.get("code_error_error")), beside_codes),
    ]
    by_pixels = f"{percent(record.get('pixel_accuracy'))} by the rows themselves"
    for name, key in (
        ("class by the nearest code", "code_accuracy"),
        ("class by the layer before it", "hidden_accuracy"),
    ):
        if is_number(record.get(key)):
            rows.append((name, percent(record[key]), "", by_pixels))
    return [Table(("", "mean", "±", "beside"), tuple(rows), f"Codes of {count} rows and samples")]


def _distance(value: Any) -> str:
    return f"{value:.3f}" if is_number(value) else "–"

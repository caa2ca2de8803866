"""The tables of a record of `gantool eval bayes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, percent


def bayes_tables(record: Mapping[str, Any]) -> list[Table]:
    """A line a prediction, and the calibration of the samples' own; empty where the record has none."""
    found = record.get("predictions") or []
    if not found:
        return []
    rows = [
        (
            str(line.get("name")),
            str(line.get("chosen_by")),
            number(line.get("sigma")),
            number(line.get("num_samples")),
            percent(line.get("error")),
            _fixed(line.get("negative_log_likelihood")),
            _fixed(line.get("negative_log_likelihood_error")),
            percent(line.get("calibration_error")),
        )
        for line in found
    ]
    headings = ("p(class | x) from", "σ chosen by", "σ", "N", "mistakes", "−log p, nats", "±", "calibration error")
    tables = [Table(headings, tuple(rows), f"Classes of {number(record.get('test_size'))} rows by Bayes' rule")]
    for line in found:
        if line.get("name") == "these samples":
            bins = [
                (percent(each.get("confidence")), percent(each.get("accuracy")), number(each.get("rows")))
                for each in line.get("calibration") or []
            ]
            caption = f"Calibration of these samples, σ chosen by {line.get('chosen_by')}"
            tables.append(Table((f"confidence, σ by {line.get('chosen_by')}", "right", "rows"), tuple(bins), caption))
    return tables


def _fixed(value: Any) -> str:
    return f"{value:.3f}" if is_number(value) else "–"

"""The table of a record of `gantool eval labels`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, percent


def labels_tables(record: Mapping[str, Any]) -> list[Table]:
    """Each classifier's mistakes; empty where the record has none."""
    rows = [
        (
            str(line.get("classifier")),
            number(line.get("test")),
            _share(line.get("test"), record.get("test_size")),
            number(line.get("validation")),
        )
        for line in record.get("mistakes") or []
    ]
    if not rows:
        return []
    headings = ("classifier", f"mistakes of {number(record.get('test_size'))}", "share", "on validation rows")
    return [Table(headings, tuple(rows), f"Classifiers that know {number(record.get('labels'))} labels", strong=0)]


def _share(wrong: Any, count: Any) -> str:
    return percent(wrong / count) if is_number(wrong) and is_number(count) and count else "–"

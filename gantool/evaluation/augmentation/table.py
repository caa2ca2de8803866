"""The table of a record of `gantool eval augmentation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, percent


def augmentation_tables(record: Mapping[str, Any]) -> list[Table]:
    """Each classifier's mistakes; empty where the record has none."""
    count = record.get("test_size")
    rows = [
        (
            str(line.get("name")),
            number(line.get("real")),
            number(line.get("generated")),
            number(line.get("wrong")),
            percent(line["wrong"] / count) if is_number(line.get("wrong")) and is_number(count) and count else "–",
        )
        for line in record.get("lessons") or ()
    ]
    if not rows:
        return []
    headings = ("trained on", "real", "generated", f"mistakes of {number(count)}", "share")
    return [Table(headings, tuple(rows), "A classifier by what it was trained on")]

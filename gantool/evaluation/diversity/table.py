"""The table of a record of `gantool eval diversity`: the samples beside real rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gantool.tables import Table, is_number, number, percent


class _Line(NamedTuple):
    """`own` and `real` are where the samples' figure and that of real rows stand in the part of the record."""

    name: str
    own: str
    real: str | None
    shown: Callable[[Any], str] = percent


_DUPLICATES = (
    _Line("identical to another sample", "exact_share", "data_exact_share"),
    _Line("near another sample", "near_share", "data_near_share"),
)
_MEMORISATION = (
    _Line("identical to a training row", "copied_share", "held_out_copied_share"),
    _Line("closer to one than 1% of held-out rows", "close_share", "1.0%"),
    _Line("median distance to the nearest training row", "median_distance", "held_out_median_distance", number),
    _Line("nearer to training than to held-out rows", "nearer_to_training", "50.0%"),
)
_BINS = (
    _Line("data in bins without samples", "missing_mass", None),
    _Line("spread within bins", "spread_kept", "100.0%"),
    _Line("variance", "variance_kept", "100.0%"),
)
_MODES = (
    _Line("KL of the histogram over modes, nats", "kl", "kl_by_chance", lambda value: f"{value:.4f}"),
    _Line("in a mode", "high_quality", "expected_high_quality"),
)


def diversity_tables(record: Mapping[str, Any]) -> list[Table]:
    """What the record has of the known figures; empty where it has none."""
    duplicates, bins, modes = (record.get(part) or {} for part in ("duplicates", "bins", "modes"))
    rows = [
        *_rows(duplicates, _DUPLICATES),
        *_support(duplicates),
        *_rows(record.get("memorisation") or {}, _MEMORISATION),
        *_different_bins(bins),
        *_rows(bins, _BINS),
        *_captured(modes),
        *_rows(modes, _MODES),
    ]
    if not rows:
        return []
    caption = f"N = {number(record.get('num_samples'))} samples"
    return [Table(("measure", "samples", "real rows", "N"), tuple(rows), caption)]


def _rows(part: Mapping[str, Any], lines: tuple[_Line, ...]) -> list[tuple[str, ...]]:
    count = number(part.get("num_samples"))
    return [
        (line.name, line.shown(part[line.own]), _real(part, line), count)
        for line in lines
        if is_number(part.get(line.own))
    ]


def _real(part: Mapping[str, Any], line: _Line) -> str:
    if line.real is None or line.real.endswith("%"):  # nothing to compare with, or what holds by definition
        return line.real or ""
    value = part.get(line.real)
    return line.shown(value) if is_number(value) else "–"


def _support(part: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """How many equally likely samples would have as many near pairs."""
    count = part.get("num_samples")
    if not is_number(count) or count is None:
        return []
    cells = (_rounded_support(part.get(key), count) for key in ("birthday_support", "data_birthday_support"))
    return [("different samples, about", *cells, number(count))]


def _rounded_support(support: Any, count: float) -> str:
    """Two digits at most. Without a near pair it is more than the number of pairs."""
    return _rounded(support) if is_number(support) else f"over {_rounded(count * (count - 1) / 2)}"


def _rounded(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}"


def _different_bins(part: Mapping[str, Any]) -> list[tuple[str, ...]]:
    if not is_number(part.get("different")):
        return []
    chance = part.get("different_by_chance")
    by_chance = f" (by chance {chance:.0f})" if is_number(chance) else ""
    name = f"different bins of {number(part.get('bins'))}{by_chance}"
    return [(name, number(part["different"]), number(part.get("different_held_out")), number(part.get("num_samples")))]


def _captured(part: Mapping[str, Any]) -> list[tuple[str, ...]]:
    if not is_number(part.get("captured")):
        return []
    there_are = number(len(part["modes"])) if part.get("modes") else "–"
    return [("modes captured", number(part["captured"]), there_are, number(part.get("num_samples")))]

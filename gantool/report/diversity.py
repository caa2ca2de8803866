"""The table of a diversity record: the samples beside real rows."""

from __future__ import annotations

from typing import Any

from gantool.report.markup import Markup, number, table
from gantool.report.material import is_number

# (what it is called, where the samples' value is, where the real rows' is, whether it is a share)
_LINES = (
    ("identical to another sample", "duplicates.exact_share", "duplicates.data_exact_share", True),
    ("near another sample", "duplicates.near_share", "duplicates.data_near_share", True),
    ("different samples, roughly", "duplicates.birthday_support", "duplicates.data_birthday_support", False),
    ("identical to a training row", "memorisation.copied_share", "memorisation.held_out_copied_share", True),
    ("closer to a training row than 1 % of real rows", "memorisation.close_share", None, True),
    (
        "median distance to training rows",
        "memorisation.median_distance",
        "memorisation.held_out_median_distance",
        False,
    ),
    ("nearer to training than to held-out rows", "memorisation.nearer_to_training", None, True),
    ("statistically different bins", "bins.different", "bins.different_held_out", False),
    ("data in bins without samples", "bins.missing_mass", None, True),
    ("spread kept within bins", "bins.spread_kept", None, True),
    ("variance kept", "bins.variance_kept", None, True),
    ("modes captured", "modes.captured", None, False),
    ("KL of the histogram over modes, nats", "modes.kl", "modes.kl_by_chance", False),
    ("in a mode", "modes.high_quality", "modes.expected_high_quality", True),
)


def diversity_table(record: dict[str, Any]) -> Markup | None:
    """What the record has of the known figures; None where it has none."""
    rows = []
    for name, own, real, is_share in _LINES:
        value = _at(record, own)
        if is_number(value):
            cells = (_cell(found, is_share) for found in (value, _at(record, real) if real else None))
            rows.append([name, *cells])
    if not rows:
        return None
    return table(["measure", "samples", "real rows"], rows, f"N = {number(record.get('num_samples'))} samples")


def _at(record: dict[str, Any], path: str) -> Any:
    group, key = path.split(".")
    return (record.get(group) or {}).get(key)


def _cell(value: Any, is_share: bool) -> str:
    return f"{value:.1%}" if is_share and is_number(value) else number(value)

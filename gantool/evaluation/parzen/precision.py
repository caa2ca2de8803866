"""Whether rows that came as float64 may be scored as float32, which is several times faster."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gantool.evaluation.parzen.target import Target

# The operator's own bound at sigma = 0.2, in nats, and below it in inverse proportion to the square of sigma: as a
# change of a squared distance, which a density sees divided by 2·sigma².
_NATS, _SIGMA = 2e-3, 0.2

# Rows of each set that are looked at: those that rounding moves furthest, and others at equal steps.
_WORST, _SPREAD = 64, 192


def in_working_precision(
    samples: torch.Tensor, target: Target, sigmas: Sequence[float]
) -> tuple[torch.Tensor, Target, list[str]]:
    """Samples [M, D] and target in float32, or in float64 where rounding to float32 would cost more than the operator
    itself may at the smallest of `sigmas`; a note says so.

    Rounding is measured on squared distances between rows of either side, 256 of each at most.
    """
    sets = [rows for rows in (samples, target.scored, target.selection, target.train) if rows is not None]
    if all(rows.dtype != torch.float64 for rows in sets):
        return samples, target, []
    smallest = min(sigmas)
    allowed = 2 * _NATS * max(_SIGMA, smallest) ** 2
    lost = max(_change_of_distances(_telling(rows), _telling(samples)) for rows in sets)
    if lost <= allowed:
        return samples.float(), target.to(torch.float32), []
    note = (
        f"Scored in float64: float32 would change squared distances of these rows by up to {lost:.2g}, and at sigma = "
        f"{smallest:.4g} densities bear {allowed:.2g}."
    )
    return samples.double(), target.to(torch.float64), [note]


def _telling(rows: torch.Tensor) -> torch.Tensor:
    """At most 256 rows [N, D]: those that rounding to float32 moves furthest, and others spread evenly."""
    if len(rows) <= _WORST + _SPREAD:
        return rows
    moved = (rows - rows.float()).norm(dim=1)
    evenly = torch.linspace(0, len(rows) - 1, _SPREAD, dtype=torch.float64).round().long()
    return rows[torch.cat([moved.topk(_WORST).indices, evenly])]


def _change_of_distances(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest change of ‖x − y‖² by rounding rows [N, D] and [M, D] to float32."""
    exact, rounded = (
        torch.cdist(one.double(), other.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
        for one, other in ((first, second), (first.float(), second.float()))
    )
    return float((exact - rounded).abs().max())

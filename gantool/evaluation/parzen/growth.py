"""The score over the number of samples: one pass over the samples in groups gives every number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gantool.evaluation.parzen.result import SamplePoint
from gantool.numerics.density import Window, mean_and_error

# Groups of samples: their scatter is known to 1/√(2·79) = 8 %, and there are few enough to keep the operator busy.
GROUPS = 80

# Where the curve has a point, as shares of the samples.
_CURVE_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class Grouped:
    """Log-densities in parts. `sizes` [G] samples are in each group of a random order.

    `groups` [G, N] is the log-density under each group alone at the first sigma; `total` [S, N] that under all samples
    at every sigma. Both are float64 on the CPU.
    """

    sizes: torch.Tensor
    groups: torch.Tensor
    total: torch.Tensor


def grouped_log_densities(
    window: Window, scored: torch.Tensor, sigmas: Sequence[float], *, seed: int, stage: str
) -> Grouped:
    """Scores rows [N, D] by a window, a group of samples at a time.

    The total comes of one screened call where that pays; else it is the mean of the groups' densities, weighted by
    their sizes, so that nothing is lost and the work is that of one pass.
    """
    total = window.screened(scored, sigmas)
    # The order is random, because a file may be sorted by class.
    count, rng = len(window), torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=rng, device=rng.device).to(window.samples.device)
    parts = order.tensor_split(min(GROUPS, count))
    groups, joined, done = [], torch.full((1, 1), -math.inf, dtype=torch.float64, device="cpu"), 0
    for part in parts:
        window.progress(stage, done, count)
        values = window.part(part).log_densities(scored, sigmas if total is None else sigmas[:1])
        groups.append(values[0])
        joined = torch.logaddexp(joined, values + math.log(len(part)))
        done += len(part)
    window.progress(stage, done, count)
    sizes = torch.tensor([len(part) for part in parts], device="cpu")
    return Grouped(sizes, torch.stack(groups), joined - math.log(count) if total is None else total)


def sample_curve(grouped: Grouped) -> tuple[SamplePoint, ...]:
    """The score of more and more of the groups, the last point being that of all samples."""
    count = len(grouped.sizes)
    sums = torch.logcumsumexp(grouped.groups + grouped.sizes.double().log()[:, None], dim=0)
    points = []
    for groups in sorted({max(1, round(share * count)) for share in _CURVE_SHARES}):
        size = int(grouped.sizes[:groups].sum())
        points.append(SamplePoint(size, *mean_and_error(sums[groups - 1] - math.log(size))))
    return tuple(points)

"""The samples' histogram over k-means bins of the data: what is over-represented, what is missing, what is smoothed.

The number of statistically different bins is that of Richardson and Weiss 2018, "On GANs and GMMs", section 3. Two
more figures come from the same bins: the data's mass in bins that the samples leave all but empty, and how much of the
data's spread within the bins the samples keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gantool.evaluation.diversity.copies import rank_z
from gantool.evaluation.references import kmeans_centroids
from gantool.numerics.neighbours import nearest
from gantool.progress import Progress, silent

# Richardson and Weiss use 100 bins on MNIST-sized data. Fewer where rows are few: a bin that expects less than ten
# samples is empty by chance too often, and one of less than thirty training rows is badly placed.
MOST_BINS = 100
_SAMPLES_PER_BIN, _ROWS_PER_BIN = 10, 30

# The two-sided 5 % point of the normal distribution.
_CRITICAL = 1.959964

# A bin counts as missing below this part of its share among the data, as a class does.
MISSING_SHARE = 0.1

# Draws of fresh rows, and which part of them may leave more of the data's mass empty than is put down to chance.
_DRAWS, _RARE = 4_000, 0.001


@dataclass(frozen=True)
class BinsResult:
    """`different` of `bins` hold another share of the samples than of the training rows, by a two-proportion z-test at
    5 % each; `different_by_chance` is 5 % of them, and `different_held_out` what held-out rows come to.

    `missing_mass` is the share of the training rows in bins whose share of the samples is below a tenth of theirs;
    `missing_by_chance` is what as many fresh rows leave once in a thousand times.
    `spread_kept` is the samples' mean squared distance to their bin's centre over that of the held-out rows: 1 for
    fresh rows, below where samples are averages; `spread_error` is its standard error, and `spread_z` how many standard
    errors the samples' distances are below theirs in rank. `variance_kept` is the ratio of the total variances.
    """

    num_samples: int
    num_training_rows: int
    num_held_out_rows: int
    bins: int
    different: int
    different_by_chance: float
    different_held_out: int
    missing_mass: float
    missing_by_chance: float
    spread_kept: float | None
    spread_error: float | None
    spread_z: float
    variance_kept: float | None


def bin_count(samples: int, rows: int) -> int:
    """How many bins `samples` and `rows` training rows allow: 100 at most, 2 at least."""
    return max(2, min(MOST_BINS, samples // _SAMPLES_PER_BIN, rows // _ROWS_PER_BIN))


def compare_bins(
    samples: torch.Tensor,
    training: torch.Tensor,
    held_out: torch.Tensor,
    cache: Path,
    progress: Progress = silent,
) -> tuple[BinsResult, list[str]]:
    """Samples [N, D], training rows [M, D] and held-out rows [H, D] in the bins of the training rows, and notes.

    The bins are k-means clusters of the training rows, kept under `cache`; a row is in the bin of its nearest centre.
    """
    count = bin_count(min(len(samples), len(held_out)), len(training))
    centres, notes = kmeans_centroids(training, count, cache, progress)
    own, distance = nearest(samples, centres)
    held_own, held_distance = nearest(held_out, centres)
    data = _histogram(nearest(training, centres)[0], len(centres))
    found, held = _histogram(own, len(centres)), _histogram(held_own, len(centres))
    spread, error = _ratio_of_means(distance.square(), held_distance.square())
    result = BinsResult(
        num_samples=len(samples),
        num_training_rows=len(training),
        num_held_out_rows=len(held_out),
        bins=len(centres),
        different=_different(found, data),
        different_by_chance=0.05 * len(centres),
        different_held_out=_different(held, data),
        missing_mass=float(_missing_mass(found, data)),
        missing_by_chance=_missing_by_chance(len(samples), data),
        spread_kept=spread,
        spread_error=error,
        spread_z=rank_z(distance, held_distance),
        variance_kept=_variance(samples) / whole if (whole := _variance(held_out)) else None,
    )
    return result, notes


def _histogram(bins: torch.Tensor, count: int) -> torch.Tensor:
    return torch.bincount(bins, minlength=count).double()


def _different(first: torch.Tensor, second: torch.Tensor) -> int:
    """Bins whose shares differ at the 5 % level, by the z-test with pooled proportion: counts [K], [K]."""
    sizes = first.sum(), second.sum()
    pooled = (first + second) / (sizes[0] + sizes[1])
    error = (pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1])).sqrt()
    difference = (first / sizes[0] - second / sizes[1]).abs()
    return int((difference > _CRITICAL * error).sum())


def _missing_mass(found: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    """The data's share in bins that hold less than a tenth of their share of the samples: counts [..., K] → [...]."""
    own, share = (counts / counts.sum(dim=-1, keepdim=True) for counts in (found, data))
    return torch.where(own < MISSING_SHARE * share, share, 0.0).sum(dim=-1)


def _missing_by_chance(samples: int, data: torch.Tensor) -> float:
    """The mass that `samples` fresh rows leave once in a thousand draws, training rows [K] being drawn anew as well."""
    generator = np.random.default_rng(0)
    share = (data / data.sum()).numpy()
    found, rows = (torch.from_numpy(generator.multinomial(n, share, _DRAWS)) for n in (samples, int(data.sum())))
    return float(_missing_mass(found.double(), rows.double()).quantile(1 - _RARE))


def _variance(rows: torch.Tensor) -> float:
    """The sum of the coordinates' variances."""
    return float(rows.var(dim=0, correction=0).double().sum())


def _ratio_of_means(first: torch.Tensor, second: torch.Tensor) -> tuple[float | None, float | None]:
    """mean(first) / mean(second), [N] and [H], and its standard error to first order; None where there is no scale."""
    means = float(first.mean()), float(second.mean())
    if means[1] == 0:
        return None, None
    ratio = means[0] / means[1]
    terms = [values.var(correction=0).item() / len(values) for values in (first, second)]
    return ratio, math.sqrt(terms[0] + ratio**2 * terms[1]) / means[1]

"""What must be said beside a score: each check is a pure function that returns sentences, none where all is well."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from gantool.numerics.rows import row_keys

# The paper's number of samples. The estimate grows with it, so that any other number is another measure.
PROTOCOL_SAMPLES = 10_000

# A given sigma costs too much when the best of the grid beats it by this many nats a dimension.
# On MNIST that is 16 nats, far more than two neighbouring points of the paper's grid differ around the best.
FAR_NATS_PER_DIMENSION = 0.02

# Memorised samples lift training rows above test rows by more than these many standard errors and nats a dimension. On
# MNIST (bound: 16 nats) 10,000 replayed training images give 83 ± 3, those of a trained generator −5 ± 2.
MEMORISED_ERRORS = 4.0
MEMORISED_NATS_PER_DIMENSION = 0.02

# No row scored should beat training rows by more than these many standard errors.
FAVOURED_ERRORS = 3.0

# With fewer rows on a side its standard error is too rough an estimate to accuse anyone by.
LEAST_GAP_ROWS = 30

# Ranges whose widths differ by this factor belong to different scales: 255 or 2 against 1, not chance.
RANGE_FACTOR = 1.9


def grid_end(sigmas: Sequence[float], chosen: int) -> list[str]:
    """A best sigma at an end of the grid is a bound, not a choice."""
    if 0 < chosen < len(sigmas) - 1:
        return []
    if len(sigmas) == 1:
        return [f"The grid has one sigma, {sigmas[0]:.4g}: nothing was chosen; give a grid that spans the best one."]
    end = "smallest" if chosen == 0 else "largest"
    return [
        f"The best sigma, {sigmas[chosen]:.4g}, is the {end} of the grid: the true best may lie beyond it; "
        f"widen the grid with --grid."
    ]


def sample_count(count: int) -> list[str]:
    """Another number of samples than the protocol's is another measure."""
    if count == PROTOCOL_SAMPLES:
        return []
    word = "fewer" if count < PROTOCOL_SAMPLES else "more"
    return [
        f"{count:,} samples are {word} than the protocol's {PROTOCOL_SAMPLES:,}: the estimate grows with the "
        f"number of samples; never compare two scores at different N."
    ]


def reference_counts(images: int, centroids: int, wanted: int) -> list[str]:
    """A reference at another N than the score's is no reference for it."""
    if images == centroids == wanted:
        return []
    return [
        f"The score stands on {wanted:,} samples, but there are rows for {images:,} training images and "
        f"{centroids:,} k-means centroids only: never compare two scores at different N; --num-samples {centroids} "
        f"compares all three."
    ]


def scaling(rows: torch.Tensor, name: str, data: torch.Tensor, data_name: str) -> list[str]:
    """Values that look scaled differently from the data's: 0..255 or -1..1 against 0..1."""
    low, high = (float(bound) for bound in rows.aminmax())
    data_low, data_high = (float(bound) for bound in data.aminmax())
    width, data_width = high - low, data_high - data_low
    if (low, high) == (data_low, data_high):
        return []
    near = data_width == 0 or 1 / RANGE_FACTOR <= width / data_width <= RANGE_FACTOR
    # A generator may well leave the range of data a little; by half its width it is another range.
    margin = 0.5 * data_width
    inside = low >= data_low - margin and high <= data_high + margin
    if near and inside:
        return []
    return [
        f"The {name} lie in {_span(low, high)} and the {data_name} in {_span(data_low, data_high)}: "
        f"they look scaled differently, and densities depend on the scale; check both."
    ]


def _span(low: float, high: float) -> str:
    """A range in as few digits as show that its ends differ, where they do."""
    for digits in (4, 7, 9):
        ends = f"{low:.{digits}g}", f"{high:.{digits}g}"
        if low == high or ends[0] != ends[1]:
            break
    return f"[{ends[0]}, {ends[1]}]"


def duplicates(samples: torch.Tensor) -> list[str]:
    """Samples that occur more than once: collapse, or a file that repeats rows."""
    repeated = len(samples) - len(np.unique(row_keys(samples)))
    if repeated == 0:
        return []
    return [
        f"{repeated:,} of the {len(samples):,} samples repeat another one exactly: N counts them, the density "
        f"gains nothing from them."
    ]


def overlap(selection: torch.Tensor, scored: torch.Tensor) -> int:
    """How many rows that sigma is chosen on are also among the rows that are scored."""
    return int(np.isin(row_keys(selection), row_keys(scored)).sum())


def leave_one_out(samples: int, copies: int) -> list[str]:
    """Sigma chosen by the samples themselves, and copies among them."""
    said = [
        f"Sigma is chosen by leave-one-out: the {samples - copies:,} {'different ' if copies else ''}samples are most "
        f"likely under one another, as there are no validation rows; it suits the samples, not the data, and is too "
        f"small for the data where samples crowd together."
    ]
    if copies:
        said.append(
            f"Exact copies ({copies:,}) were left out where sigma was chosen: a copy is likeliest under its twin at "
            f"the smallest sigma of all."
        )
    return said


def far_sigma(sigma: float, at_sigma: float, best_sigma: float, best: float, dimension: int) -> list[str]:
    """A given sigma that costs most of the score: how a published −256,075 ± 792 came about."""
    if best - at_sigma <= FAR_NATS_PER_DIMENSION * dimension:
        return []
    return [
        f"SIGMA LOOKS WRONG: the given sigma = {sigma:.4g} gives {at_sigma:,.1f} nats on the validation rows "
        f"where sigma = {best_sigma:.4g} gives {best:,.1f}; the score says more about sigma than about the "
        f"samples; use --sigma-search."
    ]


def unsearched(sigma: float) -> list[str]:
    """A given sigma and no validation rows: nothing tells whether it is a good one."""
    return [
        f"sigma = {sigma:.4g} was given and could not be checked: there are no validation rows; it decides the "
        f"score as much as the samples do; give --validation."
    ]


def memorised(gap: float, standard_error: float, dimension: int, rows: int) -> list[str]:
    """Training rows that score above test rows by more than chance and another draw of the data explain."""
    if (
        rows < LEAST_GAP_ROWS
        or gap <= MEMORISED_ERRORS * standard_error
        or gap <= MEMORISED_NATS_PER_DIMENSION * dimension
    ):
        return []
    return [
        f"Training rows score {gap:,.1f} ± {standard_error:.1f} nats above the rows scored, more than chance explains: "
        f"the samples look memorised from the training rows."
    ]


def favoured(gap: float, standard_error: float, rows: int) -> list[str]:
    """Rows scored that beat the training rows by more than chance: no generator knows them better than those."""
    if rows < LEAST_GAP_ROWS or gap >= -FAVOURED_ERRORS * standard_error:
        return []
    return [
        f"The rows scored are {-gap:,.1f} ± {standard_error:.1f} nats above training rows, more than chance explains: "
        f"the samples may hold the rows scored, or the training rows are of another kind; check the files."
    ]


def below_gaussian(score: float, samples: torch.Tensor, scored: torch.Tensor) -> list[str]:
    """A score below that of one round Gaussian with the samples' mean and variance is no density estimate."""
    baseline = round_gaussian(samples, scored)
    if score >= baseline:
        return []
    return [
        f"The score, {score:,.1f} nats, is below the {baseline:,.1f} that one round Gaussian with the samples' mean "
        "and variance gives the same rows. Too few samples for so many values, an unfit sigma and samples unlike the "
        "data all look so: more samples, the curve over sigma and a picture of the samples tell which."
    ]


def round_gaussian(samples: torch.Tensor, scored: torch.Tensor) -> float:
    """Mean log-density in nats of scored [N, D] under N(mean(samples), s²·I), s² the samples' mean variance."""
    mean = samples.mean(dim=0, dtype=torch.float64)
    variance = sum_of_squares(samples, mean) / samples.numel()
    if variance == 0:
        return -math.inf
    distance = sum_of_squares(scored, mean) / len(scored)
    dimension = samples.shape[1]
    return -0.5 * (distance / variance + dimension * math.log(2 * math.pi * variance))


def sum_of_squares(rows: torch.Tensor, centre: torch.Tensor) -> float:
    """Σ (rows − centre)² in float64, a chunk at a time so that no float64 copy of all rows is made."""
    return math.fsum(float((chunk.double() - centre).square().sum()) for chunk in torch.split(rows, 1024))

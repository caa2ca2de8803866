"""How far the score would move in a repetition, one source of uncertainty at a time (Efron 1979, the bootstrap)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import pstdev

import torch

from gantool.evaluation.density import Choice, mean_and_error
from gantool.evaluation.growth import Grouped
from gantool.evaluation.result import Uncertainty

RESAMPLES = 1_000

# Each half is a log-sum-exp over its groups; 300 give a standard deviation to 4 %.
_HALVES = 300

# Resamples at a time: their counts are then a few megabytes.
_CHUNK = 50


def resampled_sigmas(choice: Choice, seed: int) -> Counter[float]:
    """How often each sigma of the grid is the best on a resample of the rows that chose; none where sigma was given."""
    if choice.values is None or choice.source == "given":
        return Counter()
    winners = torch.cat(
        [(counts @ choice.values.T).argmax(dim=1) for counts in _counts(choice.values.shape[1], RESAMPLES, seed)]
    )
    return Counter(choice.curve[index].sigma for index in winners.tolist())


def uncertainties(
    grouped: Grouped, choice: Choice, chosen: Counter[float], at_sigma: Mapping[float, float], seed: int
) -> tuple[Uncertainty, ...]:
    """Every source by name, those that one evaluation cannot see included.

    `chosen` is of `resampled_sigmas`; `at_sigma` is the score at each of those sigmas.
    """
    values = grouped.total[0]
    return (
        Uncertainty(
            "rows scored",
            "which test rows are scored",
            mean_and_error(values)[1],
            f"std/√{len(values):,} across the rows",
        ),
        _rows_bootstrap(values, seed),
        _samples_bootstrap(grouped, seed),
        _sigma_bootstrap(choice, chosen, at_sigma),
        Uncertainty(
            "training seed",
            "which initial weights and batches the training draws",
            None,
            "not covered: this is one training; score runs of several seeds",
        ),
    )


def _rows_bootstrap(values: torch.Tensor, seed: int) -> Uncertainty:
    means = torch.cat([counts @ values / len(values) for counts in _counts(len(values), RESAMPLES, seed)])
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=means.dtype)).tolist()
    method = f"bootstrap, {RESAMPLES:,} resamples of the rows, seed {seed}, percentile interval"
    return Uncertainty(
        "rows scored (bootstrap)", "which test rows are scored", pstdev(means.tolist()), method, (low, high)
    )


def _samples_bootstrap(grouped: Grouped, seed: int) -> Uncertainty:
    """Random halves of the groups, without repetition.

    The usual resample with repetition is useless here: the score grows with the number of different samples, which
    then varies; on MNIST it gave 6.8 nats where fresh draws of 10,000 samples differ by 0.6, and halves gave 0.7. Of G
    groups h without repetition vary by (G − h)/h of the variance of all G (Politis and Romano 1994, subsampling).
    """
    name, what = "samples drawn", "which samples the model draws"
    count = len(grouped.sizes)
    if count < 2:
        return Uncertainty(name, what, None, "not covered: one sample cannot be resampled")
    half = count // 2
    rng = torch.Generator().manual_seed(seed)
    sized = grouped.groups + grouped.sizes.double().log()[:, None]
    means = []
    for _ in range(_HALVES):
        picked = torch.randperm(count, generator=rng)[:half]
        density = torch.logsumexp(sized[picked], dim=0) - math.log(int(grouped.sizes[picked].sum()))
        means.append(density.mean().item())
    method = f"bootstrap without repetition, {_HALVES} halves of {count} groups of samples, seed {seed}"
    return Uncertainty(name, what, pstdev(means) * math.sqrt(half / (count - half)), method)


def _sigma_bootstrap(choice: Choice, chosen: Counter[float], at_sigma: Mapping[float, float]) -> Uncertainty:
    name, what = "choice of sigma", "which rows choose sigma from the grid"
    if not chosen:
        return Uncertainty(name, what, None, "not covered: sigma was given, not chosen")
    scores = [at_sigma[sigma] for sigma in chosen.elements()]
    share = chosen[choice.sigma] / chosen.total()
    rows = "samples" if choice.source == "leave-one-out" else "validation rows"
    method = f"bootstrap, {RESAMPLES:,} resamples of the {choice.rows:,} {rows}: {share:.0%} choose {choice.sigma:.4g}"
    return Uncertainty(name, what, pstdev(scores), method)


def _counts(rows: int, resamples: int, seed: int) -> Iterator[torch.Tensor]:
    """How often each row occurs in each resample: [R', rows] float64, R' resamples at a time."""
    rng = torch.Generator().manual_seed(seed)
    for start in range(0, resamples, _CHUNK):
        chunk = min(_CHUNK, resamples - start)
        drawn = torch.randint(rows, (chunk, rows), generator=rng) + rows * torch.arange(chunk)[:, None]
        yield torch.bincount(drawn.flatten(), minlength=chunk * rows).view(chunk, rows).double()

"""Samples that repeat each other, and samples that repeat the training rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from gantool.numerics.neighbours import NEAR_QUANTILE, all_twins, near_radius, nearest, nearest_other, pairs_within
from gantool.numerics.rows import random_subset


@dataclass(frozen=True)
class DuplicatesResult:
    """How far the samples repeat each other, beside the same number of training rows.

    `near_radius` is what `near_radius()` makes of the distances from each of `num_samples` training rows to the nearest
    other one, and `near_radius_fixed` says that they gave none; `near_share` is the share of samples with another one
    within it, `exact_share` with an identical one. `distance_ratio` is the samples' median distance to the nearest
    other sample over the training rows'.

    `birthday_batch` is the batch size at which a near-duplicate pair occurs with probability 1/2 (Arora, Risteski and
    Zhang 2018). `birthday_support` is about the number of different samples, of the order of its square: as many
    equally likely ones would have `near_pairs`. It is rough, since it stands on these and on what counts as near. Both
    are None where there is no pair; the batch is then larger than `num_samples`. `data_…` are the same of the training
    rows.
    """

    num_samples: int
    near_radius: float
    exact_share: float
    data_exact_share: float
    near_share: float
    data_near_share: float
    distance_ratio: float | None
    near_pairs: int
    birthday_batch: float | None
    birthday_support: float | None
    data_birthday_batch: float | None
    data_birthday_support: float | None
    near_radius_fixed: bool = False


@dataclass(frozen=True)
class MemorisationResult:
    """How close the samples are to the training rows, beside held-out rows, which no generator has seen.

    `copied_share` is the share of samples identical to a training row, `close_share` of those closer to one than the
    closest 1 % of the held-out rows. `distance_ratio` is the samples' median distance to the nearest training row over
    the held-out rows', and `copying_z` how many standard errors the samples' distances are below theirs in rank: the
    Mann-Whitney statistic of Meehan, Chaudhuri and Dasgupta 2020, positive for copying. `nearer_to_training` is the
    share of samples nearer to one of `num_compared_rows` training rows than to any of as many held-out rows; 0.5 for
    samples that know neither.
    """

    num_samples: int
    num_training_rows: int
    num_held_out_rows: int
    copied_share: float
    held_out_copied_share: float
    close_share: float
    median_distance: float
    held_out_median_distance: float
    distance_ratio: float | None
    copying_z: float
    nearer_to_training: float
    num_compared_rows: int


def find_duplicates(samples: torch.Tensor, training: torch.Tensor, seed: int) -> DuplicatesResult:
    """Compares samples [N, D] with as many training rows [M, D]; distances to a nearest other row depend on N.

    Where M is below N, M of the samples are looked at. Raises UsageError for fewer than two of either.
    """
    count = min(len(samples), len(training))
    own, real = random_subset(samples, count, seed), random_subset(training, count, seed)
    found, expected = nearest_other(own)[1], nearest_other(real)[1]
    radius = near_radius(expected, own.shape[1])
    pairs, data_pairs = pairs_within(own, radius), pairs_within(real, radius)
    return DuplicatesResult(
        num_samples=count,
        near_radius=radius,
        exact_share=_share(found == 0),
        data_exact_share=_share(expected == 0),
        near_share=_share(found <= radius),
        data_near_share=_share(expected <= radius),
        distance_ratio=_ratio(float(found.median()), float(expected.median())),
        near_pairs=pairs,
        birthday_batch=birthday_batch(pairs, count),
        birthday_support=birthday_support(pairs, count),
        data_birthday_batch=birthday_batch(data_pairs, count),
        data_birthday_support=birthday_support(data_pairs, count),
        near_radius_fixed=all_twins(expected),
    )


def birthday_batch(pairs: int, count: int) -> float | None:
    """The batch size s at which a near pair occurs with probability 1/2; None where no pair is near.

    Any pair is near with p = pairs / (N·(N−1)/2), so that 1 − (1−p)^(s(s−1)/2) = 1/2 gives s.
    """
    total = count * (count - 1) // 2
    if pairs == 0:
        return None
    if pairs == total:
        return 2.0
    needed = math.log(0.5) / math.log1p(-pairs / total)
    return max(2.0, 0.5 + math.sqrt(0.25 + 2 * needed))


def birthday_support(pairs: int, count: int) -> float | None:
    """How many equally likely samples, any two of them far apart, would have as many near pairs; None without a pair.

    Two of m such samples are the same with probability 1/m.
    """
    return count * (count - 1) / 2 / pairs if pairs else None


def find_memorisation(
    samples: torch.Tensor, training: torch.Tensor, held_out: torch.Tensor, seed: int
) -> MemorisationResult:
    """Distances to the nearest training row [M, D]: samples [N, D] against held-out rows [H, D]."""
    found, expected = nearest(samples, training)[1], nearest(held_out, training)[1]
    count = min(len(training), len(held_out))
    to_training = nearest(samples, random_subset(training, count, seed))[1]
    to_held_out = nearest(samples, random_subset(held_out, count, seed))[1]
    nearer = (to_training < to_held_out).double() + 0.5 * (to_training == to_held_out).double()
    median, held_median = float(found.median()), float(expected.median())
    return MemorisationResult(
        num_samples=len(samples),
        num_training_rows=len(training),
        num_held_out_rows=len(held_out),
        copied_share=_share(found == 0),
        held_out_copied_share=_share(expected == 0),
        close_share=_share(_close(found, expected, samples.shape[1])),
        median_distance=median,
        held_out_median_distance=held_median,
        distance_ratio=_ratio(median, held_median),
        copying_z=rank_z(found, expected),
        nearer_to_training=float(nearer.mean()),
        num_compared_rows=count,
    )


def _close(found: torch.Tensor, expected: torch.Tensor, dimension: int) -> torch.Tensor:
    """Which samples are closer to a training row than the closest 1 % of held-out rows, by their distances [N], [H].

    Where more than 1 % of the held-out rows are training rows themselves, copies are set apart on both sides.
    """
    closest = expected.quantile(NEAR_QUANTILE)
    return found < closest if closest > 0 else (found > 0) & (found < near_radius(expected, dimension))


def rank_z(first: torch.Tensor, second: torch.Tensor) -> float:
    """How far values [N] are below values [H] in rank, in standard errors of equal distributions (Mann-Whitney)."""
    ordered = second.sort().values
    below = torch.searchsorted(ordered, first)
    up_to = torch.searchsorted(ordered, first, right=True)
    share = 1.0 - float((below + up_to).double().mean()) / (2 * len(second))  # P(first < second), ties half
    return (share - 0.5) / math.sqrt((len(first) + len(second) + 1) / (12 * len(first) * len(second)))


def _share(chosen: torch.Tensor) -> float:
    return float(chosen.double().mean())


def _ratio(first: float, second: float) -> float | None:
    """None where the data repeat themselves: there is no scale to compare with."""
    return first / second if second > 0 else None

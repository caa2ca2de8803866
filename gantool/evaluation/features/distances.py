"""Distances between two sets of features: Fréchet, kernel, and precision and recall on nearest-neighbour manifolds.

Everything is computed in float64: each of these numbers is a small difference of large ones. None is a distance between
distributions until it is said in which features, and none is comparable at another number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from gantool.errors import UsageError
from gantool.seeds import derive_seed

# Binkowski et al. 2018: subsets of 1,000 rows, 100 of them.
KERNEL_SUBSETS, KERNEL_SUBSET_ROWS = 100, 1_000
# Naeem et al. 2020; Kynkäänniemi et al. 2019 take 3.
NEIGHBOURS = 5
# Rows of one tile of distances: 256 × 10,000 in float64 is 20 MB, which the allocator reuses; 80 MB take twice as long.
_TILE_ROWS = 256
# Values of the rows whose differences are taken at once: 32 MB in float64.
_EXACT_VALUES = 1 << 22
# Products nominate a row's neighbours, some more than are asked for, and the differences measure them.
_SPARE_NEIGHBOURS = 8

Rows = Tensor | npt.NDArray[Any]


@dataclass(frozen=True)
class FeatureDistances:
    """How far fake features are from real ones, `num_real` and `num_fake` rows of `dimension` features.

    `frechet_distance` is between the Gaussians of equal mean and covariance, in squared units of the features;
    `kernel_distance` the mean of the unbiased squared maximum mean discrepancy over `kernel_subsets` random subsets of
    `kernel_subset_size` rows, and `kernel_distance_sd` its standard deviation across them. `precision` is the share of
    fakes on the real manifold, `recall` the share of reals on the fake one, `density` how many real neighbourhoods a
    fake lies in, over the number of neighbours k (1 where the two agree), `coverage` the share of reals whose
    neighbourhood holds a fake. Where the real features are known by their mean and covariance alone, all but the
    Fréchet distance are None, and so is `num_real`.
    """

    num_real: int | None
    num_fake: int
    dimension: int
    frechet_distance: float
    kernel_distance: float | None = None
    kernel_distance_sd: float | None = None
    kernel_subsets: int | None = None
    kernel_subset_size: int | None = None
    precision: float | None = None
    recall: float | None = None
    density: float | None = None
    coverage: float | None = None
    neighbours: int | None = None


@dataclass(frozen=True)
class Manifold:
    """Precision, recall, density and coverage, as :class:`FeatureDistances` says."""

    precision: float
    recall: float
    density: float
    coverage: float


def feature_distances(
    real: Rows,
    fake: Rows,
    *,
    features: Callable[[Any], Rows] | None = None,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> FeatureDistances:
    """Every distance between real [N, F] and fake [M, F] features, tensors or arrays of numbers.

    With `features`, a callable that maps rows to features [N, F], `real` and `fake` are what it is called with, once
    each. `seed` draws the kernel distance's subsets. Raises UsageError for other shapes, for values that are not
    finite, and for fewer rows than the neighbours need.
    """
    first, second = (as_features(features(rows) if features else rows) for rows in (real, fake))
    mean, deviation, size = kernel_distance(first, second, seed=seed)
    manifold = manifold_overlap(first, second, neighbours)
    return FeatureDistances(
        num_real=len(first),
        num_fake=len(second),
        dimension=first.shape[1],
        frechet_distance=frechet_distance(first, second),
        kernel_distance=mean,
        kernel_distance_sd=deviation,
        kernel_subsets=KERNEL_SUBSETS,
        kernel_subset_size=size,
        precision=manifold.precision,
        recall=manifold.recall,
        density=manifold.density,
        coverage=manifold.coverage,
        neighbours=neighbours,
    )


def as_features(rows: Rows) -> Tensor:
    """Features as a float64 matrix [N, F] on the CPU. Raises UsageError where they are none, or not finite."""
    values = torch.as_tensor(rows, device="cpu").detach().double()
    if values.ndim != 2 or values.numel() == 0:
        raise UsageError(f"Features must be a matrix [N, F], a row for each example, but are {list(values.shape)}.")
    if bad := int((~values.isfinite().all(dim=1)).sum()):
        raise UsageError(f"Features must be finite, but {bad:,} of the {len(values):,} rows are not.")
    return values


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½) between features [N, F] and [M, F] (Heusel et al. 2017).

    Tr (Σ₁Σ₂)^½ = Tr (Σ₁^½ Σ₂ Σ₁^½)^½, and that matrix is symmetric: its eigenvalues are real and found stably where a
    general matrix square root of a singular product goes complex. Raises UsageError for fewer than two rows.
    """
    _require_pair(first, second, least=2)
    return _between_gaussians(_moments(first), _moments(second))


def distance_from_statistics(mean: Tensor, covariance: Tensor, fake: Rows) -> FeatureDistances:
    """The Fréchet distance alone, of fake features [M, F] from real ones known by mean [F] and covariance [F, F].

    Raises UsageError where the widths differ, for values that are not finite, and for fewer than two rows.
    """
    rows = as_features(fake)
    if rows.shape[1] != len(mean):
        raise UsageError(
            f"The statistics are of {len(mean)} features and the samples have {rows.shape[1]}: give features of one "
            "kind."
        )
    if len(rows) < 2:
        raise UsageError("A covariance needs 2 samples or more, but there is one.")
    return FeatureDistances(None, len(rows), len(mean), _between_gaussians((mean, covariance), _moments(rows)))


def _between_gaussians(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """The Fréchet distance between Gaussians, each a mean [F] and a covariance [F, F]."""
    (mean, covariance), (other_mean, other_covariance) = first, second
    values, vectors = torch.linalg.eigh(covariance)
    # Rounding makes the zero eigenvalues of a singular covariance slightly negative.
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    product = root @ other_covariance @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    traces = covariance.trace() + other_covariance.trace()
    return max(0.0, float((mean - other_mean).square().sum() + traces - 2 * cross))


def kernel_distance(
    first: Tensor,
    second: Tensor,
    *,
    subsets: int = KERNEL_SUBSETS,
    subset_rows: int = KERNEL_SUBSET_ROWS,
    seed: int = 0,
) -> tuple[float, float, int]:
    """The kernel distance of Binkowski et al. 2018 → its mean and standard deviation over subsets, and their size.

    A subset has `subset_rows` rows of each set, at most half of the smaller one: of all rows, every subset would be the
    same and its deviation nothing. Raises UsageError for fewer than four rows.
    """
    _require_pair(first, second, least=4)
    size = min(subset_rows, min(len(first), len(second)) // 2)
    rng = torch.Generator().manual_seed(derive_seed(seed, "kernel distance"))
    values = torch.tensor(
        [
            squared_mmd(
                *(rows[torch.randperm(len(rows), generator=rng, device="cpu")[:size]] for rows in (first, second))
            )
            for _ in range(subsets)
        ],
        dtype=torch.float64,
        device="cpu",
    )
    return values.mean().item(), values.std(correction=1).item(), size


def squared_mmd(first: Tensor, second: Tensor) -> float:
    """The unbiased squared maximum mean discrepancy of features [N, F] and [M, F] under (x·y/F + 1)³.

    Unbiased, so that it is around zero, and below it half of the time, where both sets come from one distribution.
    """
    within = sum(_mean_off_diagonal(_cubic(rows, rows)) for rows in (first, second))
    return within - 2 * float(_cubic(first, second).mean())


def manifold_overlap(real: Tensor, fake: Tensor, neighbours: int = NEIGHBOURS) -> Manifold:
    """Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    A set's manifold is the union of balls around its rows, each as far as the row's `neighbours`-th nearest other one;
    copies of a row are neighbours at distance 0. As in their authors' code, the balls of precision and recall are
    closed, and those of density and coverage open. Raises UsageError where there are not more rows than that.
    """
    if neighbours < 1:
        raise UsageError(f"The number of neighbours must be 1 or more, but is {neighbours}.")
    _require_pair(real, fake, least=neighbours + 1)
    # Distances do not change, but the squares that they are differences of shrink, and with them the rounding errors.
    centre = real.mean(dim=0)
    real, fake = real - centre, fake - centre
    real_radii, fake_radii = _squared_radii(real, neighbours), _squared_radii(fake, neighbours)
    holding = recalled = covered = 0
    held = torch.zeros(len(fake), dtype=torch.bool, device="cpu")
    for rows, radii in zip(torch.split(real, _TILE_ROWS), torch.split(real_radii, _TILE_ROWS), strict=True):
        distances, errors = _squared_distances(rows, fake)
        on_or_within, within = _within(rows, fake, distances, errors, radii.unsqueeze(1))
        held |= on_or_within.any(dim=0)
        holding += int(within.sum())
        covered += int(within.any(dim=1).sum())
        recalled += int(_within(rows, fake, distances, errors, fake_radii)[0].any(dim=1).sum())
    return Manifold(
        precision=held.double().mean().item(),
        recall=recalled / len(real),
        density=holding / (neighbours * len(fake)),
        coverage=covered / len(real),
    )


def _require_pair(first: Tensor, second: Tensor, least: int) -> None:
    if first.shape[1] != second.shape[1]:
        raise UsageError(
            f"Features of one kind are needed on both sides, but one has {first.shape[1]} and the other "
            f"{second.shape[1]} values a row."
        )
    if (rows := min(len(first), len(second))) < least:
        raise UsageError(f"There must be {least} rows or more on both sides, but one has {rows}.")


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    mean = rows.mean(dim=0)
    centred = rows - mean
    return mean, centred.T @ centred / (len(rows) - 1)


def _cubic(first: Tensor, second: Tensor) -> Tensor:
    return torch.addmm(first.new_ones(()), first, second.T, alpha=1 / first.shape[1]).pow_(3)


def _mean_off_diagonal(kernel: Tensor) -> float:
    count = len(kernel)
    return float(kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))


def _squared_distances(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """‖x − y‖² by one matrix product, and a bound on its rounding error, both [N, M].

    The error of a sum of F products is at most F·u·‖x‖·‖y‖, u half of ε (Higham 2002, section 3.1); here are three.
    """
    squares = first.square().sum(dim=1, keepdim=True) + second.square().sum(dim=1)
    errors = squares * (torch.finfo(first.dtype).eps * (first.shape[1] + 4))
    return squares.addmm_(first, second.T, alpha=-2.0), errors


def _within(
    first: Tensor, second: Tensor, distances: Tensor, errors: Tensor, squared_radii: Tensor
) -> tuple[Tensor, Tensor]:
    """Which pairs of rows [N, F] and [M, F] are at most, and which less than, the radii apart (of a shape that
    broadcasts): [N, M] each.

    Where the error could decide, as for copies and for rows on the very rim of a ball, the differences do.
    """
    closed, open_ = distances <= squared_radii, distances < squared_radii
    unsure = ((distances - squared_radii).abs_() <= errors).nonzero()
    radii = squared_radii.expand_as(distances)
    for part in torch.split(unsure, max(1, _EXACT_VALUES // first.shape[1])):
        one, other = part.unbind(dim=1)
        exact = _exact(first[one], second[other])
        closed[one, other], open_[one, other] = exact <= radii[one, other], exact < radii[one, other]
    return closed, open_


def _squared_radii(rows: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each row [N, F] to its nearest other ones, the `neighbours`-th: [N]."""
    count = min(neighbours + _SPARE_NEIGHBOURS, len(rows) - 1)
    radii = []
    for start in range(0, len(rows), _TILE_ROWS):
        tile = rows[start : start + _TILE_ROWS]
        distances, _ = _squared_distances(tile, rows)
        distances.diagonal(offset=start).fill_(math.inf)  # a row is not its own neighbour
        nominated = distances.topk(count, dim=1, largest=False).indices
        exact = torch.stack([_exact(tile, rows[column]) for column in nominated.T], dim=1)
        radii.append(exact.sort(dim=1).values[:, neighbours - 1])
    return torch.cat(radii)


def _exact(first: Tensor, second: Tensor) -> Tensor:
    """‖x − y‖² of each row [P, F] and the row beside it, by their differences: [P]."""
    return (first - second).square().sum(dim=1)

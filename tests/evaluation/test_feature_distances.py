"""Feature distances against closed forms, double loops in float64, and sets whose answer is plain."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.linalg import sqrtm

from gantool.errors import UsageError
from gantool.evaluation.features import distances as module
from gantool.evaluation.features.distances import (
    as_features,
    feature_distances,
    frechet_distance,
    kernel_distance,
    manifold_overlap,
    squared_mmd,
)

Matrix = npt.NDArray[np.float64]


def rows_with_moments(mean: Matrix, covariance: Matrix, count: int, seed: int) -> torch.Tensor:
    """Rows whose sample mean and unbiased sample covariance are exactly these."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(axis=0)
    whitening = np.linalg.inv(np.linalg.cholesky(noise.T @ noise / (count - 1)))
    return torch.from_numpy(noise @ whitening.T @ np.linalg.cholesky(covariance).T + mean)


def test_frechet_of_commuting_gaussians_is_the_closed_form() -> None:
    variances, others = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])
    first = rows_with_moments(np.zeros(3), np.diag(variances), 50, 0)
    second = rows_with_moments(np.array([1.0, 2.0, 3.0]), np.diag(others), 70, 1)
    expected = 14 + ((np.sqrt(variances) - np.sqrt(others)) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-10)


def test_frechet_of_any_gaussians_is_the_matrix_square_roots() -> None:
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(2, 6, 6))
    covariances = factors @ factors.transpose(0, 2, 1) + np.eye(6)
    means = rng.normal(size=(2, 6))
    first, second = (rows_with_moments(means[i], covariances[i], 40, i) for i in range(2))
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_equal_sets_is_zero_even_where_the_covariance_is_singular() -> None:
    few = torch.randn(5, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert frechet_distance(few, few.clone()) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(few, few + 1) == pytest.approx(40.0, rel=1e-6)


def brute_force_mmd(first: Matrix, second: Matrix) -> float:
    def mean(x: Matrix, y: Matrix, skip: bool) -> float:
        values = [
            (float(a @ b) / len(a) + 1) ** 3 for i, a in enumerate(x) for j, b in enumerate(y) if not (skip and i == j)
        ]
        return math.fsum(values) / len(values)

    return mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)


def test_mmd_is_the_double_loop() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(13, 4)), rng.normal(size=(17, 4)) * 1.5 + 0.3
    found = squared_mmd(torch.from_numpy(first), torch.from_numpy(second))
    assert found == pytest.approx(brute_force_mmd(first, second), rel=1e-10)


def test_kernel_distance_is_around_zero_for_one_distribution_and_far_from_it_for_two() -> None:
    rng = torch.Generator().manual_seed(4)
    first, second = (torch.randn(1_000, 8, generator=rng, dtype=torch.float64) for _ in range(2))
    mean, deviation, size = kernel_distance(first, second, subset_rows=200)
    assert size == 200
    assert abs(mean) < deviation
    far, spread, _ = kernel_distance(first, second + 1, subset_rows=200)
    assert far > 10 * spread
    assert kernel_distance(first, second, seed=1)[0] != kernel_distance(first, second, seed=0)[0]


def test_kernel_subsets_never_hold_all_rows() -> None:
    rows = torch.randn(30, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    _, deviation, size = kernel_distance(rows, rows + 1)
    assert size == 15
    assert deviation > 0


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_manifolds_of_points_on_a_line() -> None:
    # With one neighbour the real radii are 1, 1, 2 and 2; the fake ones 1, 1 and 97.
    real, fake = line(0, 1, 3, 5), line(2, 3, 100)
    found = manifold_overlap(real, fake, 1)
    assert found.precision == pytest.approx(2 / 3)  # 100 is on no ball
    # Density and coverage count open balls: 2 and 3 are in that of 3, and on the rims of those of 1 and 5.
    assert found.density == pytest.approx(2 / 3)
    assert found.coverage == 1 / 4
    assert found.recall == 3 / 4  # 5 is within 97 of 100, 1 and 3 within 1 of 2; 0 is on no fake ball


def brute_force_overlap(real: Matrix, fake: Matrix, k: int) -> tuple[float, float, float, float]:
    def radii(rows: Matrix) -> list[float]:
        return [sorted(math.dist(a, b) for j, b in enumerate(rows) if j != i)[k - 1] for i, a in enumerate(rows)]

    real_radii, fake_radii = radii(real), radii(fake)
    inside = [[math.dist(r, f) <= radius for f in fake] for r, radius in zip(real, real_radii, strict=True)]
    open_ = [[math.dist(r, f) < radius for f in fake] for r, radius in zip(real, real_radii, strict=True)]
    precision = sum(any(row[j] for row in inside) for j in range(len(fake))) / len(fake)
    recall = sum(
        any(math.dist(r, f) <= radius for f, radius in zip(fake, fake_radii, strict=True)) for r in real
    ) / len(real)
    return precision, recall, sum(map(sum, open_)) / (k * len(fake)), sum(map(any, open_)) / len(real)


@pytest.mark.parametrize("k", [1, 3])
def test_manifolds_are_the_double_loop_across_tiles(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TILE_ROWS", 7)
    rng = np.random.default_rng(6)
    real, fake = rng.normal(size=(40, 3)), rng.normal(size=(33, 3)) * 0.8 + 0.5
    found = manifold_overlap(torch.from_numpy(real), torch.from_numpy(fake), k)
    expected = brute_force_overlap(real, fake, k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_manifolds_of_data_far_from_zero_and_of_copies(k: int, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TILE_ROWS", 7)
    rng = np.random.default_rng(11)
    real, fake = (offset + 1e-3 * rng.normal(size=(count, 5)) for count in (40, 33))
    real[20:30] = real[:10]  # radius 0 with one neighbour
    real[30:40] = real[0]  # and with three
    fake[:12] = real[:12]
    fake[20:26] = fake[15]
    found = manifold_overlap(torch.from_numpy(real), torch.from_numpy(fake), k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(
        brute_force_overlap(real, fake, k), abs=1e-12
    )


def test_manifolds_of_few_distinct_rows_are_decided_by_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXACT_VALUES", 50)
    rng = np.random.default_rng(12)
    real, fake = (rng.integers(0, 2, size=(count, 4)) * 0.1 + 0.3 for count in (60, 50))  # ties almost everywhere
    found = manifold_overlap(torch.from_numpy(real), torch.from_numpy(fake), 5)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(
        brute_force_overlap(real, fake, 5), abs=1e-12
    )


def test_constructed_sets() -> None:
    rng = torch.Generator().manual_seed(7)
    real = torch.randn(100, 5, generator=rng, dtype=torch.float64)
    same = manifold_overlap(real, real.clone())
    # An open ball holds its own row and four of its five neighbours: the fifth lies on the rim.
    assert (same.precision, same.recall, same.density, same.coverage) == (1.0, 1.0, pytest.approx(1.0), 1.0)
    away = manifold_overlap(real, real + 1_000)
    assert (away.precision, away.recall, away.density, away.coverage) == (0.0, 0.0, 0.0, 0.0)
    half = torch.cat([real[:50], real[:50] + 1_000])
    assert manifold_overlap(real, half).precision == 0.5


def test_collapse_keeps_precision_and_loses_recall_and_coverage() -> None:
    real = torch.randn(200, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    found = manifold_overlap(real, real[:1].expand(200, 4))
    assert found.precision == 1.0
    assert found.recall <= 1 / 200
    assert found.coverage < 0.2


@pytest.mark.parametrize("convert", [torch.Tensor.numpy, torch.Tensor.float, lambda rows: rows])
def test_every_distance_from_tensors_or_arrays(convert: Callable[[torch.Tensor], object]) -> None:
    rng = torch.Generator().manual_seed(9)
    real, fake = (torch.randn(60, 3, generator=rng).double() for _ in range(2))
    found = feature_distances(convert(real), convert(fake), neighbours=2)  # type: ignore[arg-type]
    assert (found.num_real, found.num_fake, found.dimension, found.neighbours) == (60, 60, 3, 2)
    assert found.frechet_distance == pytest.approx(frechet_distance(real, fake), rel=1e-9)
    assert found.kernel_distance == pytest.approx(kernel_distance(real, fake)[0], rel=1e-9)
    assert found.recall == manifold_overlap(real, fake, 2).recall


def test_features_may_be_any_callable() -> None:
    rng = torch.Generator().manual_seed(10)
    real, fake = (torch.randn(60, 3, generator=rng).double() for _ in range(2))
    found = feature_distances(real, fake, features=lambda rows: rows[:, :2] ** 2)
    assert found == feature_distances(real[:, :2] ** 2, fake[:, :2] ** 2)


@pytest.mark.parametrize(
    ("real", "fake", "sentence"),
    [
        (torch.zeros(9), torch.zeros(9, 2), r"must be a matrix \[N, F\]"),
        (torch.zeros(9, 0), torch.zeros(9, 0), r"must be a matrix"),
        (torch.zeros(9, 2), torch.zeros(9, 3), "one has 2 and the other 3 values"),
        (torch.full((9, 2), torch.nan), torch.zeros(9, 2), "finite, but 9 of the 9 rows"),
        (torch.zeros(3, 2), torch.zeros(9, 2), "4 rows or more on both sides, but one has 3"),
        (torch.zeros(5, 2), torch.zeros(9, 2), "6 rows or more on both sides, but one has 5"),
    ],
)
def test_refusals(real: torch.Tensor, fake: torch.Tensor, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        feature_distances(real, fake)
    with pytest.raises(UsageError, match="neighbours must be 1 or more"):
        manifold_overlap(as_features(torch.zeros(9, 2)), as_features(torch.zeros(9, 2)), 0)

"""Data whose coordinates lie far from each other: the accuracy bound holds, in whatever order the samples come."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ops import truth
from ops.cases import impls, normal
from torch import Tensor

from gantool.ops import parzen_log_density
from gantool.ops.distances import ways
from gantool.ops.reference import _log_sums

IMPLS = pytest.mark.parametrize("impl", impls())


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def over_bound(result: Tensor, queries: Tensor, samples: Tensor, sigmas: list[float]) -> float:
    """The largest error, less half a unit in the last place, over 2e-3·(0.2/σ)² nats; infinite for a NaN."""
    widths = torch.tensor(sigmas, dtype=torch.float32).double()
    exact = truth.parzen_log_density(queries, samples, widths)
    own = exact.float()
    half = (torch.nextafter(own.abs(), torch.tensor(math.inf)) - own.abs()).double() / 2
    excess = ((result.double() - exact).abs() - half) / (2e-3 * (0.2 / widths[:, None]) ** 2)
    return float(excess.nan_to_num(math.inf).max())


@IMPLS
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_one_far_sample_of_two(impl: str, order: list[int]) -> None:
    samples = torch.tensor([[0.2], [1e4]])[order]
    density = parzen_log_density(torch.tensor([[0.3]]), samples, [0.1], impl=impl)
    assert density.item() == pytest.approx(0.1905, abs=5e-5)


@IMPLS
@pytest.mark.parametrize("place", [0, 999])
@pytest.mark.parametrize("far", [1e3, 1e4, 1e6, 1e30])
def test_one_far_sample_of_many_first_and_last(impl: str, far: float, place: int) -> None:
    queries, samples = uniform(20, 784), uniform(1000, 784, seed=1)
    samples[place] = far
    assert over_bound(parzen_log_density(queries, samples, [0.2], impl=impl), queries, samples, [0.2]) <= 1


@IMPLS
def test_two_clusters_far_apart(impl: str) -> None:
    queries, samples = normal(40, 3).float(), normal(600, 3, seed=1).float()
    queries[20:] += 1000.0
    samples[300:] += 1000.0
    sigmas = [0.2, 1.0, 10.0]
    assert over_bound(parzen_log_density(queries, samples, sigmas, impl=impl), queries, samples, sigmas) <= 1


@IMPLS
def test_rows_spread_over_thousands_of_bandwidths(impl: str) -> None:
    queries, samples = 1e4 * uniform(100, 2), 1e4 * uniform(2000, 2, seed=1)
    assert over_bound(parzen_log_density(queries, samples, [1.0], impl=impl), queries, samples, [1.0]) <= 1


@IMPLS
@pytest.mark.parametrize("seed", range(25))
def test_any_offset_scale_far_rows_and_order(impl: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-4, 5)
    offset = scale * 10.0 ** rng.integers(0, 5) * rng.integers(0, 2)
    columns = int(rng.integers(1, 60))
    queries, samples = (offset + scale * normal(rows, columns, seed=seed + rows).float() for rows in (9, 150))
    for row in rng.integers(0, 150, rng.integers(0, 4)):
        samples[row] = scale * 10.0 ** rng.integers(0, 8)
    sigmas = [0.05 * scale, 0.5 * scale, 20 * scale]
    for rows in (samples, samples[torch.from_numpy(rng.permutation(150))]):
        assert over_bound(parzen_log_density(queries, rows, sigmas, impl=impl), queries, rows, sigmas) <= 1


@IMPLS
def test_float64_far_from_zero(impl: str) -> None:
    """Against long doubles: the rows' own differences are exact, and float64 keeps 12 digits of them."""
    queries, samples = 1e12 + 100 * normal(7, 3), 1e12 + 100 * normal(50, 3, seed=1)
    samples[0] = -3e14
    wide = np.longdouble(queries.numpy())[:, None] - np.longdouble(samples.numpy())[None]
    exponents = -(wide**2).sum(axis=2) / np.longdouble(2 * 30.0**2)
    top = exponents.max(axis=1, keepdims=True)
    exact = np.log(np.exp(exponents - top).mean(axis=1)) + top[:, 0] - 1.5 * np.log(2 * np.longdouble(np.pi) * 900)
    density = parzen_log_density(queries, samples, [30.0], impl=impl)[0].numpy()
    assert np.abs(density - exact.astype(np.float64)).max() < 1e-9


@IMPLS
@pytest.mark.parametrize("sigma", [1e-200, 1e154, 1e160, 1e200])
def test_float64_bandwidths_at_the_ends_of_the_range(impl: str, sigma: float) -> None:
    density = parzen_log_density(
        torch.tensor([[3.0]]).double(), torch.tensor([[3.0], [-1.0]]).double(), [sigma], impl=impl
    )
    near = 0.5 if sigma < 1 else 1.0  # the second sample counts at a wide bandwidth alone
    assert density.item() == pytest.approx(math.log(near) - 0.5 * math.log(2 * math.pi) - math.log(sigma), rel=1e-14)


@IMPLS
def test_float32_bandwidths_at_the_ends_of_the_range(impl: str) -> None:
    queries, samples = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1e-20]])
    sigmas = torch.tensor([1e-38, 1e-30, 1e30], dtype=torch.float32)
    density = parzen_log_density(queries, samples, sigmas, impl=impl).double()
    exact = truth.parzen_log_density(queries, samples, sigmas).clamp(min=torch.finfo(torch.float32).min)
    torch.testing.assert_close(density, exact, rtol=1e-6, atol=0)


@IMPLS
def test_gradients_beside_a_far_sample(impl: str) -> None:
    queries, samples = uniform(6, 20), uniform(80, 20, seed=1)
    samples[0] = 1e5
    sigmas = torch.tensor([0.2, 0.7])
    found, exact = [], []
    for kind, into in ((torch.float32, found), (torch.float64, exact)):
        leaves = [t.to(kind).requires_grad_() for t in (queries, samples, sigmas)]
        density = parzen_log_density(*leaves, impl=impl) if kind == torch.float32 else plain(*leaves)
        into += torch.autograd.grad(density.sum(), leaves)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def plain(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    squared = (queries[:, None] - samples[None]).square().sum(dim=2)
    kernel = torch.logsumexp(-squared / (2 * sigmas[:, None, None] ** 2), dim=2)
    return kernel - samples.shape[1] * sigmas.log()[:, None]


@pytest.mark.parametrize("columns", [784, 3072])
def test_ordinary_data_take_the_first_way_alone(columns: int) -> None:
    first = next(ways(uniform(30, columns), uniform(200, columns, seed=1)))
    assert first.dtype == torch.float32
    assert not _log_sums(first, torch.logspace(-1, 0, 10))[1].any()

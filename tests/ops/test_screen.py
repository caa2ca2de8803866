"""The screened Parzen window against brute force: what it leaves out is what it says, on any data, in every variant."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from gantool.errors import UsageError
from gantool.native.libraries import inspect
from gantool.ops import parzen_certified, parzen_log_density

pytestmark = pytest.mark.native

VARIANTS = ("portable", "avx2", "avx-vnni", "avx512-vnni")
Array = np.ndarray[Any, Any]


@pytest.fixture
def host() -> ModuleType:
    """The module over the torch-free cores."""
    assert not (reason := inspect("_host").reason), reason
    return importlib.import_module("gantool._host")


def exact(queries: Array, samples: Array, sigmas: Array) -> Array:
    """Log-densities by differences, in 80 bits."""
    queries, samples = queries.astype(np.longdouble), samples.astype(np.longdouble)
    squared = np.stack([((query - samples) ** 2).sum(1) for query in queries])
    exponent = -squared / (2 * sigmas.astype(np.longdouble)[:, None, None] ** 2)
    top = exponent.max(axis=2, keepdims=True)
    sums = np.log(np.exp(exponent - top).mean(axis=2)) + top[:, :, 0]
    normaliser = np.log(sigmas.astype(np.longdouble)) + np.log(2 * np.longdouble(math.pi)) / 2
    result: Array = sums - samples.shape[1] * normaliser[:, None]
    return result


def clustered(count: int, dimension: int, seed: int = 0, centres: int = 40) -> Array:
    """Rows about a few centres in [0, 1], as images are: few are near any query."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).random((centres, dimension))
    rows = middles[random.integers(0, centres, count)] + 0.03 * random.standard_normal((count, dimension))
    return np.clip(rows, 0, 1)


def screened(
    host: ModuleType, queries: Array, samples: Array, sigmas: list[float], *, allowed: float = 1e-4,
    variant: str = "", threads: int = 1, forced: bool = True,
) -> tuple[Array, Array, bool]:  # fmt: skip
    call = host.parzen_screened64 if queries.dtype == np.float64 else host.parzen_screened
    widths = np.array(sigmas, queries.dtype)
    found: tuple[Array, Array, bool] = call(
        queries, samples, widths, allowed, variant or host.screen_variants()[-1], threads, forced
    )
    return found


def assert_within(host: ModuleType, queries: Array, samples: Array, sigmas: list[float], **options: Any) -> None:
    """0 ≤ exact − result ≤ remainder, but for the rounding of the result's type and of the exponentials."""
    density, remainder, ran = screened(host, queries, samples, sigmas, **options)
    assert ran
    truth = exact(queries, samples, np.array(sigmas, queries.dtype))
    rounding = 1e-7 + np.abs(truth) * (2.0**-24 if queries.dtype == np.float32 else 2.0**-50)
    left_out = truth - density
    assert (left_out <= remainder + rounding).all(), (left_out - remainder).max()
    assert (left_out >= -rounding - remainder * 1e-3).all(), left_out.min()
    assert (remainder <= options.get("allowed", 1e-4) + 1e-6 * np.abs(truth)).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_left_out_stays_below_what_is_stated(host: ModuleType, variant: str, dtype: type) -> None:
    if variant not in host.screen_variants():
        pytest.skip(f"this processor has no {variant}")
    queries, samples = (clustered(n, 70, seed).astype(dtype) for n, seed in ((60, 1), (2000, 2)))
    # A large allowance shows a wrong bound above rounding; narrow sigmas ride on the widest.
    for allowed in (1e-4, 0.06):
        assert_within(host, queries, samples, [0.2, 0.194, 0.16, 0.08], variant=variant, allowed=allowed)


def adversarial() -> dict[str, tuple[Array, Array]]:
    random = np.random.default_rng(7)
    base, near = clustered(600, 65, 3), clustered(50, 65, 4)
    far = base.copy()
    far[11] *= 1000
    away = base.copy()
    away[:300] += 50
    flat = base.copy()
    flat[:, 5:] = 0.25
    return {
        "noise": (random.random((50, 65)), random.random((600, 65))),
        "duplicates": (near, np.repeat(base[:20], 30, axis=0)),
        "queries are samples": (base[:50], base),
        "one cluster far away": (near, away),
        "one sample times 1,000": (near, far),
        "offset 1,000": (near + 1000, base + 1000),
        "scale 1e-6": (near * 1e-6, base * 1e-6),
        "scale 1e6": (near * 1e6, base * 1e6),
        "constant columns": (np.where(np.arange(65) < 5, near, 0.25), flat),
        "bytes": (np.round(near * 255) / 255, np.round(base * 255) / 255),
        "a query far away": (near + 1e4, base),
    }


@pytest.mark.parametrize("name", list(adversarial()))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adversarial_data_keep_the_bound(host: ModuleType, name: str, dtype: type) -> None:
    queries, samples = (rows.astype(dtype) for rows in adversarial()[name])
    scale = float(np.abs(samples - samples.mean(0)).mean())
    for allowed in (1e-4, 0.06):
        assert_within(host, queries, samples, [0.5 * scale, 2 * scale], allowed=allowed)


@pytest.mark.parametrize("dimension", [1, 2, 3, 62, 63, 64, 1000, 12_288])
def test_every_dimension(host: ModuleType, dimension: int) -> None:
    queries, samples = (clustered(n, dimension, seed).astype(np.float32) for n, seed in ((30, 5), (200, 6)))
    assert_within(host, queries, samples, [0.2 * math.sqrt(dimension / 65)], allowed=0.06)


@pytest.mark.parametrize(("count", "others"), [(1, 1), (1, 2), (23, 31), (24, 32), (25, 33), (49, 511), (30, 1025)])
def test_counts_around_the_tiles(host: ModuleType, count: int, others: int) -> None:
    queries, samples = (clustered(n, 20, seed).astype(np.float32) for n, seed in ((count, 8), (others, 9)))
    assert_within(host, queries, samples, [0.1], allowed=0.06)


def test_samples_beyond_one_block_carry_the_limits_over(host: ModuleType) -> None:
    queries, samples = clustered(30, 6, 10).astype(np.float32), clustered(70_000, 6, 11).astype(np.float32)
    assert_within(host, queries, samples, [0.02], allowed=0.06)


def test_threads_and_another_order_of_rows_change_nothing_beyond_the_remainder(host: ModuleType) -> None:
    queries, samples = clustered(200, 65, 12).astype(np.float32), clustered(1500, 65, 13).astype(np.float32)
    one, remainder, _ = screened(host, queries, samples, [0.15])
    for threads in (2, 4):
        many, same, _ = screened(host, queries, samples, [0.15], threads=threads)
        assert np.array_equal(one, many)
        assert np.array_equal(remainder, same)
    order = np.random.default_rng(0).permutation(1500)
    other, stated, _ = screened(host, queries, samples[order], [0.15])
    assert (np.abs(one - other) <= np.maximum(remainder, stated) + 1e-7 + np.abs(one) * 2.0**-23).all()


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 1e30), (np.float64, 1e30), (np.float64, 1e140)])
def test_rows_beyond_what_squares_hold_are_computed_exactly(host: ModuleType, dtype: type, far: float) -> None:
    queries, samples = clustered(60, 65, 26).astype(dtype), clustered(700, 65, 27).astype(dtype)
    queries[7, 3], samples[100, 60] = far, -far
    density, remainder, ran = screened(host, queries, samples, [0.2])
    assert ran
    others = np.arange(60) != 7
    truth = exact(queries[others], samples, np.array([0.2], dtype))
    np.testing.assert_allclose(density[0, others], truth[0].astype(np.float64), atol=2e-4)
    assert np.isfinite(density).all()
    assert density[0, 7] < -1e30
    assert (remainder[0, others] <= 1e-4).all()


def test_a_query_that_is_not_finite_is_nan_alone_and_states_nothing(host: ModuleType) -> None:
    queries, samples = clustered(60, 65, 14).astype(np.float32), clustered(700, 65, 15).astype(np.float32)
    clean, _, _ = screened(host, queries, samples, [0.2])
    queries[0, 0], queries[31, 64], queries[59, 7] = np.nan, np.inf, -np.inf
    density, remainder, ran = screened(host, queries, samples, [0.2])
    broken = np.isin(np.arange(60), (0, 31, 59))
    assert ran
    assert np.array_equal(np.isnan(density[0]), broken)
    assert np.array_equal(np.isnan(remainder[0]), broken)
    np.testing.assert_allclose(density[0, ~broken], clean[0, ~broken], atol=2e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (350, 33), (699, 64)])
def test_a_sample_that_is_not_finite_sends_the_call_to_the_dense_pass(
    host: ModuleType, value: float, place: tuple[int, int]
) -> None:
    queries, samples = clustered(60, 65, 16).astype(np.float32), clustered(700, 65, 17).astype(np.float32)
    samples[place] = value
    assert not screened(host, queries, samples, [0.2])[2]


def test_the_remainder_holds_the_rounding_of_far_distances(host: ModuleType) -> None:
    # |q − x|² / 2σ² of 1e6 to 1e10 nats: a float64 sum errs by more than the allowance.
    queries, samples = clustered(20, 100, 18) + 30, clustered(300, 100, 19)
    for exponent in (1e6, 1e8, 1e10):
        sigma = math.sqrt(100 * 900 / (2 * exponent))
        density, remainder, ran = screened(host, queries, samples, [sigma], allowed=1e-12)
        truth = exact(queries, samples, np.array([sigma]))
        assert ran
        assert (np.abs(truth - density) <= remainder + np.abs(truth) * 2.0**-50).all()


def test_the_result_may_exceed_the_truth_by_rounding_alone(host: ModuleType) -> None:
    # One sample on the query, and 20,000 equal ones 8 nats behind.
    sigma = 0.29168
    samples = np.zeros((20_001, 4), np.float32)
    samples[1::2, 0], samples[2::2, 0] = 4 * sigma, -4 * sigma
    density, _, ran = screened(host, np.zeros((1, 4), np.float32), samples, [sigma])
    truth = exact(np.zeros((1, 4)), samples, np.array([np.float32(sigma)]))
    assert ran
    assert density[0, 0] - truth[0, 0] <= 5e-7


@pytest.mark.parametrize("rows", [np.full((2000, 70), 0.3), np.zeros((2000, 1))])
def test_rows_without_a_range_are_not_screened(host: ModuleType, rows: Array) -> None:
    assert not screened(host, rows[:200].astype(np.float32), rows.astype(np.float32), [0.2])[2]


def test_the_pilot_screens_where_few_samples_matter_and_leaves_noise_alone(host: ModuleType) -> None:
    queries, samples = (clustered(10_000, 784, seed, 100).astype(np.float32) for seed in (20, 21))
    noise = np.random.default_rng(1).random((2, 2000, 200)).astype(np.float32)
    assert screened(host, queries, samples, [0.1], forced=False)[2]
    assert not screened(host, queries, samples, [5.0], forced=False)[2]
    assert not screened(host, noise[0], noise[1], [0.2], forced=False)[2]
    assert not screened(host, queries, samples, [0.1], allowed=0, forced=False)[2]
    assert not screened(host, queries[:20], samples, [0.1], forced=False)[2]


@pytest.mark.parametrize(("dtype", "rows", "width"), [(torch.float32, 10_000, 784), (torch.float64, 2_000, 200)])
def test_the_public_call_names_its_way_and_agrees_with_the_dense_pass(
    dtype: torch.dtype, rows: int, width: int
) -> None:
    queries, samples = (torch.from_numpy(clustered(rows, width, seed, 100)).to(dtype) for seed in (22, 23))
    sigmas = [0.1, 0.05]
    found = parzen_certified(queries, samples, sigmas)
    dense = parzen_certified(queries, samples, sigmas, allowed=0)
    assert found.impl.endswith(", screened)")
    assert "screened" not in dense.impl
    assert (dense.remainder == 0).all()
    assert (found.remainder <= 1e-4).all()
    bound = 2e-3 * (0.2 / torch.tensor(sigmas))[:, None] ** 2 + dense.log_density.abs() * 2**-24
    assert ((found.log_density - dense.log_density).abs() <= bound + 1e-4).all()
    assert torch.equal(parzen_log_density(queries, samples, sigmas), found.log_density)


def test_a_gradient_goes_through_a_screened_density() -> None:
    queries, samples = (torch.from_numpy(clustered(n, 40, seed)).float() for n, seed in ((1500, 24), (1500, 25)))
    queries.requires_grad_()
    parzen_log_density(queries, samples, [0.1]).sum().backward()
    got, queries.grad = queries.grad, None
    parzen_log_density(queries, samples, [0.1], impl="reference").sum().backward()
    torch.testing.assert_close(got, queries.grad, rtol=1e-3, atol=1e-2)


SCRIPT = """
import torch
from gantool.ops import parzen_certified, selected_impl
rows = torch.rand(4000, 64)
print(parzen_certified(rows, rows, [0.01]).impl, "|", selected_impl("parzen_log_density", rows, rows))
"""


@pytest.mark.parametrize(("limit", "expected"), [("portable", "portable"), ("avx2", "avx2"), ("sse9", None)])
def test_the_environment_limits_the_variants(limit: str, expected: str | None) -> None:
    environment = {**os.environ, "GANTOOL_CPU": limit}
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    if expected is None:
        assert ran.returncode != 0
        assert "GANTOOL_CPU must be portable, avx2" in ran.stderr
    elif expected in importlib.import_module("gantool._host").screen_variants():
        assert ran.stdout.strip() == f"native ({expected}, screened) | native ({expected})", ran.stderr
    else:
        pytest.skip(f"this processor has no {expected}")


@pytest.mark.parametrize("allowed", [-1e-9, 0.2, math.nan])
def test_an_allowance_that_is_none_is_refused(allowed: float) -> None:
    rows = torch.zeros(2, 3)
    with pytest.raises(UsageError, match=r"allowed must be nats from 0 to 0\.1"):
        parzen_certified(rows, rows, [0.1], allowed=allowed)

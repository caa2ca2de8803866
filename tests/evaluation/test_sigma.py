"""The refined sigma against float64's own optimum, inside the grid and past its ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from oracle import brute_force_left_out, log_sum_exp, squared_distances
from scipy.optimize import minimize_scalar

from gantool.evaluation.parzen.sigma import mean_and_slope, refine_sigma
from gantool.numerics.density import PAPER_GRID, Window, choose_sigma


def rows_of(count: int, dimension: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def optimum(mean_at: Callable[[float], float], low: float, high: float) -> float:
    found = minimize_scalar(lambda log: -mean_at(np.exp(log)), bounds=np.log([low, high]), method="bounded",
                            options={"xatol": 1e-10})  # fmt: skip
    return float(np.exp(found.x))


@pytest.mark.parametrize(("dimension", "scale"), [(2, 1.0), (16, 0.5), (784, 0.2)])
def test_the_optimum_between_two_points_of_the_grid(dimension: int, scale: float) -> None:
    samples, selection = rows_of(300, dimension, 0, scale), rows_of(200, dimension, 1, scale)
    choice = choose_sigma(Window(samples), selection)
    squared = squared_distances(selection, samples)
    best = optimum(lambda sigma: log_sum_exp(squared, dimension, sigma).mean(), 0.5 * choice.sigma, 2 * choice.sigma)
    refined = refine_sigma(choice)
    assert PAPER_GRID[0] < best < PAPER_GRID[-1]
    assert refined == pytest.approx(best, rel=2e-5)
    assert refined != choice.sigma


def test_the_optimum_of_leave_one_out() -> None:
    samples = rows_of(600, 3, 2)
    best = optimum(lambda sigma: brute_force_left_out(samples, sigma).mean(), 0.1, 1.0)
    assert refine_sigma(choose_sigma(Window(samples), None)) == pytest.approx(best, rel=2e-5)


@pytest.mark.parametrize("grid", [(0.01, 0.02), (0.9, 1.5, 2.0), (0.5,), (0.01, 5.0), (0.001, 0.3, 90.0)])
def test_past_an_end_and_in_a_coarse_grid(grid: tuple[float, ...]) -> None:
    samples, selection = rows_of(300, 2, 0), rows_of(200, 2, 1)
    squared = squared_distances(selection, samples)
    best = optimum(lambda sigma: log_sum_exp(squared, 2, sigma).mean(), 0.05, 1.0)
    assert refine_sigma(choose_sigma(Window(samples), selection, grid=grid)) == pytest.approx(best, rel=1e-4)


def test_an_optimum_out_of_reach_is_none() -> None:
    samples = rows_of(50, 2, 0)
    # Rows that are the samples want sigma = 0.
    assert refine_sigma(choose_sigma(Window(samples), samples)) is None
    assert refine_sigma(choose_sigma(Window(samples), None, sigma=0.3)) is None


def test_the_slope_is_the_derivative_in_log_sigma() -> None:
    samples, selection = rows_of(300, 5, 0), rows_of(2_500, 5, 1)
    squared = squared_distances(selection, samples)
    sigmas, step = [0.3, 0.6], 1e-5
    means, slopes = mean_and_slope(Window(samples).blocks(selection), sigmas)
    for sigma, mean, slope in zip(sigmas, means, slopes, strict=True):
        above, below = (log_sum_exp(squared, 5, sigma * np.exp(move)).mean() for move in (step, -step))
        assert mean == pytest.approx(log_sum_exp(squared, 5, sigma).mean(), abs=1e-4)
        assert slope == pytest.approx((above - below) / (2 * step), abs=2e-4)

"""The estimate against float64 brute force on real MNIST, against closed forms, and its choice of sigma."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import brute_force, brute_force_left_out, log_sum_exp, squared_distances

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.errors import UsageError
from gantool.numerics.density import PAPER_GRID, Window, choose_sigma, geometric_grid, score
from gantool.numerics.rows import random_subset

SIGMAS = (0.1, 0.2, 0.5, 1.0)


@pytest.fixture(scope="module")
def mnist(mnist_root: Path) -> Dataset:
    return load_dataset(DataConfig("mnist"), root=mnist_root, offline=True)


def gaussian_rows(count: int, dimension: int, seed: int) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


# The standard deviation of each of the mixture's components.
WIDTH = 0.4


def mixture_centres(dimension: int) -> torch.Tensor:
    return gaussian_rows(4, dimension, seed=20)


def mixture_rows(count: int, dimension: int, seed: int) -> torch.Tensor:
    """Draws of four round Gaussians of equal weight."""
    rng = torch.Generator().manual_seed(seed)
    centres = mixture_centres(dimension)[torch.randint(4, (count,), generator=rng)]
    return centres + WIDTH * torch.randn(count, dimension, generator=rng)


def test_real_mnist_agrees_with_float64_brute_force(mnist: Dataset) -> None:
    samples = random_subset(mnist.values(mnist.train.stored), 10_000, seed=0)
    queries = mnist.values(mnist.test.stored[:200])
    squared = squared_distances(queries, samples)
    for impl in ("auto", "reference"):
        found = Window(samples, impl).log_densities(queries, SIGMAS)
        for sigma, row in zip(SIGMAS, found.numpy(), strict=True):
            bound = 2e-3 * (0.2 / sigma) ** 2
            assert np.abs(row - log_sum_exp(squared, 784, sigma)).max() <= bound, (impl, sigma)


def test_real_training_images_score_what_was_measured(mnist: Dataset) -> None:
    samples = random_subset(mnist.values(mnist.train.stored), 10_000, seed=0)
    found = score(Window(samples), mnist.values(mnist.test.stored), None, sigma=0.2)
    # 230.8 ± 1.5, where ± is the standard error across test rows; another draw of 10,000 moves the mean by less.
    assert found.log_likelihood == pytest.approx(230.8, abs=1.5)
    assert found.standard_error == pytest.approx(1.5, abs=0.1)


def test_one_sample_is_one_gaussian() -> None:
    queries, sample = gaussian_rows(50, 7, seed=0), gaussian_rows(1, 7, seed=1)
    sigma = 0.7
    squared = (queries.double() - sample.double()).square().sum(dim=1)
    expected = -squared / (2 * sigma**2) - 7 / 2 * math.log(2 * math.pi * sigma**2)
    torch.testing.assert_close(Window(sample).log_densities(queries, [sigma])[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dimension", [1, 2])
def test_many_gaussian_samples_give_the_widened_gaussian(dimension: int) -> None:
    # A Parzen window on samples of N(0, I) is in expectation N(0, (1 + σ²) I).
    sigma = 0.5
    scored = gaussian_rows(2_000, dimension, seed=2)
    found = score(Window(gaussian_rows(40_000, dimension, seed=3)), scored, None, sigma=sigma)
    variance = 1 + sigma**2
    exact = -0.5 * (scored.double().square().sum(dim=1) / variance + dimension * math.log(2 * math.pi * variance))
    assert found.log_likelihood == pytest.approx(exact.mean().item(), abs=0.01)


def test_standard_error_is_the_deviation_over_the_root_of_the_rows() -> None:
    samples, scored = gaussian_rows(100, 3, seed=4), gaussian_rows(40, 3, seed=5)
    values = brute_force(scored, samples, 0.4)
    found = score(Window(samples), scored, None, sigma=0.4)
    assert found.log_likelihood == pytest.approx(values.mean(), abs=1e-5)
    assert found.standard_error == pytest.approx(values.std() / math.sqrt(40), abs=1e-5)


def test_paper_grid_is_the_released_codes() -> None:
    np.testing.assert_allclose(PAPER_GRID, np.logspace(-1, 0, 10), rtol=1e-15)


def test_geometric_grid_has_its_ends_and_equal_ratios() -> None:
    grid = np.array(geometric_grid(0.05, 0.8, 5))
    assert (grid[0], grid[-1]) == (0.05, 0.8)
    np.testing.assert_allclose(grid[1:] / grid[:-1], 2.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "count"),
    [(0.0, 1.0, 5), (0.5, 0.1, 5), (0.1, math.inf, 5), (0.1, 1.0, 1), (math.nan, 1, 3), (0.1, math.nan, 3)],
)
def test_what_is_no_grid_is_refused(low: float, high: float, count: int) -> None:
    with pytest.raises(UsageError, match="--grid must be LOW HIGH COUNT"):
        geometric_grid(low, high, count)


def test_sigma_is_the_best_of_the_grid_on_the_selection() -> None:
    samples, selection = gaussian_rows(200, 2, seed=6), gaussian_rows(100, 2, seed=7)
    found = score(Window(samples), gaussian_rows(50, 2, seed=8), selection)
    means = [brute_force(selection, samples, sigma).mean() for sigma in PAPER_GRID]
    assert found.sigma == PAPER_GRID[int(np.argmax(means))]
    np.testing.assert_allclose([point.log_likelihood for point in found.curve], means, atol=1e-4)


def test_rows_that_are_scored_never_move_sigma() -> None:
    samples, selection = gaussian_rows(200, 2, seed=6), gaussian_rows(100, 2, seed=7)
    # Copies of the samples would want the smallest sigma, far rows the largest; the validation rows want neither.
    near = score(Window(samples), samples[:50], selection)
    far = score(Window(samples), samples[:50] + 30, selection)
    assert score(Window(samples), samples[:50] + 30, samples[:50] + 30).sigma == 1.0
    assert score(Window(samples), samples[:50], samples[:50]).sigma == PAPER_GRID[0]
    assert near.sigma == far.sigma
    assert PAPER_GRID[0] < near.sigma < 1.0
    assert near.curve == far.curve


def test_without_selection_the_samples_choose_by_leave_one_out() -> None:
    samples, scored = gaussian_rows(200, 2, seed=6), gaussian_rows(50, 2, seed=8)
    means = [brute_force_left_out(samples, sigma).mean() for sigma in PAPER_GRID]
    choice = choose_sigma(Window(samples), None)
    assert (choice.source, choice.rows) == ("leave-one-out", 200)
    assert choice.sigma == PAPER_GRID[int(np.argmax(means))]
    np.testing.assert_allclose([point.log_likelihood for point in choice.curve], means, atol=1e-4)
    assert score(Window(samples), scored, None).sigma == choice.sigma


def test_copies_do_not_take_sigma_to_its_smallest() -> None:
    samples = gaussian_rows(60, 2, seed=6)
    choice = choose_sigma(Window(samples.repeat(3, 1)), None)
    assert choice.rows == 60
    assert choice.sigma == choose_sigma(Window(samples), None).sigma > PAPER_GRID[0]


def test_one_sample_again_and_again_cannot_choose_sigma() -> None:
    rows = gaussian_rows(10, 2, seed=9)
    with pytest.raises(UsageError, match="10 samples that are all the same row: give --validation FILE, or --sigma X"):
        score(Window(rows[:1].repeat(10, 1)), rows, None)


@pytest.mark.parametrize("dimension", [2, 16, 784])
def test_gaussian_mixtures_agree_with_float64_brute_force(dimension: int) -> None:
    samples, scored = mixture_rows(600, dimension, seed=1), mixture_rows(200, dimension, seed=2)
    sigma = 0.3
    found = score(Window(samples), scored, None, sigma=sigma)
    assert found.log_likelihood == pytest.approx(brute_force(scored, samples, sigma).mean(), abs=2e-3)


@pytest.mark.parametrize("dimension", [1, 2])
def test_many_mixture_samples_give_the_mixture_convolved_with_the_kernel(dimension: int) -> None:
    # In expectation the window is the mixture with sigma² added to each variance; in 16 dimensions and more that limit
    # is out of any N's reach.
    sigma = 0.3
    scored = mixture_rows(2_000, dimension, seed=2)
    found = score(Window(mixture_rows(40_000, dimension, seed=1)), scored, None, sigma=sigma)
    exact = log_sum_exp(squared_distances(scored, mixture_centres(dimension)), dimension, math.hypot(WIDTH, sigma))
    assert found.log_likelihood == pytest.approx(exact.mean(), abs=0.01)


def test_given_sigma_is_used_and_stands_in_the_curve() -> None:
    samples, selection = gaussian_rows(200, 2, seed=6), gaussian_rows(100, 2, seed=7)
    found = choose_sigma(Window(samples), selection, sigma=0.03)
    assert (found.sigma, found.source) == (0.03, "given")
    assert [point.sigma for point in found.curve] == sorted([0.03, *PAPER_GRID])
    assert found.best.sigma in PAPER_GRID[1:]
    assert score(Window(samples), selection + 0.1, selection, sigma=0.03).sigma == 0.03


def test_progress_runs_from_nothing_to_all_rows() -> None:
    seen: list[tuple[str, int, int]] = []
    rows = gaussian_rows(4_500, 1, seed=10)
    samples = gaussian_rows(50_000, 1, seed=11)
    Window(samples, progress=lambda *step: seen.append(step)).log_densities(rows, [0.5], "scoring")
    assert seen == [("scoring", done, 4_500) for done in (0, 2_000, 4_000, 4_500)]

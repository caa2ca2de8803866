"""Each ± against what it stands for: closed forms, scipy's Student's t, and fresh draws scored by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation.repetitions import (
    normal_rows,
    root_mean_square,
    sigma_choices_against_fresh_rows,
    uncertainties_of,
)
from oracle import brute_force, squared_distances
from scipy.stats import t

from gantool.evaluation.parzen.result import Uncertainty
from gantool.evaluation.parzen.uncertainty import interval_of_mean, resampled_sigmas
from gantool.numerics.density import Window, choose_sigma


@pytest.fixture(scope="module")
def sources() -> dict[str, Uncertainty]:
    return uncertainties_of(normal_rows(400, 0), normal_rows(900, 1), normal_rows(300, 2))


def test_every_source_is_named(sources: dict[str, Uncertainty]) -> None:
    assert list(sources) == [
        "rows scored", "rows scored (bootstrap)", "samples drawn", "choice of sigma", "training seed",
    ]  # fmt: skip
    assert sources["training seed"].value is None


def test_the_bootstrap_over_rows_agrees_with_the_formula(sources: dict[str, Uncertainty]) -> None:
    formula, bootstrap = sources["rows scored"].value, sources["rows scored (bootstrap)"]
    assert formula is not None
    # 1,000 resamples know a standard deviation to 2.2 %; 10 % are four of those.
    assert bootstrap.value == pytest.approx(formula, rel=0.1)
    assert bootstrap.interval is not None
    low, high = bootstrap.interval
    assert high - low == pytest.approx(2 * 1.96 * formula, rel=0.15)


@pytest.mark.parametrize("count", [2, 5, 60])
def test_the_interval_over_rows_is_students(count: int) -> None:
    samples, scored = normal_rows(50, 0), normal_rows(count, 1)
    source = uncertainties_of(samples, scored, sigma=0.5)["rows scored"]
    values = brute_force(scored, samples, 0.5)
    assert source.value == pytest.approx(values.std() / math.sqrt(count), abs=1e-4)
    expected = t.interval(0.95, count - 1, values.mean(), values.std(ddof=1) / math.sqrt(count))
    assert source.interval == pytest.approx(expected, abs=2e-3)


def test_one_row_has_no_spread_and_few_cannot_be_resampled() -> None:
    samples = normal_rows(50, 0)
    one = uncertainties_of(samples, normal_rows(1, 1), normal_rows(30, 2))
    for name in ("rows scored", "rows scored (bootstrap)"):
        assert (one[name].value, one[name].interval) == (None, None)
        assert "one row" in one[name].method
    assert one["choice of sigma"].value is not None
    few = uncertainties_of(samples, normal_rows(7, 1), sigma=0.5)["rows scored (bootstrap)"]
    assert (few.value, few.method) == (None, "not covered: 7 rows are too few to resample")


def test_three_samples_cannot_be_quartered_and_four_can() -> None:
    scored = normal_rows(20, 1)
    assert uncertainties_of(normal_rows(3, 0), scored, sigma=0.5)["samples drawn"].value is None
    four = uncertainties_of(normal_rows(4, 0), scored, sigma=0.5)["samples drawn"]
    assert four.value is not None
    assert four.value > 0


def test_samples_that_all_count_vary_by_their_influence() -> None:
    # At so wide a sigma the score is nearly a mean over the samples: Var ≈ Σ (h_j − 1)² / M² with h_j the mean over the
    # rows of sample j's share of the density, times M (the delta method, or infinitesimal jackknife).
    scored, found, expected = normal_rows(200, 1), [], []
    for seed in range(8):
        samples = normal_rows(800, 10 + seed)
        found.append(uncertainties_of(samples, scored, sigma=2.0, seed=seed)["samples drawn"].value)
        weights = np.exp(-squared_distances(scored, samples) / 8)
        influence = (weights / weights.mean(axis=1, keepdims=True)).mean(axis=0)
        expected.append(math.sqrt(((influence - 1) ** 2).sum()) / 800)
    # Eighty groups know one to 8 %, and eight to 3 %.
    assert root_mean_square(found) == pytest.approx(root_mean_square(expected), rel=0.09)
    assert np.std(np.array(found, dtype=float) / expected) < 0.2


def test_samples_that_stand_alone_vary_as_fresh_draws_do() -> None:
    # In 20 dimensions one sample carries each row: halving the variance of halves would give 0.8 of the truth.
    scored = normal_rows(50, 1, 20)
    scores = [brute_force(scored, normal_rows(1_000, seed, 20), 0.3).mean() for seed in range(1_000, 1_600)]
    found = [
        uncertainties_of(normal_rows(1_000, seed, 20), scored, sigma=0.3)["samples drawn"].value
        for seed in range(100, 124)
    ]
    # 600 draws know the truth to 3 %, 24 estimates of which each varies by 16 % their root mean square to 3 %.
    assert root_mean_square(found) == pytest.approx(np.std(scores), rel=0.1)


def test_the_choice_of_sigma_varies_where_two_sigmas_are_alike() -> None:
    samples, scored = normal_rows(400, 0), normal_rows(100, 1)
    few, many = (uncertainties_of(samples, scored, normal_rows(count, 2))["choice of sigma"] for count in (8, 5_000))
    assert few.value is not None
    assert few.value > 0
    assert many.value == 0
    assert "100% choose" in many.method


def test_the_choice_of_sigma_varies_as_that_of_fresh_rows() -> None:
    samples, scored, fresh = normal_rows(400, 0), normal_rows(6_000, 1), normal_rows(4_000, 2)
    found, truth = sigma_choices_against_fresh_rows(samples, scored, fresh, rows=100, estimates=12)
    # Plain resampling gives 1.5 times the truth. One ± varies by 40 %, 12 by 12 %.
    assert root_mean_square(found) == pytest.approx(truth, rel=0.25)


def test_validation_rows_of_another_kind_are_resampled_alone() -> None:
    samples, fresh = normal_rows(400, 0), normal_rows(4_000, 2)
    found, truth = sigma_choices_against_fresh_rows(samples, 0.8 * normal_rows(1_500, 1), fresh, rows=100, estimates=12)
    # Moved to the curve of these rows, the resamples would give 0.6 of the truth.
    assert root_mean_square(found) == pytest.approx(truth, rel=0.25)


def test_resampled_sigmas_are_those_of_plain_resampling() -> None:
    choice = choose_sigma(Window(normal_rows(200, 0)), normal_rows(12, 2))
    chosen = resampled_sigmas(choice, 0)
    rng = np.random.default_rng(0)
    assert choice.values is not None
    picks = rng.integers(0, 12, size=(4_000, 12))
    winners = choice.values.numpy()[:, picks].mean(axis=2).argmax(axis=0)
    for index, point in enumerate(choice.curve):
        # Shares of 1,000 and 4,000 draws differ by less than 0.08 at five standard errors.
        assert abs(chosen[point.sigma] / 1_000 - (winners == index).mean()) < 0.09
    assert chosen.total() == 1_000


def test_a_given_sigma_has_no_choice_to_vary() -> None:
    assert not resampled_sigmas(choose_sigma(Window(normal_rows(20, 0)), normal_rows(12, 2), sigma=0.3), 0)


def test_samples_that_choose_are_named_as_such() -> None:
    source = uncertainties_of(normal_rows(100, 0), normal_rows(50, 1))["choice of sigma"]
    assert "100 samples" in source.method


def test_the_interval_over_seeds_is_students() -> None:
    assert interval_of_mean([4.0]) is None
    expected = t.interval(0.95, 2, 2.0, 1 / math.sqrt(3))
    assert interval_of_mean([1.0, 2.0, 3.0]) == pytest.approx(expected)

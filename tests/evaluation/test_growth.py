"""The score over the number of samples, and what resampling says of it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from evaluation.oracle import brute_force

from gantool.evaluation.density import Choice, choose_sigma, silent
from gantool.evaluation.growth import Grouped, grouped_log_densities, sample_curve
from gantool.evaluation.result import Uncertainty
from gantool.evaluation.uncertainty import resampled_sigmas, uncertainties


def rows_of(count: int, seed: int, dimension: int = 4) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def grouped(samples: torch.Tensor, scored: torch.Tensor, *sigmas: float) -> Grouped:
    return grouped_log_densities(scored, samples, sigmas, seed=3, impl="auto", stage="", progress=silent)


@pytest.mark.parametrize("count", [1, 7, 20, 507])
def test_groups_add_up_to_all_samples(count: int) -> None:
    samples, scored = rows_of(count, 0), rows_of(60, 1)
    found = grouped(samples, scored, 0.5, 0.9)
    assert int(found.sizes.sum()) == count
    for sigma, row in zip((0.5, 0.9), found.total.numpy(), strict=True):
        np.testing.assert_allclose(row, brute_force(scored, samples, sigma), atol=1e-4)


def test_each_point_of_the_curve_is_the_score_of_so_many_samples() -> None:
    samples, scored = rows_of(507, 0), rows_of(60, 1)
    order = torch.randperm(507, generator=torch.Generator().manual_seed(3))
    curve = sample_curve(grouped(samples, scored, 0.5))
    assert [point.num_samples for point in curve] == [26, 52, 104, 156, 257, 357, 507]
    for point in curve:
        values = brute_force(scored, samples[order[: point.num_samples]], 0.5)
        assert point.log_likelihood == pytest.approx(values.mean(), abs=1e-4)
        assert point.standard_error == pytest.approx(values.std() / math.sqrt(60), abs=1e-4)


def test_few_samples_have_a_short_curve() -> None:
    assert [point.num_samples for point in sample_curve(grouped(rows_of(3, 0), rows_of(9, 1), 0.5))] == [1, 2, 3]


def named(samples: torch.Tensor, scored: torch.Tensor, selection: torch.Tensor | None) -> dict[str, Uncertainty]:
    choice = choose_sigma(samples, selection)
    chosen = resampled_sigmas(choice, 0)
    sigmas = [choice.sigma, *sorted(set(chosen) - {choice.sigma})]
    parts = grouped(samples, scored, *sigmas)
    at_sigma = dict(zip(sigmas, parts.total.mean(dim=1).tolist(), strict=True))
    return {source.name: source for source in uncertainties(parts, choice, chosen, at_sigma, 0)}


@pytest.fixture(scope="module")
def sources() -> dict[str, Uncertainty]:
    return named(rows_of(400, 0), rows_of(900, 1), rows_of(300, 2))


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


def test_halves_of_the_samples_tell_how_far_fresh_draws_move_the_score() -> None:
    scored = rows_of(500, 1)
    draws = [brute_force(scored, rows_of(400, seed), 0.5).mean() for seed in range(100, 140)]
    found = []
    for seed in range(200, 206):
        parts = grouped(rows_of(400, seed), scored, 0.5)
        _, _, source, *_ = uncertainties(parts, Choice(0.5, "given"), Counter(), {}, 0)
        assert source.name == "samples drawn"
        found.append(source.value)
    # Forty draws know their own spread to 11 %, and six estimates from 20 groups theirs to about 7 %.
    assert np.mean(found) == pytest.approx(np.std(draws), rel=0.4)


def test_the_choice_of_sigma_varies_where_two_sigmas_are_alike() -> None:
    samples, scored = rows_of(400, 0), rows_of(100, 1)
    few, many = (named(samples, scored, rows_of(count, 2))["choice of sigma"] for count in (8, 5_000))
    assert few.value is not None
    assert few.value > 0
    assert many.value == 0
    assert "100% choose" in many.method


def test_resampled_sigmas_are_those_of_plain_resampling() -> None:
    choice = choose_sigma(rows_of(200, 0), rows_of(12, 2))
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
    assert not resampled_sigmas(choose_sigma(rows_of(20, 0), rows_of(12, 2), sigma=0.3), 0)


def test_samples_that_choose_are_named_as_such() -> None:
    samples = rows_of(100, 0)
    source = named(samples, rows_of(50, 1), None)["choice of sigma"]
    assert "100 samples" in source.method

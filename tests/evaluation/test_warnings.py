"""Every warning is said where it must be, and not where all is well."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import multivariate_normal

from gantool.evaluation import warnings as checks


def uniform(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("chosen", "end"), [(0, "smallest"), (2, "largest")])
def test_a_best_sigma_at_an_end_of_the_grid(chosen: int, end: str) -> None:
    (said,) = checks.grid_end([0.1, 0.2, 0.4], chosen)
    assert end in said
    assert "--grid" in said
    assert checks.grid_end([0.1, 0.2, 0.4], 1) == []


def test_a_grid_of_one_sigma() -> None:
    (said,) = checks.grid_end([0.2], 0)
    assert "nothing was chosen" in said


@pytest.mark.parametrize(("count", "word"), [(9_999, "fewer"), (10_001, "more")])
def test_another_number_of_samples_than_the_protocols(count: int, word: str) -> None:
    (said,) = checks.sample_count(count)
    assert word in said
    assert "never compare two scores at different N" in said
    assert checks.sample_count(10_000) == []


def test_references_at_another_number_than_the_score() -> None:
    (said,) = checks.reference_counts(1_197, 598, 10_000)
    assert "1,197" in said
    assert "--num-samples 598" in said
    assert checks.reference_counts(500, 500, 500) == []


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(255.0, 0.0), (2.0, -1.0), (1 / 255, 0.0), (1.0, 3.0), (16.0, 0.0)],
    ids=["bytes", "tanh", "divided twice", "shifted", "sixteenths"],
)
def test_values_scaled_differently(scale: float, offset: float) -> None:
    data = uniform(100, 5, seed=1)
    (said,) = checks.scaling(uniform(100, 5) * scale + offset, "samples", data, "data")
    assert "scaled differently" in said


def test_values_of_one_scale() -> None:
    data = uniform(100, 5, seed=1)
    assert checks.scaling(uniform(100, 5), "samples", data, "data") == []
    assert checks.scaling(uniform(100, 5) * 0.8, "samples", data, "data") == []
    assert checks.scaling(uniform(100, 5) * 1.2 - 0.1, "samples", data, "data") == []


def test_equal_ranges_are_not_called_different_and_narrow_ones_are_told_apart() -> None:
    flat = torch.ones(3, 4)
    assert checks.scaling(flat, "samples", flat, "data") == []
    (said,) = checks.scaling(flat + torch.tensor([0.0, 0.0, 0.0, 1e-5]), "samples", flat, "data")
    assert "samples lie in [1, 1.00001] and the data in [1, 1]" in said


def test_repeated_samples() -> None:
    samples = uniform(100, 5)
    assert checks.duplicates(samples) == []
    samples[10:13] = samples[0]
    (said,) = checks.duplicates(samples)
    assert said.startswith("3 of the 100 samples repeat")


def test_equal_rows_have_equal_keys_whatever_the_sign_of_zero() -> None:
    rows = torch.tensor([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0]])
    keys = checks.row_keys(rows)
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_overlap_counts_the_rows_in_common() -> None:
    rows = uniform(20, 4)
    assert checks.overlap(rows[:10], rows[5:]) == 5
    assert checks.overlap(rows[:5], rows[5:]) == 0


def test_a_given_sigma_far_below_the_best() -> None:
    (said,) = checks.far_sigma(0.01, -256_075.0, 0.2, 230.0, 784)
    assert "SIGMA LOOKS WRONG" in said
    assert "-256,075.0" in said
    assert checks.far_sigma(0.19, 228.0, 0.2, 230.0, 784) == []
    # The same loss that is nothing in 784 dimensions is much in two.
    assert checks.far_sigma(0.19, -4.0, 0.2, -2.0, 2) != []


def test_a_given_sigma_that_cannot_be_checked() -> None:
    (said,) = checks.unsearched(0.2)
    assert "could not be checked" in said


def test_leave_one_out_is_said_and_copies_with_it() -> None:
    (said,) = checks.leave_one_out(500, 0)
    assert "the 500 samples" in said
    first, second = checks.leave_one_out(500, 20)
    assert "the 480 different samples" in first
    assert "Exact copies (20) were left out" in second


def test_round_gaussian_is_the_maximum_likelihood_one() -> None:
    samples, scored = uniform(3_000, 4), uniform(500, 4, seed=1)
    mean, variance = samples.double().mean(dim=0), samples.double().var(dim=0, correction=0).mean().item()
    expected = multivariate_normal(mean.numpy(), variance).logpdf(scored.double().numpy()).mean()
    assert checks.round_gaussian(samples, scored) == pytest.approx(expected, abs=1e-9)


def test_a_score_below_one_gaussians() -> None:
    samples, scored = uniform(300, 4), uniform(100, 4, seed=1)
    baseline = checks.round_gaussian(samples, scored)
    assert checks.below_gaussian(baseline + 1e-6, samples, scored) == []
    (said,) = checks.below_gaussian(baseline - 1.0, samples, scored)
    assert "one round Gaussian" in said


def test_samples_that_are_all_the_same_have_no_gaussian() -> None:
    assert checks.round_gaussian(torch.ones(10, 3), uniform(5, 3)) == -math.inf

"""The score over the number of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import brute_force

from gantool.evaluation.parzen.growth import Grouped, grouped_log_densities, sample_curve
from gantool.numerics.density import Window


def rows_of(count: int, seed: int, dimension: int = 4) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def grouped(samples: torch.Tensor, scored: torch.Tensor, *sigmas: float) -> Grouped:
    return grouped_log_densities(Window(samples), scored, sigmas, seed=3, stage="")


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
    assert [point.num_samples for point in curve] == [28, 56, 112, 168, 267, 363, 507]
    for point in curve:
        values = brute_force(scored, samples[order[: point.num_samples]], 0.5)
        assert point.log_likelihood == pytest.approx(values.mean(), abs=1e-4)
        assert point.standard_error == pytest.approx(values.std() / math.sqrt(60), abs=1e-4)


def test_few_samples_have_a_short_curve() -> None:
    assert [point.num_samples for point in sample_curve(grouped(rows_of(3, 0), rows_of(9, 1), 0.5))] == [1, 2, 3]

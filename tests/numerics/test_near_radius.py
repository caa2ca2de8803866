"""The radius of near-duplicates is made by rows that differ: exact twins among the data do not switch it off."""

from __future__ import annotations

import math

import pytest
import torch

from gantool.evaluation.diversity.copies import find_duplicates, find_memorisation
from gantool.numerics.neighbours import FALLBACK_RADIUS, near_radius, nearest_other
from gantool.training.record.health import distinct_rows


def rows(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("blanks", [0, 2, 25, 300])
def test_blank_rows_leave_the_radius_alone(blanks: int) -> None:
    plain = rows(1000, 0)
    expected = float(nearest_other(plain)[1].quantile(0.01))
    found = near_radius(nearest_other(torch.cat([plain, torch.zeros(blanks, 8)]))[1], 8)
    assert found == pytest.approx(expected, rel=1e-6)


def test_rows_that_are_all_alike_have_the_fixed_radius() -> None:
    assert near_radius(nearest_other(torch.ones(20, 8))[1], 8) == FALLBACK_RADIUS * math.sqrt(8)


def test_one_shape_is_one_shape_beside_data_with_twins() -> None:
    """Samples a hair's breadth apart: about one different row, whether or not some data occur twice."""
    samples = 0.5 + 1e-4 * rows(500, 1)
    for data in (rows(500, 0), torch.cat([rows(440, 0), rows(60, 0)])):
        found = find_duplicates(samples, data, seed=0)
        assert found.near_share == 1.0
        assert distinct_rows(samples, found.near_radius) == pytest.approx(1.0)


def test_near_copies_are_seen_where_held_out_rows_are_among_the_training_rows() -> None:
    training = rows(600, 0)
    held_out = torch.cat([training[:30], rows(270, 1)])
    assert find_memorisation(training[:200] + 1e-5, training, held_out, seed=0).close_share == 1.0

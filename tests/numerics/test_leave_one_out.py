"""Leave-one-out densities against float64 brute force, within blocks and across them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import brute_force_left_out

from gantool.numerics.leave_one_out import leave_one_out

SIGMAS = (0.1, 0.3, 1.0)


def gathered(samples: torch.Tensor, sigmas: tuple[float, ...] = SIGMAS) -> np.ndarray:
    return torch.cat(list(leave_one_out(samples)(torch.tensor(sigmas, dtype=torch.float64))), dim=1).numpy()


# One block; two blocks of one size; blocks of two sizes.
@pytest.mark.parametrize(("count", "dimension"), [(2, 3), (40, 3), (501, 3), (1_501, 3), (700, 16), (600, 784)])
def test_each_sample_under_all_others(count: int, dimension: int) -> None:
    samples = torch.rand(count, dimension, generator=torch.Generator().manual_seed(count)) + 5
    found = gathered(samples)
    for sigma, row in zip(SIGMAS, found, strict=True):
        bound = 2e-3 * max(1.0, (0.2 / sigma) ** 2)
        np.testing.assert_allclose(row, brute_force_left_out(samples, sigma), rtol=0, atol=bound)


def test_two_samples_are_one_gaussian_each() -> None:
    found = gathered(torch.tensor([[0.0], [2.0]]), (1.0,))
    np.testing.assert_allclose(found, [[-2 - 0.5 * np.log(2 * np.pi)] * 2], rtol=1e-12)


def test_a_sample_gains_nothing_from_itself() -> None:
    # Far apart, a sample under itself would score log(1/M) − log(σ√2π); under the others it is worth nothing.
    assert gathered(torch.tensor([[0.0], [1e3], [2e3]]), (1.0,)).max() < -1e5

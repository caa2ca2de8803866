"""Lloyd's iterations against plain float64 ones from the same start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from gantool.numerics.kmeans import lloyd
from gantool.progress import silent


def cloud(dimension: int, leading: int) -> torch.Tensor:
    """Gaussian rows around 3, turned at random: wide along `leading` axes, a thirtieth as wide along the others."""
    rng = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(dimension, dimension, generator=rng))
    rows = torch.randn(4_000, dimension, generator=rng)
    rows[:, leading:] /= 30
    return rows @ turn + 3


# A few leading axes rule most centroids out; with axes alike nothing is ruled out, and all distances are computed.
@pytest.mark.parametrize(("dimension", "leading"), [(2, 2), (40, 4), (40, 40)], ids=["plane", "flat", "round"])
def test_iterations_are_lloyds(dimension: int, leading: int) -> None:
    rows = cloud(dimension, leading)
    rows[:, 1] = 0.25 if dimension > 2 else rows[:, 1]  # a column that never varies
    start = lloyd(rows, 1_000, 0, 5, silent).double().numpy()
    assert {tuple(row) for row in start} <= {tuple(row) for row in rows.double().numpy()}
    values, centroids = rows.double().numpy(), start
    for _ in range(3):
        owner = cdist(values, centroids).argmin(axis=1)
        centroids = np.stack([values[owner == index].mean(axis=0) for index in range(1_000)])
    np.testing.assert_allclose(lloyd(rows, 1_000, 3, 5, silent).numpy(), centroids, atol=1e-5)


def test_another_seed_starts_elsewhere() -> None:
    rows = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(lloyd(rows, 5, 1, 0, silent), lloyd(rows, 5, 1, 1, silent))


def test_as_many_centroids_as_rows_are_the_rows() -> None:
    rows = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lloyd(rows, 20, 2, 0, silent).sort(dim=0).values, rows.sort(dim=0).values)


@pytest.mark.parametrize("unit", [2.0**80, 2.0**-90])
def test_the_unit_changes_nothing(unit: float) -> None:
    rows = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lloyd(rows * unit, 7, 3, 0, silent), lloyd(rows, 7, 3, 0, silent) * unit)

"""Lloyd's iterations against plain float64 ones from the same start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from gantool.evaluation.density import silent
from gantool.evaluation.kmeans import lloyd


def cloud(count: int, dimension: int, decay: float) -> torch.Tensor:
    """Gaussian rows whose axes shrink by `decay` from one to the next, turned at random, around 3."""
    rng = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(dimension, dimension, generator=rng))
    rows = torch.randn(count, dimension, generator=rng) * decay ** torch.arange(dimension)
    return rows @ turn + 3


# Few leading axes rule most centroids out; with axes alike nothing is ruled out, and all distances are computed.
@pytest.mark.parametrize(("dimension", "decay"), [(2, 1.0), (40, 0.8), (40, 1.0)], ids=["plane", "flat", "round"])
def test_iterations_are_lloyds(dimension: int, decay: float) -> None:
    rows = cloud(3_000, dimension, decay)
    rows[:, 1] = 0.25 if dimension > 2 else rows[:, 1]  # a column that never varies
    start = lloyd(rows, 400, 0, 5, silent).double().numpy()
    assert {tuple(row) for row in start} <= {tuple(row) for row in rows.double().numpy()}
    values, centroids = rows.double().numpy(), start
    for _ in range(3):
        owner = cdist(values, centroids).argmin(axis=1)
        centroids = np.stack([values[owner == index].mean(axis=0) for index in range(400)])
    np.testing.assert_allclose(lloyd(rows, 400, 3, 5, silent).numpy(), centroids, atol=1e-5)


def test_another_seed_starts_elsewhere() -> None:
    rows = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(lloyd(rows, 5, 1, 0, silent), lloyd(rows, 5, 1, 1, silent))


def test_as_many_centroids_as_rows_are_the_rows() -> None:
    rows = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lloyd(rows, 20, 2, 0, silent).sort(dim=0).values, rows.sort(dim=0).values)

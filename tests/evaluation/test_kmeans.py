"""Lloyd's iterations against plain float64 ones from the same start."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import cdist

from gantool.evaluation.density import silent
from gantool.evaluation.kmeans import lloyd


def test_iterations_are_lloyds() -> None:
    rows = torch.rand(3_000, 6, generator=torch.Generator().manual_seed(0)) + 3
    rows[:, 2] = 0.25  # a column that never varies is kept in the centroids
    start = lloyd(rows, 40, 0, 5, silent).double().numpy()
    assert {tuple(row) for row in start} <= {tuple(row) for row in rows.double().numpy()}
    values, centroids = rows.double().numpy(), start
    for _ in range(3):
        owner = cdist(values, centroids).argmin(axis=1)
        centroids = np.stack([values[owner == index].mean(axis=0) for index in range(40)])
    np.testing.assert_allclose(lloyd(rows, 40, 3, 5, silent).numpy(), centroids, atol=1e-6)


def test_another_seed_starts_elsewhere() -> None:
    rows = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(lloyd(rows, 5, 1, 0, silent), lloyd(rows, 5, 1, 1, silent))


def test_as_many_centroids_as_rows_are_the_rows() -> None:
    rows = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lloyd(rows, 20, 2, 0, silent).sort(dim=0).values, rows.sort(dim=0).values)

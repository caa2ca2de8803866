"""Lloyd's k-means in float32 (Lloyd 1982): one matrix product an iteration, its distances never held at once."""

from __future__ import annotations

import torch

from gantool.evaluation.density import Progress

# Elements of one tile of distances: 8 MB, so that its minimum is taken from the cache.
_TILE_ELEMENTS = 1 << 21


def lloyd(rows: torch.Tensor, clusters: int, iterations: int, seed: int, progress: Progress) -> torch.Tensor:
    """Centroids [K, D] of distinct rows [R, D], K at most R, from K random rows.

    A centroid that owns no row stays where it is. The distances leave out |row|², which moves no minimum.
    """
    rng = torch.Generator().manual_seed(seed)
    centroids = rows[torch.randperm(len(rows), generator=rng)[:clusters]].clone()
    # A column that never varies is at no distance from anything; MNIST has 67 of them.
    varying = rows.amin(dim=0) < rows.amax(dim=0)
    # The centre takes an offset out of the products, which would cancel digits in float32.
    centre = rows.mean(dim=0, dtype=torch.float64).float()
    stage = f"k-means: {clusters:,} centroids of {len(rows):,} rows, kept for the next time"
    chunk = max(1, _TILE_ELEMENTS // clusters)
    for iteration in range(iterations):
        points = (centroids - centre)[:, varying].T.contiguous()
        norms = points.square().sum(dim=0)
        sums, sizes = torch.zeros_like(centroids, dtype=torch.float64), torch.zeros(clusters, dtype=torch.float64)
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            owner = torch.addmm(norms, (part - centre)[:, varying], points, alpha=-2.0).argmin(dim=1)
            sums.index_add_(0, owner, part.double())
            sizes += owner.bincount(minlength=clusters)
            progress(stage, iteration * len(rows) + start, iterations * len(rows))
        owned = sizes > 0
        centroids[owned] = (sums[owned] / sizes[owned, None]).float()
    return centroids

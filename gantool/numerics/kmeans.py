"""Lloyd's k-means in float32 (Lloyd 1982), with most distances replaced by a bound that rules them out."""

from __future__ import annotations

import math

import torch

from gantool.progress import Progress

# Elements of one tile of distances: 8 MB, so that its minimum is taken from the cache.
_TILE_ELEMENTS = 1 << 21

# The bound uses the leading principal axes that hold this share of the variance: 87 of MNIST's 784. A larger share
# costs more products, a smaller one leaves more centroids to be looked at in full.
_SHARE = 0.9
_BASIS_ROWS = 10_000

# Above this share of pairs that the bound leaves, the full product is cheaper.
_LEFT = 0.005


def lloyd(rows: torch.Tensor, clusters: int, iterations: int, seed: int, progress: Progress) -> torch.Tensor:
    """Centroids [K, D] of distinct rows [R, D], K at most R, from K random rows.

    A centroid that owns no row stays where it is.
    """
    # In units of a power of two, which rounds nothing, so that no square overflows or vanishes.
    unit = 2.0 ** math.floor(math.log2(max(float(rows.abs().max()), torch.finfo(torch.float32).tiny)))
    rows = rows / unit
    rng = torch.Generator().manual_seed(seed)
    centroids = rows[torch.randperm(len(rows), generator=rng, device="cpu")[:clusters]].clone()
    # The centre takes an offset out of the products, which would cancel digits in float32.
    centre = rows.mean(dim=0, dtype=torch.float64).float()
    basis = _leading_axes(rows, centre)
    stage = f"k-means: {clusters:,} centroids of {len(rows):,} rows, kept for the next time"
    chunk = max(1, _TILE_ELEMENTS // clusters)
    for iteration in range(iterations):
        nearest = _Nearest(centroids - centre, basis)
        sums, sizes = (
            torch.zeros_like(centroids, dtype=torch.float64),
            torch.zeros(clusters, dtype=torch.float64, device="cpu"),
        )
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            owner = nearest.owners(part - centre)
            sums.index_add_(0, owner, part.double())
            sizes += owner.bincount(minlength=clusters)
            progress(stage, iteration * len(rows) + start, iterations * len(rows))
        owned = sizes > 0
        centroids[owned] = (sums[owned] / sizes[owned, None]).float()
    return centroids * unit


def _leading_axes(rows: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """Orthonormal columns [D, P] along which the first rows vary most."""
    sample = rows[:: max(1, len(rows) // _BASIS_ROWS)] - centre
    variances, axes = torch.linalg.eigh((sample.T @ sample).double())
    leading = variances.flip(0).clamp(min=0).cumsum(0)
    count = int((leading < _SHARE * leading[-1]).sum()) + 1
    kept: torch.Tensor = axes.flip(1)[:, :count].float()
    return kept.contiguous()


class _Nearest:
    """Finds the nearest of centred points [K, D].

    With x split into its coordinates u along the leading axes and the length r of the rest, |x − c|² is at least
    |u_x − u_c|² + (r_x − r_c)²: a distance in P + 1 dimensions. Only points whose bound is below the distance to the
    one with the least bound are looked at in full. Distances leave out |x|², which moves no minimum.
    """

    def __init__(self, points: torch.Tensor, basis: torch.Tensor) -> None:
        self.points, self.basis = points, basis
        self.norms = points.square().sum(dim=1)
        self.short = self._shorten(points, self.norms).T.contiguous()

    def _shorten(self, rows: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
        along = rows @ self.basis
        rest = (norms - along.square().sum(dim=1)).clamp_(min=0).sqrt()
        return torch.cat((along, rest[:, None]), dim=1)

    def owners(self, rows: torch.Tensor) -> torch.Tensor:
        """The index of the nearest point to each of the centred rows [n, D]: [n]."""
        norms = rows.square().sum(dim=1)
        bounds = torch.addmm(self.norms, self._shorten(rows, norms), self.short, alpha=-2.0)
        guess = bounds.argmin(dim=1)
        # Rounding must not rule out the nearest: 1e-5 of the squared lengths is a hundred times float32's.
        reach = self.norms[guess] - 2 * (rows * self.points[guess]).sum(dim=1) + 1e-5 * (norms + self.norms.max())
        row, point = (bounds <= reach[:, None]).nonzero(as_tuple=True)
        if len(row) > _LEFT * bounds.numel():
            return torch.addmm(self.norms, rows, self.points.T, alpha=-2.0).argmin(dim=1)
        full = self.norms[point] - 2 * (rows[row] * self.points[point]).sum(dim=1)
        least = torch.full_like(norms, torch.inf).scatter_reduce_(0, row, full, "amin")
        wins = full == least[row]
        return torch.full_like(guess, len(self.points)).scatter_reduce_(0, row[wins], point[wins], "amin")

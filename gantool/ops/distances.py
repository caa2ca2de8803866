"""Squared distances between queries and samples, a tile at a time, and what rounding may have cost them.

Three ways, each slower and surer than the one before: products in the data's own computing type, products in float64,
differences in float64. |q|² + |s|² − 2 q·s costs one matrix product, but cancels where norms are far larger than the
distance; `lost` names the queries for which it cancelled too much, and those go to the next way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor

# Elements in one distance tile: 4 MB of float32 on a CPU, where the tile should stay in the cache; 32 MB
# on an accelerator, where a small tile would leave it idle. A few such tiles live at once.
_CPU_TILE_ELEMENTS: Final = 1 << 20
_DEVICE_TILE_ELEMENTS: Final = 1 << 23
_SAMPLE_ROWS: Final = 2048
_KEPT_ELEMENTS: Final = 1 << 24
_CENTRE_GROUPS: Final = 8
# What a squared distance may err by: 2e-3·(0.2/σ)² nats at every σ, and 1e-9 nats where the data are float64.
_ALLOWED: Final = 1.6e-4
_ALLOWED_NATS64: Final = 1e-9
# Bandwidths whose rates, times float32 distances, stay within float32.
_ORDINARY: Final = (1e-15, 1e13)


class Rows(NamedTuple):
    """Centred rows [n, D] in the computing type, their squared norms [n], and the rows as they came."""

    values: Tensor
    norms: Tensor
    given: Tensor


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type that densities are returned in, and that the first way computes distances in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


class Distances:
    """Squared distances as |q|² + |s|² − 2 q·s in `dtype`; queries [N, D], samples [M, D].

    Both sides lose a common centre, which costs nothing and removes an offset that they share. It is, column by column,
    the lower median of the means of eight interleaved groups of samples: no few far samples drag it away.
    """

    def __init__(self, queries: Tensor, samples: Tensor, dtype: torch.dtype) -> None:
        self.queries, self.samples, self.dtype = queries, samples, dtype
        groups = [samples[first::_CENTRE_GROUPS] for first in range(min(_CENTRE_GROUPS, samples.shape[0]))]
        means = torch.stack([group.mean(dim=0, dtype=dtype) for group in groups])
        middle = means.nanmedian(dim=0).values
        self.centre = middle.masked_fill(~middle.isfinite(), 0.0)
        self.largest = queries.new_zeros((), dtype=torch.float64)  # norm of a sample seen so far
        self._kept: list[tuple[slice, Rows]] = []
        tile = _CPU_TILE_ELEMENTS if queries.device.type == "cpu" else _DEVICE_TILE_ELEMENTS
        # A wide row must not let the centred copies outgrow the tile.
        rows = max(1, 2 * tile // max(1, queries.shape[1]))
        self.sample_rows = min(_SAMPLE_ROWS, rows)
        self.query_rows = min(tile // _SAMPLE_ROWS, rows)
        # Queries whose distances to every sample are held at once, where a sum over samples must come first.
        self.whole_rows = max(1, min(2 * tile // samples.shape[0], rows))

    def query_chunks(self, size: int) -> Iterator[tuple[slice, Rows]]:
        """Slices of the queries, each with its centred rows."""
        return self._chunks(self.queries, size)

    def sample_chunks(self) -> Iterable[tuple[slice, Rows]]:
        """Slices of the samples, each with its centred rows: made once where they are small enough to keep."""
        if self.samples.numel() > _KEPT_ELEMENTS:
            return self._sample_chunks()
        if not self._kept:
            self._kept = list(self._sample_chunks())
        return self._kept

    def _sample_chunks(self) -> Iterator[tuple[slice, Rows]]:
        for part, rows in self._chunks(self.samples, self.sample_rows):
            finite = rows.norms.masked_fill(~rows.norms.isfinite(), 0.0)
            self.largest = torch.maximum(self.largest, finite.max().double())
            yield part, rows

    def _chunks(self, rows: Tensor, size: int) -> Iterator[tuple[slice, Rows]]:
        for start in range(0, rows.shape[0], size):
            part = slice(start, min(start + size, rows.shape[0]))
            values = rows[part].to(self.dtype) - self.centre
            norms = values.square().sum(dim=1)
            # A row beyond the type's range is far from everything; its product would be inf − inf = NaN.
            yield part, Rows(values.masked_fill_(norms.isinf()[:, None], 0.0), norms, rows[part])

    def tile(self, query: Rows, sample: Rows) -> Tensor:
        """Squared distances [n, m], within [0, largest finite]: rounding can take a tiny one below 0."""
        product = torch.addmm(sample.norms, query.values, sample.values.T, alpha=-2.0)
        product += query.norms[:, None]
        return product.clamp_(0.0, torch.finfo(product.dtype).max)

    def lost(self, norms: Tensor, least: Tensor, sigmas: Tensor) -> Tensor:
        """Which of n queries lost too many digits, by their norms and least distances [n] over all samples.

        The product errs by at most (3 + 4/√D)·u·(|q|² + |s|²), u half a unit in the last place of 1: above all that was
        measured on uniform, normal, log-normal and stroke-like data of 1 to 3,072 columns. Samples further than the
        nearest by 40 nats do not count; the others lie within `reach` of the centre.
        """
        sigma = sigmas.detach().double()[:, None]
        norms, least = norms.double(), least.double()
        reach = norms.sqrt() + (least + 80.0 * sigma.square()).sqrt()
        unit = torch.finfo(self.dtype).eps / 2
        share = (3.0 + 4.0 / math.sqrt(max(1, self.queries.shape[1]))) * unit
        error = share * (norms + reach.square().clamp(max=self.largest)) + 4 * torch.finfo(self.dtype).tiny
        if compute_dtype(self.queries.dtype) == torch.float64:
            return (error > 2 * _ALLOWED_NATS64 * sigma.square()).any(dim=0)
        extreme = (sigma < _ORDINARY[0]) | (sigma > _ORDINARY[1]) if self.dtype == torch.float32 else sigma < 0
        return ((error > _ALLOWED) | extreme).any(dim=0)

    def coarse(self, norms: Tensor, sigmas: Tensor) -> bool:
        """Whether differences of centred rows, as gradients take them, err by more than 1e-5 of a bandwidth."""
        if not sigmas.numel() or not norms.numel():
            return False
        longest = torch.maximum(norms.double().max(), self.largest).sqrt()
        return bool(torch.finfo(self.dtype).eps / 2 * longest > 1e-5 * sigmas.detach().double().min())


class Differences(Distances):
    """The last way: Σ (q − s)² in float64 from the rows as they came. Nothing cancels."""

    def tile(self, query: Rows, sample: Rows) -> Tensor:
        pairs = query.given.double(), sample.given.double()
        distance = torch.cdist(*pairs, compute_mode="donot_use_mm_for_euclid_dist")
        return distance.square_().clamp_(max=torch.finfo(torch.float64).max)

    def lost(self, norms: Tensor, least: Tensor, sigmas: Tensor) -> Tensor:
        return torch.zeros_like(norms, dtype=torch.bool)

    def coarse(self, norms: Tensor, sigmas: Tensor) -> bool:
        return False


def ways(queries: Tensor, samples: Tensor) -> Iterator[Distances]:
    """The ways in their order, each made when it is asked for."""
    own = compute_dtype(queries.dtype)
    yield Distances(queries, samples, own)
    if own != torch.float64:
        yield Distances(queries, samples, torch.float64)
    yield Differences(queries, samples, torch.float64)

"""Derivatives of the Parzen log-density beyond the gradient: along a direction, and of the gradient itself.

In plain torch, float64 and bounded memory. With d_ij = ‖q_i − s_j‖², w_sij = softmax_j(−d_ij / 2σ_s²) and a direction
(q̇, ṡ, σ̇), exponents move by e_sij = d_ij·σ̇_s/σ_s³ − (q_i − s_j)·(q̇_i − ṡ_j)/σ_s², and the log-density by

    ℓ̇_si = Σ_j w_sij e_sij − D·σ̇_s/σ_s.

The gradient of Σ g·ℓ̇ in queries, samples and sigmas is the Hessian of Σ g·ℓ times the direction: it serves reverse
over reverse mode and forward over reverse mode alike. Everything here can be differentiated again, by torch itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor

from gantool.ops.distances import compute_dtype

_TILE_ELEMENTS: Final = 1 << 20  # of [S, queries, M] in float64, a few of which live at once
_FARTHEST: Final = 1e100  # a squared distance whose weight is 0 beside any other; infinite ones would give 0 · ∞


class Direction(NamedTuple):
    """How queries [N, D], samples [M, D] and sigmas [S] move; None where they stand."""

    queries: Tensor | None
    samples: Tensor | None
    sigmas: Tensor | None


class _Tile(NamedTuple):
    """Some queries against all samples: weights and exponents' changes [S, n, M], then [n, M]."""

    weights: Tensor
    changes: Tensor
    squared: Tensor
    along: Tensor  # (q − s)·(q̇ − ṡ)


class _Moving:
    """The tensors and their direction in float64, centred so that an offset which all share costs no digits."""

    def __init__(self, queries: Tensor, samples: Tensor, sigmas: Tensor, direction: Direction) -> None:
        infinite = samples.isinf().any(dim=1, keepdim=True)
        finite = samples.double().masked_fill(infinite, 0.0)
        centre = finite.detach().mean(dim=0)
        self.queries, self.samples, self.sigmas = queries.double() - centre, finite - centre, sigmas.double()
        self.absent = infinite.T
        own = zip((queries, samples, sigmas), direction, strict=True)
        moves = [torch.zeros_like(t, dtype=torch.float64) if move is None else move.double() for t, move in own]
        self.d_queries, self.d_samples, self.d_sigmas = moves
        self.shrink = self.d_sigmas / self.sigmas  # σ̇/σ

    def tiles(self) -> Iterator[tuple[slice, _Tile]]:
        """Slices of the queries; one without rows where there are none."""
        total = len(self.queries)
        rows = max(1, _TILE_ELEMENTS // max(1, len(self.samples) * len(self.sigmas)))
        for start in range(0, max(total, 1), rows):
            part = slice(start, min(start + rows, total))
            yield part, self._tile(self.queries[part], self.d_queries[part])

    def _tile(self, q: Tensor, d_q: Tensor) -> _Tile:
        s, d_s, sigma = self.samples, self.d_samples, self.sigmas[:, None, None]
        squared = q.square().sum(dim=1)[:, None] + s.square().sum(dim=1) - 2 * q @ s.T
        squared = squared.clamp(0.0, _FARTHEST).masked_fill(self.absent, _FARTHEST)
        along = (q * d_q).sum(dim=1)[:, None] + (s * d_s).sum(dim=1) - q @ d_s.T - d_q @ s.T
        weights = torch.softmax(-0.5 * squared / sigma**2, dim=2)
        changes = (squared * self.shrink[:, None, None] - along) / sigma**2
        return _Tile(weights, changes, squared, along)


def along(queries: Tensor, samples: Tensor, sigmas: Tensor, direction: Direction) -> Tensor:
    """The derivative of the log-density [S, N] along a direction."""
    moving = _Moving(queries, samples, sigmas, direction)
    parts = [(tile.weights * tile.changes).sum(dim=2) for _, tile in moving.tiles()]
    return (torch.cat(parts, dim=1) - queries.shape[1] * moving.shrink[:, None]).to(compute_dtype(queries.dtype))


def hessian_product(
    grad: Tensor, queries: Tensor, samples: Tensor, sigmas: Tensor, direction: Direction
) -> tuple[Tensor, Tensor, Tensor]:
    """The Hessian of `sum(grad · log_density)` times a direction: its parts in queries, samples and sigmas."""
    moving = _Moving(queries, samples, sigmas, direction)
    sigma, grad = moving.sigmas, grad.double()
    for_queries: list[Tensor] = []
    for_samples = torch.zeros_like(moving.samples)
    for_sigmas = queries.shape[1] * grad.sum(dim=1) * moving.shrink / sigma
    for part, tile in moving.tiles():
        mean = (tile.weights * tile.changes).sum(dim=2, keepdim=True)
        share = tile.weights * grad[:, part, None]
        spread = share * (tile.changes - mean)
        # Coefficients of q − s and of q̇ − ṡ, bandwidths summed.
        pull = torch.einsum("snm,s->nm", 2 * moving.shrink[:, None, None] * share - spread, sigma**-2)
        drag = -torch.einsum("snm,s->nm", share, sigma**-2)
        q, d_q, s, d_s = moving.queries[part], moving.d_queries[part], moving.samples, moving.d_samples
        for_queries.append(_differences(pull, q, s) + _differences(drag, d_q, d_s))
        for_samples = for_samples + _differences(pull.T, s, q) + _differences(drag.T, d_s, d_q)
        widths = spread * tile.squared + share * (2 * tile.along - 3 * tile.squared * moving.shrink[:, None, None])
        for_sigmas = for_sigmas + widths.sum(dim=(1, 2)) / sigma**3
    return torch.cat(for_queries).to(queries.dtype), for_samples.to(samples.dtype), for_sigmas.to(sigmas.dtype)


def _differences(coefficients: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    """Σ_j c_ij (rows_i − others_j)."""
    return coefficients.sum(dim=1, keepdim=True) * rows - coefficients @ others

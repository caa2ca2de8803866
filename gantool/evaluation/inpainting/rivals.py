"""What missing values can be filled in with without a model: the training mean, and the rows that fit what is known."""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 20
_ROWS_AT_ONCE = 512


def mean_fill(rows: Tensor, known: Tensor, train: Tensor) -> Tensor:
    """Rows [N, D] with the training mean where they are not `known` [N, D] bool."""
    return torch.where(known, rows, train.mean(dim=0, dtype=torch.float64).to(rows.dtype))


def neighbour_draws(rows: Tensor, known: Tensor, train: Tensor, count: int = NEIGHBOURS) -> Tensor:
    """Rows filled in from the training rows [M, D] that are nearest by what is known, nearest first: [count, N, D].

    ‖q − x‖² over known values is Σ k·q² − 2 (k·q)·x + k·x²: two products in float32, whose rounding may swap
    neighbours that are equally far.
    """
    squares, found = train.square().T.contiguous(), []
    for part, mask in zip(torch.split(rows, _ROWS_AT_ONCE), torch.split(known, _ROWS_AT_ONCE), strict=True):
        weight = mask.to(part.dtype)
        distances = weight @ squares - 2.0 * (weight * part) @ train.T
        found.append(distances.topk(count, dim=1, largest=False).indices)
    nearest = torch.cat(found)
    return torch.stack([torch.where(known, rows, train[nearest[:, place]]) for place in range(count)])

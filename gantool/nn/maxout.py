"""The maxout layer (Goodfellow et al. 2013): the largest of several affine pieces."""

from __future__ import annotations

import torch
from torch import nn

from gantool.ops import Impl, maxout


class Maxout(nn.Module):
    """y[b, u] = max_p (x[b]·weight[u, p] + bias[u, p]).

    x is [B, in_features], y is [B, units]. Parameters: weight [units, pieces, in_features] and bias [units, pieces],
    drawn from U(−init_range, init_range) and set to zero. As with torch's own layers, torch's default generator, device
    and dtype stand in for an `rng`, `device` or `dtype` that is not given. `impl` is `auto`, `native` or `reference`,
    as in :func:`gantool.ops.maxout`.
    """

    def __init__(
        self,
        in_features: int,
        units: int,
        pieces: int,
        *,
        init_range: float = 0.005,
        rng: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        impl: Impl = "auto",
    ) -> None:
        super().__init__()
        self.in_features, self.units, self.pieces, self.impl = in_features, units, pieces, impl
        weight = torch.empty(units, pieces, in_features, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight.uniform_(-init_range, init_range, generator=rng))
        self.bias = nn.Parameter(torch.zeros(units, pieces, device=device, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return maxout(x, self.weight, self.bias, impl=self.impl)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.units}, pieces={self.pieces}, impl={self.impl!r}"

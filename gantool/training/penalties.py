"""What is added to the discriminator's loss to keep it smooth: norms of its gradient by its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gantool.config import PenaltyConfig


@dataclass(frozen=True)
class Judged:
    """What a penalty is of: `real` and `fake` are rows [B, D], of which `judge` judges `pack` at once."""

    judge: Callable[[Tensor], Tensor]
    real: Tensor
    fake: Tensor
    rng: torch.Generator
    pack: int = 1

    def slopes(self, rows: Tensor) -> Tensor:
        """The gradient of each judgement by the rows that it is of, [B/pack, pack·D], itself differentiable."""
        inputs = rows.detach().requires_grad_()
        judged = self.judge(inputs)
        (gradient,) = torch.autograd.grad(judged.sum(), inputs, create_graph=True)
        return gradient.view(len(judged), -1)


def _between(config: PenaltyConfig, judged: Judged) -> Tensor:
    real, fake, pack = judged.real, judged.fake, judged.pack
    share = torch.rand(len(real) // pack, 1, dtype=real.dtype, device=real.device, generator=judged.rng)
    slopes = judged.slopes(torch.lerp(fake, real, share.repeat_interleave(pack, dim=0)))
    squares: Tensor = (torch.linalg.vector_norm(slopes, dim=1) - 1).square()
    return config.weight * squares.mean()


def _on(*parts: str) -> Callable[[PenaltyConfig, Judged], Tensor]:
    def penalty(config: PenaltyConfig, judged: Judged) -> Tensor:
        squares = [judged.slopes(getattr(judged, part)).square().sum(dim=1).mean() for part in parts]
        return (0.5 * config.weight) * torch.stack(squares).sum()

    return penalty


# Each kind of `objective.penalty` that is added to the loss → a scalar that can be differentiated.
PENALTIES: dict[str, Callable[[PenaltyConfig, Judged], Tensor]] = {
    "gradient": _between,
    "r1": _on("real"),
    "r2": _on("fake"),
    "r1+r2": _on("real", "fake"),
}


def penalty(config: PenaltyConfig, judged: Judged) -> Tensor | float:
    """The penalty that the configuration names; 0.0 where it adds nothing to the loss."""
    found = PENALTIES.get(config.kind)
    return found(config, judged) if found else 0.0

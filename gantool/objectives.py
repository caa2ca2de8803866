"""The objectives of the game, one small class each.

Every loss is written on logits: with D = sigmoid(l), −log D = softplus(−l) and −log(1 − D) = softplus(l), exact where a
probability would round to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn.functional import softplus

from gantool.config import ObjectiveConfig


class Objective(Protocol):
    """Two scalar losses to descend, from the logits of one batch each ([B])."""

    def discriminator_loss(self, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor: ...

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor: ...


class _LogLoss:
    """The discriminator's half of the paper's game, shared by the three generator objectives."""

    def discriminator_loss(self, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
        """0.5·[BCE(1, D(x)) + BCE(0, D(G(z)))] = −V/2, with the half of the released configuration."""
        return 0.5 * (softplus(-real_logits).mean() + softplus(fake_logits).mean())


class NonSaturating(_LogLoss):
    """Ascend mean log D(G(z)): the objective used in practice."""

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor:
        return softplus(-fake_logits).mean()


class Minimax(_LogLoss):
    """Descend mean log(1 − D(G(z))): the objective of the theory."""

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor:
        return -softplus(fake_logits).mean()


@dataclass(frozen=True)
class Blend(_LogLoss):
    """A weighted sum of the non-saturating and the minimax objective."""

    non_saturating: float
    minimax: float

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor:
        saturating = -softplus(fake_logits).mean()
        return self.minimax * saturating + self.non_saturating * softplus(-fake_logits).mean()


# Each name that `objective.name` may have → the objective, from the table [objective].
OBJECTIVES: dict[str, Callable[[ObjectiveConfig], Objective]] = {
    "non-saturating": lambda config: NonSaturating(),
    "minimax": lambda config: Minimax(),
    "blend": lambda config: Blend(*config.blend),
}


def build_objective(config: ObjectiveConfig) -> Objective:
    """The objective that `objective.name` names."""
    return OBJECTIVES[config.name](config)


def game_value(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """V(D, G) = mean log D(x) + mean log(1 − D(G(z))), in nats; −log 4 at the equilibrium D = 1/2."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()

"""The objectives of the game, one small class each.

Every loss is written on logits: with D = sigmoid(l), −log D = softplus(−l) and −log(1 − D) = softplus(l), exact where a
probability would round to 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn.functional import softplus

from gantool.config import TrainingConfig


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
    """minimax_share of the minimax objective and the rest of the non-saturating one."""

    minimax_share: float

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor:
        saturating = -softplus(fake_logits).mean()
        return self.minimax_share * saturating + (1.0 - self.minimax_share) * softplus(-fake_logits).mean()


def build_objective(training: TrainingConfig) -> Objective:
    """The objective that `training.objective` names."""
    objectives: dict[str, Objective] = {
        "non-saturating": NonSaturating(),
        "minimax": Minimax(),
        "blend": Blend(training.blend),
    }
    return objectives[training.objective]


def game_value(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """V(D, G) = mean log D(x) + mean log(1 − D(G(z))), in nats; −log 4 at the equilibrium D = 1/2."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()

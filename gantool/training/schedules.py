"""How the learning rate and the momentum change over a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gantool.config import OptimizerConfig, PlayerOptimizer


@dataclass(frozen=True)
class Rate:
    """What one update of a player uses."""

    learning_rate: float
    momentum: float

    def tensor(self, device: torch.device) -> torch.Tensor:
        """[2] in float64 on the device. Filled there, since a copy from host memory that is not pinned would wait."""
        rate = torch.empty(2, dtype=torch.float64, device=device)
        rate[0], rate[1] = self.learning_rate, self.momentum
        return rate


@dataclass(frozen=True)
class Rates:
    """What one iteration uses for each player."""

    generator: Rate
    discriminator: Rate

    def values(self) -> list[list[float]]:
        """[2, 2]: generator and discriminator; learning rate and momentum."""
        return [[rate.learning_rate, rate.momentum] for rate in (self.generator, self.discriminator)]

    def tensor(self, device: torch.device) -> torch.Tensor:
        """The values in float64 on the device."""
        return torch.stack([self.generator.tensor(device), self.discriminator.tensor(device)])


def rates_at(optimizer: OptimizerConfig, step: int, epoch: int) -> Rates:
    """The rates of iteration `step` (from 0) in `epoch` (from 1)."""
    return Rates(*(_rate_at(optimizer.of(player), step, epoch) for player in ("generator", "discriminator")))


def _rate_at(optimizer: PlayerOptimizer, step: int, epoch: int) -> Rate:
    """lr = max(lr_0 / decay^step, least), or falls by epochs from lr_0 to 0. μ rises linearly from its first value in
    epoch 1 to its last in epoch `momentum_saturates`, and stays there (the released configuration's ExponentialDecay
    and MomentumAdjustor).
    """
    learning_rate = optimizer.learning_rate
    if optimizer.schedule == "linear":
        span = optimizer.linear_to - optimizer.linear_from
        learning_rate *= min(max((optimizer.linear_to - epoch + 1) / (span + 1), 0.0), 1.0)
    else:
        learning_rate /= optimizer.decay**step
    learning_rate = max(learning_rate, optimizer.min_learning_rate)
    span = max(optimizer.momentum_saturates - 1, 1)
    progress = min((epoch - 1) / span, 1.0)
    momentum = optimizer.momentum + progress * (optimizer.final_momentum - optimizer.momentum)
    return Rate(learning_rate, momentum)

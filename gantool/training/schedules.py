"""How the learning rate and the momentum change over a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gantool.config import OptimizerConfig


@dataclass(frozen=True)
class Rates:
    """What one update uses."""

    learning_rate: float
    momentum: float

    def tensor(self, device: torch.device) -> torch.Tensor:
        """[2] in float64 on the device: (learning rate, momentum). Filled there, since a copy from host memory that is
        not pinned would wait for the device."""
        rates = torch.empty(2, dtype=torch.float64, device=device)
        rates[0], rates[1] = self.learning_rate, self.momentum
        return rates


def rates_at(optimizer: OptimizerConfig, step: int, epoch: int) -> Rates:
    """The rates of update `step` (from 0) in `epoch` (from 1).

    lr = max(lr_0 / decay^step, least); μ rises linearly from its first value in epoch 1 to its last in epoch
    `momentum_saturates`, and stays there (the released configuration's ExponentialDecay and MomentumAdjustor).
    """
    learning_rate = max(optimizer.learning_rate / optimizer.decay**step, optimizer.min_learning_rate)
    span = max(optimizer.momentum_saturates - 1, 1)
    progress = min((epoch - 1) / span, 1.0)
    momentum = optimizer.momentum + progress * (optimizer.final_momentum - optimizer.momentum)
    return Rates(learning_rate, momentum)

"""A running average of a network's weights, to draw samples from or to classify by: not the paper's, and off unless
asked for.

w̄ ← d·w̄ + (1 − d)·w with d = min(decay, (1 + t)/(3 + t)) at iteration t: until the decay is reached, the average is over
about the last half of the run, and the first weights are forgotten as it grows (Shamir and Zhang 2013).
Averaging evens out the steps that the game goes on making around a place where it would rest (Polyak and Juditsky 1992;
for GANs Yazıcı et al. 2019).
"""

from __future__ import annotations

import copy

import torch
from torch import nn

# Taken every so many iterations, with the decay of as many: the average is then a hundredth of a step's work.
INTERVAL = 10


class WeightAverage:
    """`network` holds the average, and is never trained."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._averages: list[torch.Tensor] = list(self.network.parameters())
        self._trained = network

    def see(self, step: int) -> None:
        """Takes in the weights after iteration `step` (from 1), at every tenth."""
        if step % INTERVAL == 0:
            decay = min(self.decay, (1 + step) / (3 + step)) ** INTERVAL
            weights = [parameter.detach() for parameter in self._trained.parameters()]
            torch._foreach_lerp_(self._averages, weights, 1.0 - decay)
            for kept, buffer in zip(self.network.buffers(), self._trained.buffers(), strict=True):
                kept.copy_(buffer)  # such as running means: they are averages already

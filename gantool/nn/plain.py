"""Layers without weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from gantool.config.layers import GaussianNoiseConfig, PoolConfig, ReshapeConfig, Shape


class Reshape(nn.Module):
    """[B, …] → [B, *shape]."""

    def __init__(self, config: ReshapeConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        super().__init__()
        self.shape = outputs

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return x.view(len(x), *self.shape)


class Pool(nn.Module):
    """The largest value or the mean of each window; a window that reaches over the edge counts what it covers."""

    def __init__(self, config: PoolConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        super().__init__()
        self.inputs, self.size, self.stride = inputs, config.size, config.stride
        self.function = max_pool2d if config.mode == "max" else avg_pool2d

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        image = x.view(len(x), *self.inputs)
        pooled: Tensor = self.function(image, self.size, self.stride, ceil_mode=True)
        return pooled


class GaussianNoise(nn.Module):
    """x + N(0, std²) in training, from the `rng` given to forward; x in evaluation."""

    def __init__(self, config: GaussianNoiseConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        super().__init__()
        self.std = config.std

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        if not self.training or self.std == 0.0:
            return x
        return x + self.std * torch.empty_like(x).normal_(generator=rng)

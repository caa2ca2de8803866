"""A fully connected layer with an activation, and what it shares with a maxout layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from gantool.config.layers import DenseConfig, MaxoutConfig, Shape
from gantool.nn.dropout import ScaledDropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": lambda x: x,
    "maxout": lambda x: x,
}


@dataclass(frozen=True)
class DenseParts:
    """A fully connected layer taken apart, for an engine that writes its passes out.

    The weight is [units, in], or [units, pieces, in] where the layer is maxout.
    """

    dropout: ScaledDropout | None
    weight: nn.Parameter
    bias: nn.Parameter
    activation: str


class FullyConnected(nn.Module):
    """Dropout on the inputs, an affine map (or maxout), an activation: [B, …] → [B, units]."""

    def __init__(self, config: DenseConfig | MaxoutConfig, affine: nn.Module) -> None:
        super().__init__()
        drops = config.keep < 1.0 or config.keep_scale != 1.0
        self.dropout = ScaledDropout(config.keep, config.keep_scale) if drops else None
        self.affine = affine
        if config.bias != "data-logit":
            with torch.no_grad():
                self.affine.bias.fill_(config.bias)  # type: ignore[operator]
        self.activation = config.kind

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return ACTIVATIONS[self.activation](self.preactivation(x, rng))

    def preactivation(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What enters the activation; for maxout, the maximum itself."""
        x = x.flatten(1)
        if self.dropout is not None:
            x = self.dropout(x, rng)
        return self.affine(x)  # type: ignore[no-any-return]

    def dense_parts(self) -> DenseParts:
        return DenseParts(self.dropout, self.affine.weight, self.affine.bias, self.activation)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class Dense(FullyConnected):
    """act(W x + b)."""

    def __init__(self, config: DenseConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        # Torch would draw weights from its default generator, for nothing.
        affine: nn.Linear = skip_init(  # type: ignore[no-untyped-call]
            nn.Linear, math.prod(inputs), math.prod(outputs), device="cpu", dtype=torch.float32
        )
        with torch.no_grad():
            affine.weight.uniform_(-config.init_range, config.init_range, generator=rng)
            affine.bias.zero_()
        super().__init__(config, affine)

"""Fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize, skip_init

from gantool.config.layers import DenseConfig, MaxoutConfig, Shape
from gantool.nn.dropout import ScaledDropout
from gantool.nn.maxout import Maxout
from gantool.nn.weighted import Weighted

# The activations whose derivative a written-out pass knows.
WRITTEN = ("relu", "sigmoid", "tanh", "linear", "maxout")


@dataclass(frozen=True)
class DenseParts:
    """A fully connected layer taken apart, for an engine that writes its passes out.

    The weight is [units, in], or [units, pieces, in] where the layer is maxout.
    """

    dropout: ScaledDropout | None
    weight: nn.Parameter
    bias: nn.Parameter
    activation: str


class FullyConnected(Weighted):
    """A layer that each input reaches each unit of."""

    def dense_parts(self) -> DenseParts | None:
        """The layer taken apart; None where it has more, or less, than a weight, a bias and a common activation."""
        plain = self.norm is None and not parametrize.is_parametrized(self.affine)
        if not plain or self.affine.bias is None or self.activation not in WRITTEN:
            return None
        weight, bias = cast(nn.Parameter, self.affine.weight), cast(nn.Parameter, self.affine.bias)
        return DenseParts(self.dropout, weight, bias, self.activation)


class Dense(FullyConnected):
    """act(W x + b)."""

    def __init__(self, config: DenseConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        # Torch would draw weights from its default generator, for nothing.
        affine: nn.Linear = skip_init(  # type: ignore[no-untyped-call]
            nn.Linear,
            math.prod(inputs),
            math.prod(outputs),
            bias=config.bias != "none",
            device="cpu",
            dtype=torch.float32,
        )
        super().__init__(config, affine, outputs, config.kind, rng, config.slope)


class MaxoutLayer(FullyConnected):
    """max_p (W_p x + b_p), as a layer of a configured network."""

    def __init__(self, config: MaxoutConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        sizes = math.prod(inputs), math.prod(outputs), config.pieces
        # From a generator of its own: the weights are drawn by Weighted.
        affine = Maxout(*sizes, rng=torch.Generator(), device="cpu", dtype=torch.float32)
        super().__init__(config, affine, outputs, config.kind, rng, 0.0)

"""Networks: stacks of layers, built from their configuration."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gantool.config import NetworkConfig
from gantool.config.layers import Shape
from gantool.errors import UsageError
from gantool.nn import MODULES
from gantool.nn.dense import DenseParts, FullyConnected


class Stack(nn.Module):
    """Layers, one after the other. `layers` are called as layer(x, rng), the rng being for what they draw."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def dense_layers(self) -> list[DenseParts] | None:
        """The layers taken apart, where all of them are fully connected and plain; else None."""
        parts = [layer.dense_parts() if isinstance(layer, FullyConnected) else None for layer in self.layers]
        return None if None in parts else [part for part in parts if part]

    @property
    def mixes_rows(self) -> bool:
        """Whether a row's result depends on the other rows of its batch: batch norm, in training."""
        return any(getattr(layer, "norm", None) is not None for layer in self.layers)


class Generator(Stack):
    """z [B, Z] → x [B, D], in the units that the networks see: the data's own, or 2x − 1 where it is `symmetric`."""

    symmetric = False

    def to_data(self, rows: Tensor) -> Tensor:
        """Rows in the data's own units."""
        return (rows + 1) / 2 if self.symmetric else rows

    def forward(self, z: Tensor, rng: torch.Generator | None = None) -> Tensor:
        for layer in self.layers:
            z = layer(z, rng)
        return z.flatten(1)


class Discriminator(Stack):
    """x [B, D] → the logit of D(x), [B]; with a `pack` of m, that of m rows at once, [B/m].

    The logit, not the probability: log D and log(1 − D) are then softplus functions, which neither overflow nor lose
    the digits that a probability near 0 or 1 has lost.
    """

    pack = 1

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        hidden = self._hidden(x, rng)
        return cast(Any, self.layers[-1]).preactivation(hidden, rng).squeeze(1)  # type: ignore[no-any-return]

    def features(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """x [B, D] → what the last layer gets, [B/pack, F]."""
        return self._hidden(x, rng).flatten(1)

    def _hidden(self, x: Tensor, rng: torch.Generator | None) -> Tensor:
        if self.pack > 1:
            x = x.reshape(len(x) // self.pack, -1)
        for layer in list(self.layers)[:-1]:
            x = layer(x, rng)
        return x

    def dense_layers(self) -> list[DenseParts] | None:
        """As above; the last one gives the logit."""
        layers = super().dense_layers()
        return [*layers[:-1], replace(layers[-1], activation="linear")] if layers else None


def build_generator(
    config: NetworkConfig, noise_dimension: int, data_mean: Tensor, rng: torch.Generator, shape: Shape | None = None
) -> Generator:
    """Draws a generator from `rng` (on the CPU, so that every device starts from the same weights).

    `data_mean` [D] is the training rows' mean; it gives the output's bias where that is `data-logit`. `shape` is the
    data's, (D,) where it is not given.
    Raises UsageError where the output's size is not D or a logit is asked of data outside [0, 1].
    """
    shape = shape or (len(data_mean),)
    layers, outputs = _build(config, (noise_dimension,), shape, rng)
    last = len(config.layers) - 1
    if math.prod(outputs) != math.prod(shape):
        raise UsageError(
            f"generator.layers.{last}.units must be {math.prod(shape)}, the data's dimension (0 stands for it), "
            f"but is {math.prod(outputs)}."
        )
    if getattr(config.layers[last], "bias", None) == "data-logit":
        with torch.no_grad():
            bias = cast(Any, layers[last]).affine.bias
            means = data_mean.view(bias.shape if bias.numel() == len(data_mean) else (shape[0], -1))
            bias.copy_(_logit_of_mean(means if means.shape == bias.shape else means.mean(dim=1)))
    return Generator(layers)


def _logit_of_mean(data_mean: Tensor) -> Tensor:
    if bool(((data_mean < 0) | (data_mean > 1)).any()):
        raise UsageError(
            "The generator's output bias is data-logit, but the data's means leave [0, 1]: "
            "set the last layer's bias to 0."
        )
    return torch.logit(data_mean.double().clamp(1e-7, 1.0 - 1e-7))


def build_discriminator(
    config: NetworkConfig, shape: int | Shape, rng: torch.Generator, pack: int = 1
) -> Discriminator:
    """Draws a discriminator of data of this shape, or this many values, from `rng`, on the CPU.

    It sees `pack` rows at once: as so many times the values, or channels.
    """
    shape = (shape,) if isinstance(shape, int) else shape
    seen = (pack * shape[0], *shape[1:])
    discriminator = Discriminator(_build(config, seen, seen, rng)[0])
    discriminator.pack = pack
    return discriminator


def _build(config: NetworkConfig, inputs: Shape, data: Shape, rng: torch.Generator) -> tuple[list[nn.Module], Shape]:
    """The layers, and the shape of the last one's outputs."""
    layers: list[nn.Module] = []
    for layer in config.layers:
        outputs = layer.output_shape(inputs, data)
        layers.append(MODULES[type(layer)](layer, inputs, outputs, rng))
        inputs = outputs
    return layers, inputs

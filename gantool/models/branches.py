"""Networks with two inputs: each passes a branch of its own, and what leaves the second one enters beside the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from gantool.config import LayerConfig, NetworkConfig, RunConfig
from gantool.config.layers import Shape, WeightedConfig
from gantool.nn import MODULES
from gantool.nn.dense import FullyConnected


@dataclass(frozen=True)
class Condition:
    """A second input of a network: the name of its branch, and how many values it has."""

    branch: str
    width: int


def conditions_of(
    config: RunConfig, label_counts: tuple[int, ...], dimension: int
) -> tuple[Condition | None, Condition | None]:
    """What a run's generator and discriminator are told beside their input.

    `label_counts` are the rows of each class, `dimension` the values of a row. Of a mask the discriminator is told
    which values are known, the generator also the values.
    """
    if config.inference.kind == "bigan":
        return None, Condition("z", config.noise.dimension)
    if config.data.condition == "mask":
        return Condition("mask", 2 * dimension), Condition("mask", dimension)
    condition = Condition("label", len(label_counts)) if config.data.condition == "label" else None
    return condition, condition


class Junction(nn.Module):
    """The branches of a network, and the layers that their outputs enter."""

    def __init__(self, own: list[nn.Module], given: list[nn.Module], shapes: dict[int, Shape]) -> None:
        super().__init__()
        self.own, self.given = nn.ModuleList(own), nn.ModuleList(given)
        self._shapes = shapes  # of the layers that the condition enters, by number: of their inputs without it

    def begin(self, x: Tensor, condition: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Both inputs after their branches; the second one flat."""
        for layer in self.own:
            x = layer(x, rng)
        for layer in self.given:
            condition = layer(condition, rng)
        return x, condition.flatten(1)

    def enter(self, number: int, x: Tensor, condition: Tensor) -> Tensor:
        """What layer `number` gets: x, or x and the condition side by side, in an image as constant channels."""
        shape = self._shapes.get(number)
        if shape is None:
            return x
        if len(shape) == 1:
            return torch.cat([x.flatten(1), condition], dim=1)
        constant = condition[:, :, None, None].expand(-1, -1, *shape[1:])
        return torch.cat([x.view(len(x), *shape), constant], dim=1)


def build_layers(
    layers: tuple[LayerConfig, ...], inputs: Shape, data: Shape, rng: torch.Generator
) -> tuple[list[nn.Module], Shape]:
    """The layers, drawn from `rng`, and the shape of the last one's outputs. `data` is what units 0 stands for."""
    built: list[nn.Module] = []
    for layer in layers:
        outputs = layer.output_shape(inputs, data)
        built.append(MODULES[type(layer)](layer, inputs, outputs, rng))
        inputs = outputs
    return built, inputs


def build_joined(
    config: NetworkConfig, branch: str, inputs: Shape, condition: Condition, data: Shape, rng: torch.Generator
) -> tuple[list[nn.Module], Junction, Shape]:
    """A network with a condition: its layers, its junction, and the shape of its outputs.

    `branch` is the first input's, and `inputs` its shape. Raises UsageError where the layers do not fit.
    """
    own, inputs = build_layers(getattr(config.branches, branch), inputs, data, rng)
    given, ends = build_layers(getattr(config.branches, condition.branch), (condition.width,), data, rng)
    width = math.prod(ends)
    layers: list[nn.Module] = []
    shapes: dict[int, Shape] = {}
    for number, layer in enumerate(config.layers):
        if isinstance(layer, WeightedConfig) and (number == 0 or config.join == "every"):
            flat = issubclass(cast(type, MODULES[type(layer)]), FullyConnected)
            shapes[number] = (math.prod(inputs),) if flat else inputs
            inputs = (shapes[number][0] + width, *shapes[number][1:])
        outputs = layer.output_shape(inputs, data)
        layers.append(MODULES[type(layer)](layer, inputs, outputs, rng))
        inputs = outputs
    return layers, Junction(own, given, shapes), inputs

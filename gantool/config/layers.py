"""The kinds of layers that a network is stacked from: what each is told, and the sizes that follow.

A kind is a dataclass here and a module in :mod:`gantool.nn`, where MODULES joins the two. The split lets the command
line check a configuration without torch.

Sizes are those of one row: a shape is (features,) or (channels, height, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from gantool.config.checks import require, require_choice, require_count, require_number

Shape = tuple[int, ...]
Bias = float | Literal["data-logit"]


class LayerConfig:
    """What every kind answers. `KINDS` are the words for it in a configuration."""

    KINDS: ClassVar[tuple[str, ...]]
    kind: str

    def check(self, name: str, *, gives_data: bool) -> None:
        """Raises UsageError naming the field as `name`.field. `gives_data` says that this is the generator's output."""
        raise NotImplementedError

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        """The output's shape for inputs of a shape; `data` is the shape of the data."""
        raise NotImplementedError

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        """How many products of a weight and a value one row takes."""
        raise NotImplementedError


@dataclass(frozen=True)
class DenseConfig(LayerConfig):
    """A fully connected layer and an activation.

    Weights are drawn from U(−init_range, init_range). `units` 0 stands for the data's dimension. `bias` is a number, or
    `data-logit`: the logit of the training pixels' mean, clipped to [1e-7, 1 − 1e-7]. In training each input is kept
    with probability `keep` and multiplied by `keep_scale`; in evaluation neither happens.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("relu", "sigmoid", "tanh", "linear")
    kind: str
    units: int
    init_range: float = 0.05
    bias: Bias = 0.0
    keep: float = 1.0
    keep_scale: float = 1.0

    def check(self, name: str, *, gives_data: bool) -> None:
        require_choice(self.kind, self.KINDS, f"{name}.kind")
        _check_dense(self, name, gives_data)

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return (self.units or math.prod(data),)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(inputs) * math.prod(self.output_shape(inputs, data))


@dataclass(frozen=True)
class MaxoutConfig(LayerConfig):
    """A maxout layer: each unit is the largest of `pieces` affine maps. The other fields are a dense layer's."""

    KINDS: ClassVar[tuple[str, ...]] = ("maxout",)
    kind: str
    units: int
    pieces: int = 1
    init_range: float = 0.05
    bias: Bias = 0.0
    keep: float = 1.0
    keep_scale: float = 1.0

    def check(self, name: str, *, gives_data: bool) -> None:
        require_choice(self.kind, self.KINDS, f"{name}.kind")
        _check_dense(self, name, gives_data)
        require_count(self.pieces, f"{name}.pieces")
        require(self.pieces <= 256, f"{name}.pieces", "256 or less (the winning piece is kept in a byte)", self.pieces)

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return (self.units or math.prod(data),)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(inputs) * math.prod(self.output_shape(inputs, data)) * self.pieces


def _check_dense(layer: DenseConfig | MaxoutConfig, name: str, gives_data: bool) -> None:
    require_count(layer.units, f"{name}.units", least=0)
    require(layer.units > 0 or gives_data, f"{name}.units", "1 or more (0 is for the output)", layer.units)
    require_number(layer.init_range, f"{name}.init_range", "a finite number, 0 or more", 0.0)
    own_bias = layer.bias != "data-logit" or gives_data
    require(own_bias, f"{name}.bias", "a number (data-logit is for the generator's output)", layer.bias)
    if layer.bias != "data-logit":
        require_number(layer.bias, f"{name}.bias", "a finite number or data-logit", -math.inf)
    require_number(layer.keep, f"{name}.keep", "a probability above 0 and at most 1", 1e-6, 1.0)
    require_number(layer.keep_scale, f"{name}.keep_scale", "a number above 0", 1e-6)


# Each word that `kind` may be → the dataclass that reads the rest of the table.
LAYER_KINDS: dict[str, type[LayerConfig]] = {
    word: config for config in (DenseConfig, MaxoutConfig) for word in config.KINDS
}

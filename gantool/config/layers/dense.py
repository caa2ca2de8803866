"""Fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.config.layers.base import ACTIVATIONS, Shape, WeightedConfig, check_pieces


@dataclass(frozen=True, kw_only=True)
class _DenseConfig(WeightedConfig):
    """`units` 0 stands for the data's dimension."""

    units: int

    def check(self, name: str, *, gives_data: bool) -> None:
        require_choice(self.kind, self.KINDS, f"{name}.kind")
        require_count(self.units, f"{name}.units", least=0)
        require(self.units > 0 or gives_data, f"{name}.units", "1 or more (0 is for the output)", self.units)
        self.check_weights(name, gives_data)

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return (self.units or math.prod(data),)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(inputs) * math.prod(self.output_shape(inputs, data))


@dataclass(frozen=True, kw_only=True)
class DenseConfig(_DenseConfig):
    """A fully connected layer whose `kind` is its activation; `slope` is that of leaky-relu below 0."""

    KINDS: ClassVar[tuple[str, ...]] = ACTIVATIONS
    slope: float = 0.2

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        require_number(self.slope, f"{name}.slope", "a number, 0 or more", 0.0)


@dataclass(frozen=True, kw_only=True)
class MaxoutConfig(_DenseConfig):
    """A maxout layer: each unit is the largest of `pieces` affine maps."""

    KINDS: ClassVar[tuple[str, ...]] = ("maxout",)
    pieces: int = 1

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        check_pieces(self, self.pieces, name)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return super().multiply_adds(inputs, data) * self.pieces

"""Layers without weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.config.layers.base import LayerConfig, Shape, as_image
from gantool.config.layers.conv import pooled
from gantool.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class _PlainConfig(LayerConfig):
    def check(self, name: str, *, gives_data: bool) -> None:
        require_choice(self.kind, self.KINDS, f"{name}.kind")

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return inputs

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class ReshapeConfig(_PlainConfig):
    """Gives the same values another `shape`, such as [128, 7, 7]."""

    KINDS: ClassVar[tuple[str, ...]] = ("reshape",)
    shape: tuple[int, ...]

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        known = len(self.shape) in (1, 3)
        require(known, f"{name}.shape", "[features] or [channels, height, width]", list(self.shape))
        for size in self.shape:
            require_count(size, f"{name}.shape")

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        if math.prod(inputs) != math.prod(self.shape):
            raise UsageError(
                f"A layer of the kind reshape cannot make {list(self.shape)} of {list(inputs)}: "
                f"{math.prod(self.shape):,} values of {math.prod(inputs):,}."
            )
        return self.shape


@dataclass(frozen=True, kw_only=True)
class PoolConfig(_PlainConfig):
    """The largest value, or the mean, of windows of `size` by `size`, `stride` apart; partial windows count."""

    KINDS: ClassVar[tuple[str, ...]] = ("pool",)
    size: int
    stride: int
    mode: Literal["max", "mean"] = "max"

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        for field in ("size", "stride"):
            require_count(getattr(self, field), f"{name}.{field}")
        require_choice(self.mode, ("max", "mean"), f"{name}.mode")

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return pooled(as_image(inputs, self.kind), self.size, self.stride)


@dataclass(frozen=True, kw_only=True)
class GaussianNoiseConfig(_PlainConfig):
    """Adds N(0, std²) to each value in training; in evaluation it does nothing."""

    KINDS: ClassVar[tuple[str, ...]] = ("noise",)
    std: float

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        require_number(self.std, f"{name}.std", "a number, 0 or more", 0.0)

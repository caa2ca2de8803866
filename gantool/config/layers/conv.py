"""Convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.config.layers.base import ACTIVATIONS, Shape, WeightedConfig, as_image, as_size, check_pieces


@dataclass(frozen=True, kw_only=True)
class _ConvConfig(WeightedConfig):
    """`channels` 0 stands for the data's. `bias_shape` is channel (one for all places) or untied (one for each)."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias_shape: Literal["channel", "untied"] = "channel"

    def check(self, name: str, *, gives_data: bool) -> None:
        require_choice(self.kind, self.KINDS, f"{name}.kind")
        require_count(self.channels, f"{name}.channels", least=0)
        require(self.channels > 0 or gives_data, f"{name}.channels", "1 or more (0 is for the output)", self.channels)
        for field in ("kernel", "stride"):
            require_count(getattr(self, field), f"{name}.{field}")
        require_count(self.padding, f"{name}.padding", least=0)
        require_choice(self.bias_shape, ("channel", "untied"), f"{name}.bias_shape")
        self.check_weights(name, gives_data)

    def convolved(self, inputs: Shape, data: Shape) -> tuple[int, int, int]:
        """The shape of the convolution's result."""
        _, height, width = as_image(inputs, self.kind)
        sides = [
            as_size((side + 2 * self.padding - self.kernel) // self.stride + 1, f"A kernel of {self.kernel}")
            for side in (height, width)
        ]
        return self.channels or data[0], sides[0], sides[1]

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return self.convolved(inputs, data)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(self.convolved(inputs, data)) * inputs[0] * self.kernel**2


@dataclass(frozen=True, kw_only=True)
class ConvConfig(_ConvConfig):
    """A convolution and an activation."""

    KINDS: ClassVar[tuple[str, ...]] = ("conv",)
    activation: str = "relu"
    slope: float = 0.2

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        require_choice(self.activation, ACTIVATIONS, f"{name}.activation")
        require_number(self.slope, f"{name}.slope", "a number, 0 or more", 0.0)


@dataclass(frozen=True, kw_only=True)
class DeconvConfig(ConvConfig):
    """A transposed convolution and an activation: each value of the input lays the kernel, scaled by it, on the output.

    The output's side is (side − 1)·stride − 2·padding + kernel + output_padding.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("deconv",)
    output_padding: int = 0

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        require_count(self.output_padding, f"{name}.output_padding", least=0)
        fits = self.output_padding < self.stride
        require(fits, f"{name}.output_padding", f"below the stride, {self.stride}", self.output_padding)

    def convolved(self, inputs: Shape, data: Shape) -> tuple[int, int, int]:
        _, height, width = as_image(inputs, self.kind)
        sides = [
            as_size(
                (side - 1) * self.stride - 2 * self.padding + self.kernel + self.output_padding,
                f"A padding of {self.padding}",
            )
            for side in (height, width)
        ]
        return self.channels or data[0], sides[0], sides[1]

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(inputs) * (self.channels or data[0]) * self.kernel**2


@dataclass(frozen=True, kw_only=True)
class MaxoutConvConfig(_ConvConfig):
    """A convolutional maxout: each channel is the largest of `pieces` convolutions, then the largest of a window.

    Windows of `pool` by `pool` lie `pool_stride` apart; a window that reaches over the edge counts what it covers.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("maxout-conv",)
    pieces: int = 1
    pool: int = 1
    pool_stride: int = 1

    def check(self, name: str, *, gives_data: bool) -> None:
        super().check(name, gives_data=gives_data)
        check_pieces(self, self.pieces, name)
        require(self.bias_shape == "channel", f"{name}.bias_shape", "channel: pieces share theirs", self.bias_shape)
        for field in ("pool", "pool_stride"):
            require_count(getattr(self, field), f"{name}.{field}")

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return pooled(self.convolved(inputs, data), self.pool, self.pool_stride)

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return super().multiply_adds(inputs, data) * self.pieces


def pooled(image: tuple[int, int, int], window: int, stride: int) -> Shape:
    """The shape after pooling: a last window that lies partly outside counts, one that begins outside does not."""
    channels, *sides = image
    places = []
    for side in sides:
        count = -(-(as_size(side - window + 1, f"A window of {window}") - 1) // stride) + 1
        places.append(count - 1 if (count - 1) * stride >= side else count)
    return channels, places[0], places[1]

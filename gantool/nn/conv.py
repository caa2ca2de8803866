"""Convolutional layers. The convolutions themselves are torch's.

Weights are kept with the units first, [units, inputs, k, k], in transposed convolutions, too: a bound on a unit's
incoming weights, and its initial ones, are then those of any layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, max_pool2d

from gantool.config.layers import ConvConfig, DeconvConfig, MaxoutConvConfig, Shape
from gantool.nn.weighted import Weighted


class MaxoutConv2d(nn.Module):
    """y[b, c] = max_p (x[b] ∗ weight[c, p] + bias[c, p]): convolutional maxout (Goodfellow et al. 2013).

    x is [B, in_channels, H, W], y is [B, out_channels, H', W'] with H' = (H + 2·padding − kernel) // stride + 1.
    Parameters: weight [out_channels, pieces, in_channels, kernel, kernel], drawn from U(−init_range, init_range), and
    bias [out_channels, pieces], zero. Torch's default generator, device and dtype stand in for what is not given.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        pieces: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        init_range: float = 0.005,
        rng: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        weight = torch.empty(out_channels, pieces, in_channels, kernel, kernel, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight.uniform_(-init_range, init_range, generator=rng))
        self.bias = nn.Parameter(torch.zeros(out_channels, pieces, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        # One convolution for all pieces. Gathering the windows for the fused dense maxout took four to eight times as
        # long on a CPU: it writes each value of the input kernel² times.
        pieces = conv2d(x, self.weight.flatten(0, 1), self.bias.flatten(), self.stride, self.padding)
        return pieces.view(len(x), *self.bias.shape, *pieces.shape[2:]).max(dim=2).values

    def extra_repr(self) -> str:
        channels, pieces, inputs, kernel, _ = self.weight.shape
        return f"{inputs} -> {channels}, pieces={pieces}, kernel={kernel}, stride={self.stride}, padding={self.padding}"


class _Convolution(nn.Module):
    """x ∗ W, or its transpose, and a bias: one a channel, or one a channel and place."""

    def __init__(self, config: ConvConfig, inputs: Shape, outputs: Shape) -> None:
        super().__init__()
        self.stride, self.padding = config.stride, config.padding
        self.output_padding = config.output_padding if isinstance(config, DeconvConfig) else None
        weight = torch.empty(outputs[0], inputs[0], config.kernel, config.kernel, device="cpu", dtype=torch.float32)
        self.weight = nn.Parameter(weight)
        shape = outputs if config.bias_shape == "untied" else outputs[:1]
        self.bias = None
        if config.bias != "none":
            self.bias = nn.Parameter(torch.zeros(shape, device="cpu", dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        if self.output_padding is None:
            y = conv2d(x, self.weight, None, self.stride, self.padding)
        else:
            weight = self.weight.transpose(0, 1)
            y = conv_transpose2d(x, weight, None, self.stride, self.padding, self.output_padding)
        if self.bias is None:
            return y
        return y + (self.bias if self.bias.ndim == 3 else self.bias[:, None, None])


class _ConvolutionalLayer(Weighted):
    inputs: Shape

    def arranged(self, x: Tensor) -> Tensor:
        return x.view(len(x), *self.inputs)


class Conv(_ConvolutionalLayer):
    """A convolution, or a transposed one, and an activation."""

    def __init__(self, config: ConvConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        affine = _Convolution(config, inputs, outputs)
        super().__init__(config, affine, outputs, config.activation, rng, config.slope)
        self.inputs = inputs


class MaxoutConv(_ConvolutionalLayer):
    """Convolutional maxout and the largest value of each window; a window that reaches over the edge counts."""

    def __init__(self, config: MaxoutConvConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        affine = MaxoutConv2d(
            inputs[0],
            config.channels or outputs[0],
            config.pieces,
            config.kernel,
            stride=config.stride,
            padding=config.padding,
            rng=torch.Generator(),  # the weights are drawn by Weighted
            device="cpu",
            dtype=torch.float32,
        )
        super().__init__(config, affine, config.convolved(inputs, outputs), "maxout", rng, 0.0)
        self.inputs, self.pool, self.pool_stride = inputs, config.pool, config.pool_stride

    def preactivation(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        y = super().preactivation(x, rng)
        if self.pool == 1 and self.pool_stride == 1:
            return y
        return max_pool2d(y, self.pool, self.pool_stride, ceil_mode=True)

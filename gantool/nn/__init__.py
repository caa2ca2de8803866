"""Layers, a kind a file. MODULES says which module a layer of a configuration becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gantool.config.layers import (
    ConvConfig,
    DeconvConfig,
    DenseConfig,
    GaussianNoiseConfig,
    LayerConfig,
    MaxoutConfig,
    MaxoutConvConfig,
    PoolConfig,
    ReshapeConfig,
    Shape,
)
from gantool.nn.conv import Conv, MaxoutConv, MaxoutConv2d
from gantool.nn.dense import Dense, MaxoutLayer
from gantool.nn.dropout import ScaledDropout
from gantool.nn.maxout import Maxout
from gantool.nn.plain import GaussianNoise, Pool, Reshape

# (its configuration, the shape of its inputs, the shape of its outputs, what draws its weights) → the layer.
# A layer is called as layer(x, rng): x [B, …], and rng for what it draws in training.
MODULES: dict[type[LayerConfig], Callable[[Any, Shape, Shape, torch.Generator], nn.Module]] = {
    DenseConfig: Dense,
    MaxoutConfig: MaxoutLayer,
    ConvConfig: Conv,
    DeconvConfig: Conv,
    MaxoutConvConfig: MaxoutConv,
    PoolConfig: Pool,
    ReshapeConfig: Reshape,
    GaussianNoiseConfig: GaussianNoise,
}

__all__ = ["MODULES", "Dense", "Maxout", "MaxoutConv2d", "MaxoutLayer", "ScaledDropout"]

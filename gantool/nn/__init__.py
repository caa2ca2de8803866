"""Layers, a kind a file. MODULES says which module a layer of a configuration becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gantool.config.layers import DenseConfig, LayerConfig, MaxoutConfig, Shape
from gantool.nn.dense import Dense
from gantool.nn.dropout import ScaledDropout
from gantool.nn.maxout import Maxout, MaxoutLayer

# (its configuration, the shape of its inputs, the shape of its outputs, what draws its weights) → the layer.
# A layer is called as layer(x, rng): x [B, …], and rng for what it draws in training.
MODULES: dict[type[LayerConfig], Callable[[Any, Shape, Shape, torch.Generator], nn.Module]] = {
    DenseConfig: Dense,
    MaxoutConfig: MaxoutLayer,
}

__all__ = ["MODULES", "Dense", "Maxout", "MaxoutLayer", "ScaledDropout"]

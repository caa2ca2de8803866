"""Layers and inputs for the tests of this folder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantool.config.layers import LAYER_KINDS, Shape
from gantool.nn import MODULES


def make(inputs: Shape, kind: str, *, data: Shape = (3, 8, 8), seed: int = 0, **fields: Any) -> tuple[nn.Module, Shape]:
    config = LAYER_KINDS[kind](kind, **fields)
    config.check("layer", gives_data=True)
    outputs = config.output_shape(inputs, data)
    layer = MODULES[type(config)](config, inputs, outputs, torch.Generator().manual_seed(seed))
    return layer.double(), outputs


def values(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

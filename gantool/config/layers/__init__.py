"""The kinds of layers that a network is stacked from: what each is told, and the sizes that follow."""

from __future__ import annotations

from gantool.config.layers.base import LayerConfig, Shape, WeightedConfig
from gantool.config.layers.conv import ConvConfig, DeconvConfig, MaxoutConvConfig
from gantool.config.layers.dense import DenseConfig, MaxoutConfig
from gantool.config.layers.plain import GaussianNoiseConfig, PoolConfig, ReshapeConfig

_CONFIGS: tuple[type[LayerConfig], ...] = (
    DenseConfig,
    MaxoutConfig,
    ConvConfig,
    DeconvConfig,
    MaxoutConvConfig,
    PoolConfig,
    ReshapeConfig,
    GaussianNoiseConfig,
)

# Each word that `kind` may be → the dataclass that reads the rest of the table.
LAYER_KINDS: dict[str, type[LayerConfig]] = {word: config for config in _CONFIGS for word in config.KINDS}

__all__ = [
    "LAYER_KINDS",
    "ConvConfig",
    "DeconvConfig",
    "DenseConfig",
    "GaussianNoiseConfig",
    "LayerConfig",
    "MaxoutConfig",
    "MaxoutConvConfig",
    "PoolConfig",
    "ReshapeConfig",
    "Shape",
    "WeightedConfig",
]

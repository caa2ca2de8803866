"""What a run is: its configuration, checked on construction, and where it comes from. Standard library only."""

from gantool.config.layers import LAYER_KINDS, DenseConfig, LayerConfig, MaxoutConfig
from gantool.config.objective import ObjectiveConfig, PenaltyConfig
from gantool.config.optimizer import OptimizerConfig, PlayerOptimizer
from gantool.config.schema import (
    DataConfig,
    GeneratorConfig,
    NetworkConfig,
    NoiseConfig,
    ReleasedOptions,
    RunConfig,
    TrainingConfig,
)

__all__ = [
    "LAYER_KINDS",
    "DataConfig",
    "DenseConfig",
    "GeneratorConfig",
    "LayerConfig",
    "MaxoutConfig",
    "NetworkConfig",
    "NoiseConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "PenaltyConfig",
    "PlayerOptimizer",
    "ReleasedOptions",
    "RunConfig",
    "TrainingConfig",
]

"""What a run is: its configuration, checked on construction, and where it comes from. Standard library only."""

from gantool.config.layers import LAYER_KINDS, DenseConfig, LayerConfig, MaxoutConfig
from gantool.config.networks import (
    BranchesConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    InferenceConfig,
    NetworkConfig,
)
from gantool.config.objective import ObjectiveConfig, PenaltyConfig
from gantool.config.optimizer import OptimizerConfig, PlayerOptimizer
from gantool.config.schema import DataConfig, NoiseConfig, RunConfig
from gantool.config.steps import DiscriminatorSteps, StepsRule
from gantool.config.training import ReleasedOptions, TrainingConfig

__all__ = [
    "LAYER_KINDS",
    "BranchesConfig",
    "DataConfig",
    "DenseConfig",
    "DiscriminatorConfig",
    "DiscriminatorSteps",
    "GeneratorConfig",
    "InferenceConfig",
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
    "StepsRule",
    "TrainingConfig",
]

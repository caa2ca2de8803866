"""What a run is: its configuration, checked on construction, and where it comes from. Standard library only."""

from gantool.config.schema import (
    DataConfig,
    LayerConfig,
    NetworkConfig,
    NoiseConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)

__all__ = [
    "DataConfig",
    "LayerConfig",
    "NetworkConfig",
    "NoiseConfig",
    "OptimizerConfig",
    "RunConfig",
    "TrainingConfig",
]

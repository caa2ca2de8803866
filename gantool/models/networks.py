"""Networks of fully connected layers, built from their configuration."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import skip_init

from gantool.config import LayerConfig, NetworkConfig
from gantool.errors import UsageError
from gantool.nn import Maxout, ScaledDropout

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": lambda x: x,
    "maxout": lambda x: x,
}


class DenseLayer(nn.Module):
    """Dropout on the inputs, an affine map (or maxout), an activation: [B, in] → [B, units]."""

    def __init__(self, in_features: int, units: int, config: LayerConfig, rng: torch.Generator) -> None:
        super().__init__()
        drops = config.keep < 1.0 or config.keep_scale != 1.0
        self.dropout = ScaledDropout(config.keep, config.keep_scale) if drops else None
        self.affine: nn.Module
        if config.kind == "maxout":
            self.affine = Maxout(
                in_features,
                units,
                config.pieces,
                init_range=config.init_range,
                rng=rng,
                device="cpu",
                dtype=torch.float32,
            )
        else:
            self.affine = _linear(in_features, units, config.init_range, rng)
        if config.bias != "data-logit":
            with torch.no_grad():
                self.affine.bias.fill_(config.bias)
        self.activation = config.kind

    def forward(self, x: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        return ACTIVATIONS[self.activation](self.preactivation(x, rng))

    def preactivation(self, x: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        """What enters the activation; for maxout, the maximum itself."""
        if self.dropout is not None:
            x = self.dropout(x, rng)
        return self.affine(x)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


def _linear(in_features: int, units: int, init_range: float, rng: torch.Generator) -> nn.Linear:
    # Torch would draw weights from its default generator, for nothing.
    layer: nn.Linear = skip_init(nn.Linear, in_features, units, device="cpu", dtype=torch.float32)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.uniform_(-init_range, init_range, generator=rng)
        layer.bias.zero_()
    return layer


class Generator(nn.Module):
    """z [B, Z] → x [B, D], in the data's own units."""

    def __init__(self, layers: list[DenseLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, z: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        for layer in self.layers:
            z = layer(z, rng)
        return z


class Discriminator(nn.Module):
    """x [B, D] → the logit of D(x), [B].

    The logit, not the probability: log D and log(1 − D) are then softplus functions, which neither overflow nor lose
    the digits that a probability near 0 or 1 has lost.
    """

    def __init__(self, layers: list[DenseLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        for layer in list(self.layers)[:-1]:
            x = layer(x, rng)
        return self.layers[-1].preactivation(x, rng).squeeze(1)  # type: ignore[operator, no-any-return]


def build_generator(
    config: NetworkConfig, noise_dimension: int, data_mean: torch.Tensor, rng: torch.Generator
) -> Generator:
    """Draws a generator from `rng` (on the CPU, so that every device starts from the same weights).

    `data_mean` [D] is the training rows' mean; it gives the output's size, and its bias where that is `data-logit`.
    Raises UsageError where the output size is not D or a logit is asked of data outside [0, 1].
    """
    dimension = data_mean.shape[0]
    last = len(config.layers) - 1
    if config.layers[last].units not in (0, dimension):
        raise UsageError(
            f"generator.layers.{last}.units must be {dimension}, the data's dimension (0 stands for it), "
            f"but is {config.layers[last].units}."
        )
    layers = _stack(config, noise_dimension, dimension, rng)
    if config.layers[last].bias == "data-logit":
        with torch.no_grad():
            layers[last].affine.bias.copy_(_logit_of_mean(data_mean))  # type: ignore[operator]
    return Generator(layers)


def _logit_of_mean(data_mean: torch.Tensor) -> torch.Tensor:
    if bool(((data_mean < 0) | (data_mean > 1)).any()):
        raise UsageError(
            "The generator's output bias is data-logit, but the data's means leave [0, 1]: "
            "set the last layer's bias to 0."
        )
    return torch.logit(data_mean.double().clamp(1e-7, 1.0 - 1e-7))


def build_discriminator(config: NetworkConfig, data_dimension: int, rng: torch.Generator) -> Discriminator:
    """Draws a discriminator from `rng`, on the CPU."""
    return Discriminator(_stack(config, data_dimension, data_dimension, rng))


def _stack(config: NetworkConfig, in_features: int, data_dimension: int, rng: torch.Generator) -> list[DenseLayer]:
    layers = []
    for layer in config.layers:
        units = layer.units or data_dimension
        layers.append(DenseLayer(in_features, units, layer, rng))
        in_features = units
    return layers

"""Networks: stacks of layers, built from their configuration."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gantool.config import InferenceConfig, NetworkConfig
from gantool.config.layers import LayerConfig, Shape
from gantool.errors import UsageError
from gantool.models.branches import Condition, Junction, build_joined, build_layers
from gantool.nn.dense import DenseParts, FullyConnected
from gantool.nn.plain import GaussianNoise
from gantool.nn.weighted import Weighted


class Stack(nn.Module):
    """Layers, one after the other. `layers` are called as layer(x, rng), the rng being for what they draw.

    With a `junction` a condition [B, C] enters beside x.
    """

    def __init__(self, layers: list[nn.Module], junction: Junction | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.junction = junction

    def dense_layers(self) -> list[DenseParts] | None:
        """The layers taken apart, where all of them are fully connected and plain and nothing joins them; else None."""
        parts = [layer.dense_parts() if isinstance(layer, FullyConnected) else None for layer in self.layers]
        return None if self.junction is not None or None in parts else [part for part in parts if part]

    @property
    def mixes_rows(self) -> bool:
        """Whether a row's result depends on the other rows of its batch: batch norm, in training."""
        return any(getattr(layer, "norm", None) is not None for layer in self.modules())

    def before_last(self, x: Tensor, rng: torch.Generator | None, condition: Tensor | None) -> Tensor:
        """What the last layer gets."""
        last = len(self.layers) - 1
        x, condition = self.through(last, x, rng, condition)
        return x if self.junction is None or condition is None else self.junction.enter(last, x, condition)

    def through(
        self, count: int, x: Tensor, rng: torch.Generator | None, condition: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """What leaves the first `count` layers, and the condition after its branch."""
        layers = list(self.layers)[:count]
        if self.junction is None:
            for layer in layers:
                x = layer(x, rng)
            return x, None
        if condition is None:
            raise ValueError("this network needs a condition")
        x, condition = self.junction.begin(x, condition, rng)
        for number, layer in enumerate(layers):
            x = layer(self.junction.enter(number, x, condition), rng)
        return x, condition


class Generator(Stack):
    """z [B, Z] → x [B, D], in the units that the networks see: the data's own, or 2x − 1 where it is `symmetric`.

    With a class condition `label_counts` holds how many training rows each class has. With a mask as its condition, it
    `fills` D values: of the condition [B, 2·D] the first D say with a 1 what is known, the others are the values, 0
    where unknown; what is known stays. An `encoder` goes from x [B, D] to z [B, Z].
    """

    symmetric = False
    label_counts: tuple[int, ...] = ()
    fills = 0

    def __init__(
        self, layers: list[nn.Module], junction: Junction | None = None, encoder: Encoder | None = None
    ) -> None:
        super().__init__(layers, junction)
        self.encoder = encoder

    def to_data(self, rows: Tensor) -> Tensor:
        """Rows in the data's own units."""
        return (rows + 1) / 2 if self.symmetric else rows

    def to_network(self, rows: Tensor) -> Tensor:
        """Rows of the data as the networks see them."""
        return 2 * rows - 1 if self.symmetric else rows

    def forward(self, z: Tensor, rng: torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        rows: Tensor = self.layers[-1](self.before_last(z, rng, condition), rng)
        rows = rows.flatten(1)
        if not self.fills or condition is None:
            return rows
        known, values = condition[:, : self.fills], condition[:, self.fills :]
        return values + (1.0 - known) * rows


class Encoder(Stack):
    """x [B, D] → z [B, Z]."""

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        codes: Tensor = self.layers[-1](self.before_last(x, rng, None), rng)
        return codes.flatten(1)


class Discriminator(Stack):
    """x [B, D] → the logit of D(x), [B]; with a `pack` of m, that of m rows at once, [B/m].

    The logit, not the probability: log D and log(1 − D) are then softplus functions, which neither overflow nor lose
    the digits that a probability near 0 or 1 has lost. With K outputs these are logits of classes beside a generated
    row's 0, and that of D(x), any class, is their log-sum-exp.
    """

    pack = 1

    def forward(self, x: Tensor, rng: torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        logits = self.class_logits(x, rng, condition)
        return logits.squeeze(1) if logits.shape[1] == 1 else logits.logsumexp(dim=1)

    def class_logits(self, x: Tensor, rng: torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        """x [B, D] → [B/pack, K]."""
        hidden = self.before_last(self._packed(x), rng, condition)
        return cast(Any, self.layers[-1]).preactivation(hidden, rng)  # type: ignore[no-any-return]

    @property
    def classes(self) -> int:
        """K, the number of classes whose logits it gives; 1 where it tells real from generated alone."""
        return int(cast(Any, self.layers[-1]).affine.weight.shape[0])

    def features(self, x: Tensor, rng: torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        """x [B, D] → what the last hidden layer gives, before any noise upon it: [B/pack, F]."""
        count = len(self.layers) - 1
        while count > 0 and isinstance(self.layers[count - 1], GaussianNoise):
            count -= 1
        return self.through(count, self._packed(x), rng, condition)[0].flatten(1)

    def fit_to(self, x: Tensor, rng: torch.Generator) -> None:
        """Sets each layer's scale and bias by what these rows of the data are when they reach it."""
        x = self._packed(x)
        for layer in self.layers:
            if isinstance(layer, Weighted):
                layer.fit_to(x, rng)
            with torch.no_grad():
                x = layer(x, rng)

    def _packed(self, x: Tensor) -> Tensor:
        return x.reshape(len(x) // self.pack, -1) if self.pack > 1 else x

    def dense_layers(self) -> list[DenseParts] | None:
        """As above; the last one gives the logit."""
        layers = super().dense_layers()
        return [*layers[:-1], replace(layers[-1], activation="linear")] if layers else None


def build_generator(
    config: NetworkConfig,
    noise_dimension: int,
    data_mean: Tensor,
    rng: torch.Generator,
    shape: Shape | None = None,
    *,
    condition: Condition | None = None,
    inference: InferenceConfig | None = None,
) -> Generator:
    """Draws a generator from `rng` (on the CPU, so that every device starts from the same weights).

    `data_mean` [D] is the training rows' mean; it gives the output's bias where that is `data-logit`. `shape` is the
    data's, (D,) where it is not given. With `inference` it has an encoder.
    Raises UsageError where the output's size is not D or a logit is asked of data outside [0, 1].
    """
    shape = shape or (len(data_mean),)
    layers, junction, outputs = _build(config, "z", (noise_dimension,), condition, shape, rng)
    last = len(config.layers) - 1
    if math.prod(outputs) != math.prod(shape):
        raise UsageError(
            f"generator.layers.{last}.units must be {math.prod(shape)}, the data's dimension (0 stands for it), "
            f"but is {math.prod(outputs)}."
        )
    _set_output_bias(config.layers[last], layers[last], data_mean, shape)
    encoder = None
    if inference is not None and inference.kind != "none":
        encoder = Encoder(build_layers(inference.layers, shape, (noise_dimension,), rng)[0])
    generator = Generator(layers, junction, encoder)
    generator.fills = math.prod(shape) if condition is not None and condition.branch == "mask" else 0
    return generator


def _set_output_bias(config: LayerConfig, layer: nn.Module, data_mean: Tensor, shape: Shape) -> None:
    if getattr(config, "bias", None) != "data-logit":
        return
    with torch.no_grad():
        bias = cast(Any, layer).affine.bias
        means = data_mean.view(bias.shape if bias.numel() == len(data_mean) else (shape[0], -1))
        bias.copy_(_logit_of_mean(means if means.shape == bias.shape else means.mean(dim=1)))


def _logit_of_mean(data_mean: Tensor) -> Tensor:
    if bool(((data_mean < 0) | (data_mean > 1)).any()):
        raise UsageError(
            "The generator's output bias is data-logit, but the data's means leave [0, 1]: "
            "set the last layer's bias to 0."
        )
    return torch.logit(data_mean.double().clamp(1e-7, 1.0 - 1e-7))


def build_discriminator(
    config: NetworkConfig, shape: int | Shape, rng: torch.Generator, pack: int = 1, condition: Condition | None = None
) -> Discriminator:
    """Draws a discriminator of data of this shape, or this many values, from `rng`, on the CPU.

    It sees `pack` rows at once: as so many times the values, or channels.
    """
    shape = (shape,) if isinstance(shape, int) else shape
    seen = (pack * shape[0], *shape[1:])
    layers, junction, _ = _build(config, "x", seen, condition, seen, rng)
    discriminator = Discriminator(layers, junction)
    discriminator.pack = pack
    return discriminator


def _build(
    config: NetworkConfig, branch: str, inputs: Shape, condition: Condition | None, data: Shape, rng: torch.Generator
) -> tuple[list[nn.Module], Junction | None, Shape]:
    """The layers, where the condition enters, and the shape of the last layer's outputs."""
    if condition is not None:
        return build_joined(config, branch, inputs, condition, data, rng)
    layers, outputs = build_layers(config.layers, inputs, data, rng)
    return layers, None, outputs

"""The tables [generator], [discriminator] and [inference]: stacks of layers, and what joins their input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from gantool.config.checks import require, require_choice, require_count
from gantool.config.layers import DenseConfig, LayerConfig, WeightedConfig

Join = Literal["none", "input", "every"]
Inference = Literal["none", "regressor", "joint-regressor", "bigan"]
BRANCHES = ("x", "z", "label", "mask")


@dataclass(frozen=True)
class BranchesConfig:
    """Layers that an input passes before it is joined with the others: `x` the data, `z` the noise or its code, `label`
    the class as a vector with one 1, `mask` which values are known, for the generator with the values themselves.
    An absent branch passes its input on."""

    x: tuple[LayerConfig, ...] = ()
    z: tuple[LayerConfig, ...] = ()
    label: tuple[LayerConfig, ...] = ()
    mask: tuple[LayerConfig, ...] = ()


@dataclass(frozen=True)
class NetworkConfig:
    """A stack of layers, from input to output.

    With a condition, `join` says where it enters: beside the `input` of the first layer, or of `every` layer with
    weights, as a vector, or as constant channels of an image.
    """

    layers: tuple[LayerConfig, ...]
    join: Join = "none"
    branches: BranchesConfig = field(default_factory=BranchesConfig)

    def check(self, name: str) -> None:
        """Raises UsageError naming the fields as `name`.layers.<index>.<field>."""
        require(len(self.layers) > 0, f"{name}.layers", "a list of one layer or more", [])
        require_choice(self.join, get_args(Join), f"{name}.join")
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            layer.check(f"{name}.layers.{index}", gives_data=name == "generator" and index == last)
        for branch in BRANCHES:
            for index, layer in enumerate(getattr(self.branches, branch)):
                layer.check(f"{name}.branches.{branch}.{index}", gives_data=False)

    def check_join(self, name: str, inputs: tuple[str, ...]) -> None:
        """Raises UsageError unless the network joins as many of `inputs`, by the names of their branches, as it has."""
        if len(inputs) == 1:
            require(self.join == "none", f"{name}.join", "none, since nothing is joined", self.join)
        else:
            require(self.join != "none", f"{name}.join", f"input or every, since {inputs[1]} enters, too", self.join)
            weighted = isinstance(self.layers[0], WeightedConfig)
            require(weighted, f"{name}.layers.0.kind", "a layer with weights, where a condition enters", "another")
        for branch in BRANCHES:
            there = branch in inputs or not getattr(self.branches, branch)
            require(there, f"{name}.branches.{branch}", f"unset: {name} gets {' and '.join(inputs)}", "given")


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    """A stack of layers from z to the data.

    `on_top_of` names a run whose trained generator follows these layers, as in the second stage on TFD: what they give
    takes the place of its z. A run's own config.json holds all layers, and how many of them were `trained_before`.
    """

    on_top_of: str | None = None
    trained_before: int = 0

    def check(self, name: str) -> None:
        super().check(name)
        require_count(self.trained_before, f"{name}.trained_before", least=0)


@dataclass(frozen=True)
class DiscriminatorConfig(NetworkConfig):
    """A stack of layers from the data to a logit, or to one a class.

    With `init_rows` its first weights are scaled and its biases set, layer by layer, so that over so many training rows
    what enters each activation has mean 0 and variance 1 (data-dependent initialisation, Salimans and Kingma 2016).
    """

    init_rows: int = 0

    def check(self, name: str) -> None:
        super().check(name)
        require_count(self.init_rows, f"{name}.init_rows", least=0)
        if self.init_rows:
            plain = self.join == "none" and not any(getattr(layer, "pieces", 1) > 1 for layer in self.layers)
            spectral = any(getattr(layer, "norm", "none") in ("batch", "spectral") for layer in self.layers)
            expected = "0 with a condition, maxout, batch or spectral norm"
            require(plain and not spectral, f"{name}.init_rows", expected, self.init_rows)


@dataclass(frozen=True)
class InferenceConfig:
    """An encoder from x to z that is trained beside the game, by the generator's optimizer.

    regressor: E(G(z)) comes to z, by the mean square, and the generator is left alone; joint-regressor: the generator
    helps it; bigan: the discriminator judges pairs, (x, E(x)) against (G(z), z) (Donahue et al. and Dumoulin et al.
    2016). `weight` is the regressors' in the generator's loss. `layers` are the encoder's; units 0 stands for z's.
    """

    kind: Inference = "none"
    layers: tuple[LayerConfig, ...] = ()
    weight: float = 1.0

    def check(self, noise_dimension: int) -> None:
        require_choice(self.kind, get_args(Inference), "inference.kind")
        if self.kind == "none":
            require(not self.layers, "inference.layers", "unset where inference.kind = none", "given")
            return
        require(len(self.layers) > 0, "inference.layers", "a list of one layer or more", [])
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            layer.check(f"inference.layers.{index}", gives_data=index == last)
        output = self.layers[last]
        units = output.units if isinstance(output, DenseConfig) else None
        field_name = f"inference.layers.{last}.units"
        require(units in (0, noise_dimension), field_name, f"{noise_dimension}, z's dimension (0 stands for it)", units)

"""What a run is: frozen dataclasses, checked on construction, and nothing hidden anywhere else.

A configuration is read from a preset (see :mod:`gantool.config.sources`), printed with `gantool config show`, saved as
`config.json` in the run directory, and passed explicitly. Every error names the field as it is typed after
`--set`, for example `training.k`. Standard library only, so that the command line starts at once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gantool.errors import UsageError

NoiseDistribution = Literal["uniform", "gaussian", "spherical"]
Activation = Literal["relu", "sigmoid", "tanh", "linear", "maxout"]
UpdateOrder = Literal["alternating", "simultaneous", "generator-first"]
GeneratorObjective = Literal["non-saturating", "minimax", "blend"]
OptimizerKind = Literal["momentum", "adam"]
Precision = Literal["float32", "bfloat16"]
StepKind = Literal["auto", "plain", "fused"]


def _require(condition: bool, name: str, expected: str, value: object) -> None:
    if not condition:
        raise UsageError(f"{name} must be {expected}, but is {value!r}.")


def _require_choice(value: object, choices: tuple[str, ...], name: str) -> None:
    _require(value in choices, name, "one of " + ", ".join(choices), value)


def _require_count(value: object, name: str, least: int = 1) -> None:
    valid = isinstance(value, int) and not isinstance(value, bool) and value >= least
    _require(valid, name, f"a whole number, {least} or more", value)


def _require_number(value: object, name: str, expected: str, low: float, high: float = math.inf) -> None:
    """Accepts a finite int or float in [low, high]."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    _require(math.isfinite(number) and low <= number <= high, name, expected, value)


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which part of them trains.

    `name` is a registered data set, or `array` for the user's own file or folder at `path`, whose bytes are
    divided by `scale` (auto: 255).
    """

    name: str = "digits"
    path: str | None = None
    scale: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        _require(bool(self.name), "data.name", "a data set's name (see `gantool data list`)", self.name)
        _require(self.path is None or self.name == "array", "data.path", "unset unless data.name = array", self.path)
        _require(
            self.name != "array" or bool(self.path),
            "data.path",
            "the path of an array file, or of a folder of images",
            self.path,
        )
        if self.scale != "auto":
            _require(self.name == "array", "data.scale", "auto unless data.name = array", self.scale)
            _require_number(self.scale, "data.scale", "auto, or a number above 0, what bytes are divided by", 1e-6)


@dataclass(frozen=True)
class NoiseConfig:
    """The prior p_z. uniform: U(−√3, √3), unit variance; gaussian: N(0, 1); spherical: uniform on the sphere of
    radius √dimension. The three share mean 0 and variance 1 a coordinate."""

    distribution: NoiseDistribution = "uniform"
    dimension: int = 100

    def __post_init__(self) -> None:
        _require_choice(self.distribution, ("uniform", "gaussian", "spherical"), "noise.distribution")
        _require_count(self.dimension, "noise.dimension")


@dataclass(frozen=True)
class LayerConfig:
    """One fully connected layer.

    Weights are drawn from U(−init_range, init_range). `units` 0 stands for the data's dimension. `bias` is a number, or
    `data-logit`: the logit of the training pixels' mean, clipped to [1e-7, 1 − 1e-7]. In training each input is kept
    with probability `keep` and multiplied by `keep_scale`; in evaluation neither happens.
    """

    kind: Activation
    units: int
    init_range: float = 0.05
    bias: float | Literal["data-logit"] = 0.0
    pieces: int = 1
    keep: float = 1.0
    keep_scale: float = 1.0

    def check(self, name: str) -> None:
        """Raises UsageError naming the field as `name`.field; called by the network that knows the name."""
        _require_choice(self.kind, ("relu", "sigmoid", "tanh", "linear", "maxout"), f"{name}.kind")
        _require_count(self.units, f"{name}.units", least=0)
        _require_number(self.init_range, f"{name}.init_range", "a finite number, 0 or more", 0.0)
        if self.bias != "data-logit":
            _require_number(self.bias, f"{name}.bias", "a finite number or data-logit", -math.inf)
        _require_count(self.pieces, f"{name}.pieces")
        _require(self.pieces <= 256, f"{name}.pieces", "256 or less (the winning piece is kept in a byte)", self.pieces)
        several = self.pieces > 1
        _require(not several or self.kind == "maxout", f"{name}.pieces", "1 unless kind = maxout", self.pieces)
        _require_number(self.keep, f"{name}.keep", "a probability above 0 and at most 1", 1e-6, 1.0)
        _require_number(self.keep_scale, f"{name}.keep_scale", "a number above 0", 1e-6)


@dataclass(frozen=True)
class NetworkConfig:
    """A stack of layers, from input to output."""

    layers: tuple[LayerConfig, ...]

    def check(self, name: str) -> None:
        """Raises UsageError naming the fields as `name`.layers.<index>.<field>."""
        _require(len(self.layers) > 0, f"{name}.layers", "a list of one layer or more", [])
        for index, layer in enumerate(self.layers):
            layer.check(f"{name}.layers.{index}")


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move.

    momentum: v ← μv − lr·g, p ← p + v (not Nesterov), μ rising linearly from `momentum` in epoch 1 to `final_momentum`
    at `momentum_saturates` epochs. adam: Kingma & Ba 2015 with `beta1`, `beta2`. Both: update t = 0, 1, … uses
    lr = max(learning_rate / decay^t, min_learning_rate). `max_column_norm` bounds the norm of each unit's incoming
    weights.
    """

    kind: OptimizerKind = "momentum"
    learning_rate: float = 0.1
    decay: float = 1.000004
    min_learning_rate: float = 1e-6
    momentum: float = 0.5
    final_momentum: float = 0.7
    momentum_saturates: int = 250
    beta1: float = 0.5
    beta2: float = 0.999
    max_column_norm: float | None = None

    def __post_init__(self) -> None:
        _require_choice(self.kind, ("momentum", "adam"), "optimizer.kind")
        _require_number(self.learning_rate, "optimizer.learning_rate", "a number above 0", 1e-12)
        _require_number(self.decay, "optimizer.decay", "1 or more (the rate is divided by it at each update)", 1.0)
        _require_number(self.min_learning_rate, "optimizer.min_learning_rate", "0 or more", 0.0)
        for name in ("momentum", "final_momentum", "beta1", "beta2"):
            _require_number(getattr(self, name), f"optimizer.{name}", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        _require_count(self.momentum_saturates, "optimizer.momentum_saturates", least=1)
        if self.max_column_norm is not None:
            _require_number(self.max_column_norm, "optimizer.max_column_norm", "a number above 0", 1e-12)


@dataclass(frozen=True)
class TrainingConfig:
    """Algorithm 1 and its bookkeeping.

    `k` discriminator steps an iteration. `epochs` counts passes of the discriminator over the training data; `steps`,
    when set, counts iterations instead. `blend` is the share of the minimax objective when `objective` is `blend`.
    `precision` is the type of the products; weights and momentum are float32 in either. `step` is plain (autograd),
    fused (written by hand, for fully connected networks; on CUDA in graphs) or auto (fused where it can be).
    `average` is the decay an iteration of a running average of the generator's weights, from which samples are then
    drawn (ours, not the paper's); 0 keeps none. Intervals are in iterations; `sample_every` and `checkpoint_every` 0
    stand for once an epoch. The newest `keep_checkpoints` checkpoints are kept; 0 keeps them all. Every `watch_every`
    epochs the samples are looked at, for collapse and likelihood; 0 never looks.
    """

    order: UpdateOrder = "alternating"
    objective: GeneratorObjective = "non-saturating"
    blend: float = 0.5
    k: int = 1
    batch_size: int = 100
    epochs: int = 20
    steps: int | None = None
    seed: int = 0
    precision: Precision = "float32"
    step: StepKind = "auto"
    average: float = 0.0
    log_every: int = 50
    sample_every: int = 0
    checkpoint_every: int = 0
    watch_every: int = 1
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        _require_choice(self.order, ("alternating", "simultaneous", "generator-first"), "training.order")
        _require_choice(self.objective, ("non-saturating", "minimax", "blend"), "training.objective")
        _require_choice(self.precision, ("float32", "bfloat16"), "training.precision")
        _require_choice(self.step, ("auto", "plain", "fused"), "training.step")
        _require_number(self.blend, "training.blend", "from 0 to 1", 0.0, 1.0)
        _require_number(self.average, "training.average", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        for name in ("k", "batch_size", "epochs", "log_every"):
            _require_count(getattr(self, name), f"training.{name}")
        for name in ("seed", "sample_every", "checkpoint_every", "watch_every", "keep_checkpoints"):
            _require_count(getattr(self, name), f"training.{name}", least=0)
        _require(self.seed < 2**63, "training.seed", "below 2^63", self.seed)
        if self.steps is not None:
            _require_count(self.steps, "training.steps")
        shares_noise = self.order != "alternating"
        expected = f"1 when training.order = {self.order} (it shares one batch of z)"
        _require(not shares_noise or self.k == 1, "training.k", expected, self.k)

    def iterations(self, epochs: int, rows: int) -> int:
        """The iterations that `epochs` passes of the discriminator over `rows` training rows take."""
        return -(-epochs * (rows // self.batch_size) // self.k)

    def total_steps(self, rows: int) -> int:
        """The run's length in iterations: `steps` where it is set, else `epochs` passes over `rows` training rows."""
        return self.steps if self.steps is not None else self.iterations(self.epochs, rows)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run depends on, apart from the machine."""

    name: str
    about: str
    generator: NetworkConfig
    discriminator: NetworkConfig
    data: DataConfig = field(default_factory=DataConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        plain = bool(self.name) and all(c.isalnum() or c in "-_." for c in self.name) and self.name[0] != "."
        _require(plain, "name", "letters, digits, '-', '_' and '.' (it names the run directory)", self.name)
        self.generator.check("generator")
        self.discriminator.check("discriminator")
        self._check_shapes()

    def _check_shapes(self) -> None:
        """What no layer can check alone: which layers may follow the data's size and its means."""
        for network, layers in (("generator", self.generator.layers), ("discriminator", self.discriminator.layers)):
            for index, layer in enumerate(layers):
                name = f"{network}.layers.{index}"
                is_output = network == "generator" and index == len(layers) - 1
                _require(layer.units > 0 or is_output, f"{name}.units", "1 or more (0 is for the output)", layer.units)
                own_bias = layer.bias != "data-logit" or is_output
                _require(own_bias, f"{name}.bias", "a number (data-logit is for the generator's output)", layer.bias)
        last = self.discriminator.layers[-1]
        name = f"discriminator.layers.{len(self.discriminator.layers) - 1}"
        _require(last.units == 1, f"{name}.units", "1, since the last layer gives a probability", last.units)
        _require(last.kind == "sigmoid", f"{name}.kind", "sigmoid, since the last layer gives a probability", last.kind)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain dictionaries, lists, strings and numbers: what config.json holds."""
        return asdict(self)

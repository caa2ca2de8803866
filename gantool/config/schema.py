"""What a run is: frozen dataclasses, checked on construction, and nothing hidden anywhere else.

A configuration is read from a preset (see :mod:`gantool.config.sources`), printed with `gantool config show`, saved as
`config.json` in the run directory, and passed explicitly. Every error names the field as it is typed after
`--set`, for example `training.k`. Standard library only, so that the command line starts at once.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.config.layers import DenseConfig, LayerConfig
from gantool.config.objective import ObjectiveConfig
from gantool.config.optimizer import OptimizerConfig

NoiseDistribution = Literal["uniform", "unit-cube", "symmetric", "gaussian", "spherical"]
UpdateOrder = Literal["alternating", "simultaneous", "generator-first"]
Precision = Literal["float32", "bfloat16"]
EngineName = Literal["auto", "plain", "fused"]


@dataclass(frozen=True)
class DataConfig:
    """Which images, and which part of them trains.

    `name` is a registered data set, or `array` for the user's own file or folder at `path`.

    `scale` auto and unit leave pixels in [0, 1]. symmetric has the networks see 2x − 1, for a generator that ends in
    tanh; samples and scores are in [0, 1] all the same. norm:R replaces each image by itself minus its mean, scaled to
    Euclidean norm R. A number, for `array` alone, is what bytes are divided by (auto: 255).
    `fold`, from 0, is one of tfd's five.

    With `size`, the images of a folder may be of any sizes: of each the middle square is scaled to so many pixels, and
    those that are `broken` are left out by name (skip) or refused. A file's images must have this size.
    """

    name: str = "digits"
    path: str | None = None
    scale: float | str = "auto"
    fold: int = 0
    size: int | None = None
    broken: Literal["skip", "refuse"] = "skip"

    def __post_init__(self) -> None:
        require(bool(self.name), "data.name", "a data set's name (see `gantool data list`)", self.name)
        require(self.path is None or self.name == "array", "data.path", "unset unless data.name = array", self.path)
        if self.size is not None:
            require(self.name == "array", "data.size", "unset unless data.name = array", self.size)
            require_count(self.size, "data.size")
        require_choice(self.broken, ("skip", "refuse"), "data.broken")
        require_count(self.fold, "data.fold", least=0)
        require(self.fold == 0 or self.name == "tfd", "data.fold", "0 unless data.name = tfd", self.fold)
        require(self.fold < 5, "data.fold", "from 0 to 4", self.fold)
        if isinstance(self.scale, str):
            known = (
                "auto, unit, symmetric, norm:R with a number R above 0, or a number above 0 that bytes are divided by"
            )
            require(
                self.scale in ("auto", "unit", "symmetric") or self.norm is not None, "data.scale", known, self.scale
            )
        else:
            require(self.name == "array", "data.scale", "no number unless data.name = array", self.scale)
            require_number(self.scale, "data.scale", "auto, or a number above 0, what bytes are divided by", 1e-6)

    @property
    def norm(self) -> float | None:
        """R where `scale` is norm:R."""
        found = re.fullmatch(r"norm:(\d+(?:\.\d*)?)", str(self.scale))
        return float(found[1]) or None if found else None


@dataclass(frozen=True)
class NoiseConfig:
    """The prior p_z. uniform: U(−√3, √3), unit variance; unit-cube: U(0, 1); symmetric: U(−1, 1); gaussian: N(0, 1);
    spherical: uniform on the sphere of `radius`. Where that is unset it is √dimension, and a coordinate has variance 1
    as in uniform and gaussian; the released code's is 1."""

    distribution: NoiseDistribution = "uniform"
    dimension: int = 100
    radius: float | None = None

    def __post_init__(self) -> None:
        require_choice(self.distribution, get_args(NoiseDistribution), "noise.distribution")
        require_count(self.dimension, "noise.dimension")
        if self.radius is not None:
            spherical = self.distribution == "spherical"
            require(spherical, "noise.radius", "unset unless noise.distribution = spherical", self.radius)
            require_number(self.radius, "noise.radius", "a number above 0", 1e-12)


@dataclass(frozen=True)
class NetworkConfig:
    """A stack of layers, from input to output."""

    layers: tuple[LayerConfig, ...]

    def check(self, name: str) -> None:
        """Raises UsageError naming the fields as `name`.layers.<index>.<field>."""
        require(len(self.layers) > 0, f"{name}.layers", "a list of one layer or more", [])
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            layer.check(f"{name}.layers.{index}", gives_data=name == "generator" and index == last)


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
class ReleasedOptions:
    """What else the released code can do; the paper's runs use none of it.

    `generator_starts`: the generator's rate is 0 in so many first iterations. `input_noise`: the standard deviation of
    Gaussian noise on all that the discriminator sees in training. `generator_below`: the generator's loss counts the
    samples alone that the discriminator takes for real with less than this probability. `gradient_scale`: the
    generator's gradient is scaled up until that of its loss by the samples has at least this norm. `rest_below`: a
    player (generator, discriminator) whose loss is below its number does not move. `dropout_for_generator` false: the
    discriminator drops nothing while the generator learns.
    """

    generator_starts: int = 0
    input_noise: float = 0.0
    generator_below: float = 1.0
    gradient_scale: float = 0.0
    rest_below: tuple[float, ...] | None = None
    dropout_for_generator: bool = True

    def check_released(self) -> None:
        require_count(self.generator_starts, "training.generator_starts", least=0)
        for name in ("input_noise", "gradient_scale"):
            require_number(getattr(self, name), f"training.{name}", "a number, 0 or more", 0.0)
        require_number(self.generator_below, "training.generator_below", "a probability above 0", 1e-12, 1.0)
        if self.rest_below is not None:
            pair = len(self.rest_below) == 2
            require(pair, "training.rest_below", "two losses: generator and discriminator", list(self.rest_below))

    @property
    def needs_autograd(self) -> str:
        """The first of these options that is in use and that gradients written out by hand do not know; else ""."""
        own = ReleasedOptions()
        names = ("input_noise", "generator_below", "gradient_scale", "rest_below", "dropout_for_generator")
        return next((name for name in names if getattr(self, name) != getattr(own, name)), "")


@dataclass(frozen=True)
class TrainingConfig(ReleasedOptions):
    """Algorithm 1 and its bookkeeping.

    `k` discriminator steps an iteration. `epochs` counts passes of the discriminator over the training data; `steps`,
    when set, counts iterations instead. `precision` is the type of the products; weights and momentum are float32 in
    either. `engine` is plain (autograd), fused (written by hand, for fully connected networks; on CUDA in graphs) or
    auto (fused where it can be).
    `average` is the decay an iteration of a running average of the generator's weights, from which samples are then
    drawn (ours, not the paper's); 0 keeps none. `last_batch` says whether an epoch's short last batch is dropped or
    kept. Intervals are in iterations; `sample_every` and `checkpoint_every` 0
    stand for once an epoch. The newest `keep_checkpoints` checkpoints are kept; 0 keeps them all. `keep_best` parzen
    keeps the one of the look with the largest validation log-likelihood, too. Every `watch_every`
    epochs the samples are looked at, for collapse and likelihood; 0 never looks.
    """

    order: UpdateOrder = "alternating"
    k: int = 1
    batch_size: int = 100
    epochs: int = 20
    steps: int | None = None
    seed: int = 0
    precision: Precision = "float32"
    engine: EngineName = "auto"
    average: float = 0.0
    last_batch: Literal["drop", "keep"] = "drop"
    keep_best: Literal["none", "parzen"] = "none"
    log_every: int = 50
    sample_every: int = 0
    checkpoint_every: int = 0
    watch_every: int = 1
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        require_choice(self.order, ("alternating", "simultaneous", "generator-first"), "training.order")
        require_choice(self.precision, ("float32", "bfloat16"), "training.precision")
        require_choice(self.engine, ("auto", "plain", "fused"), "training.engine")
        require_number(self.average, "training.average", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        require_choice(self.keep_best, ("none", "parzen"), "training.keep_best")
        require_choice(self.last_batch, ("drop", "keep"), "training.last_batch")
        for name in ("k", "batch_size", "epochs", "log_every"):
            require_count(getattr(self, name), f"training.{name}")
        for name in ("seed", "sample_every", "checkpoint_every", "watch_every", "keep_checkpoints"):
            require_count(getattr(self, name), f"training.{name}", least=0)
        require(self.seed < 2**63, "training.seed", "below 2^63", self.seed)
        if self.steps is not None:
            require_count(self.steps, "training.steps")
        expected = "1 when training.order = generator-first (it shares one batch of z)"
        require(self.order != "generator-first" or self.k == 1, "training.k", expected, self.k)
        self.check_released()

    def iterations(self, epochs: int, rows: int) -> int:
        """The iterations that `epochs` passes of the discriminator over `rows` training rows take."""
        return -(-epochs * self.batches(rows) // self.k)

    def batches(self, rows: int) -> int:
        """The batches of one pass over `rows` training rows."""
        return -(-rows // self.batch_size) if self.last_batch == "keep" else rows // self.batch_size

    def total_steps(self, rows: int) -> int:
        """The run's length in iterations: `steps` where it is set, else `epochs` passes over `rows` training rows."""
        return self.steps if self.steps is not None else self.iterations(self.epochs, rows)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run depends on, apart from the machine."""

    name: str
    about: str
    generator: GeneratorConfig
    discriminator: NetworkConfig
    data: DataConfig = field(default_factory=DataConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        plain = bool(self.name) and all(c.isalnum() or c in "-_." for c in self.name) and self.name[0] != "."
        require(plain, "name", "letters, digits, '-', '_' and '.' (it names the run directory)", self.name)
        self.generator.check("generator")
        self.discriminator.check("discriminator")
        self._check_judgement()

    def _check_judgement(self) -> None:
        """The discriminator's last layer gives one probability, or the logit of one."""
        last = self.discriminator.layers[-1]
        name = f"discriminator.layers.{len(self.discriminator.layers) - 1}"
        require(
            isinstance(last, DenseConfig) and last.kind in ("sigmoid", "linear"),
            f"{name}.kind",
            "sigmoid (or linear, for its logit), since the last layer gives a probability",
            last.kind,
        )
        units = getattr(last, "units", None)
        require(units == 1, f"{name}.units", "1, since the last layer gives a probability", units)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain dictionaries, lists, strings and numbers: what config.json holds."""
        return asdict(self)

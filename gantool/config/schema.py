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
from gantool.config.layers import DenseConfig
from gantool.config.masks import MaskConfig
from gantool.config.networks import DiscriminatorConfig, GeneratorConfig, InferenceConfig
from gantool.config.objective import ObjectiveConfig
from gantool.config.optimizer import OptimizerConfig
from gantool.config.training import TrainingConfig

NoiseDistribution = Literal["uniform", "unit-cube", "symmetric", "gaussian", "spherical"]


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

    `condition` label has the networks told the class of each row; mask, which of its values are known, and the
    generator fills in the others: see `mask`. `labels` is how many training labels are known in all, as many of each
    class, drawn by the run's seed (unset: every label); for the objective k-plus-one. `rows` is how many training rows
    there are at all, as many of each class, drawn by `rows_seed` (in a sweep by the run's seed).
    """

    name: str = "digits"
    path: str | None = None
    scale: float | str = "auto"
    fold: int = 0
    size: int | None = None
    broken: Literal["skip", "refuse"] = "skip"
    condition: Literal["none", "label", "mask"] = "none"
    mask: MaskConfig = field(default_factory=MaskConfig)
    labels: int | None = None
    rows: int | None = None
    rows_seed: int = 0

    def __post_init__(self) -> None:
        require(bool(self.name), "data.name", "a data set's name (see `gantool data list`)", self.name)
        require(self.path is None or self.name == "array", "data.path", "unset unless data.name = array", self.path)
        if self.size is not None:
            require(self.name == "array", "data.size", "unset unless data.name = array", self.size)
            require_count(self.size, "data.size")
        require_choice(self.broken, ("skip", "refuse"), "data.broken")
        require_choice(self.condition, ("none", "label", "mask"), "data.condition")
        if self.rows is not None:
            require_count(self.rows, "data.rows")
        require_count(self.rows_seed, "data.rows_seed", least=0)
        if self.labels is not None:
            require_count(self.labels, "data.labels")
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
class RunConfig:
    """Everything a run depends on, apart from the machine."""

    name: str
    about: str
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    data: DataConfig = field(default_factory=DataConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)

    def __post_init__(self) -> None:
        plain = bool(self.name) and all(c.isalnum() or c in "-_." for c in self.name) and self.name[0] != "."
        require(plain, "name", "letters, digits, '-', '_' and '.' (it names the run directory)", self.name)
        self.generator.check("generator")
        self.discriminator.check("discriminator")
        self.inference.check(self.noise.dimension)
        self._check_inputs()
        self._check_judgement()
        self._check_labels()

    def _check_inputs(self) -> None:
        """What enters each network."""
        condition = () if self.data.condition == "none" else (self.data.condition,)
        pairs = self.inference.kind == "bigan"
        require(not (condition and pairs), "inference.kind", "another than bigan with data.condition", "bigan")
        self.generator.check_join("generator", ("z", *condition))
        self.discriminator.check_join("discriminator", ("x", *(("z",) if pairs else condition)))

    def _check_judgement(self) -> None:
        """The discriminator's last layer gives one probability, or the logit of one; or the logits of K classes."""
        last = self.discriminator.layers[-1]
        name = f"discriminator.layers.{len(self.discriminator.layers) - 1}"
        units = getattr(last, "units", None)
        if self.objective.name == "k-plus-one":
            fits = isinstance(last, DenseConfig) and last.kind == "linear"
            require(fits, f"{name}.kind", "linear, since the last layer gives a logit a class", last.kind)
            require(
                (units or 0) >= 2, f"{name}.units", "the number of classes, since objective.name = k-plus-one", units
            )
            return
        require(
            isinstance(last, DenseConfig) and last.kind in ("sigmoid", "linear"),
            f"{name}.kind",
            "sigmoid (or linear, for its logit), since the last layer gives a probability",
            last.kind,
        )
        require(units == 1, f"{name}.units", "1, since the last layer gives a probability", units)

    def _check_labels(self) -> None:
        """What is trained with labels, and what can be trained with it."""
        few, training = self.objective.name == "k-plus-one", self.training
        require(few or self.data.labels is None, "data.labels", "unset unless objective.name = k-plus-one", "given")
        compared = self.objective.energy == 0.0 or self.data.condition == "mask"
        require(compared, "objective.energy", "0 unless data.condition = mask", self.objective.energy)
        plain = self.data.condition == "none" and self.inference.kind == "none"
        require(plain or training.pack == 1, "training.pack", "1 with a condition or an encoder", training.pack)
        require(
            self.inference.kind != "bigan" or self.objective.name in ("non-saturating", "minimax", "blend", "f:log"),
            "objective.name",
            "non-saturating, minimax, blend or f:log with inference.kind = bigan",
            self.objective.name,
        )

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain dictionaries, lists, strings and numbers: what config.json holds."""
        return asdict(self)

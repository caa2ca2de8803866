"""The table [training]: Algorithm 1, the released code's options, and what is written down on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.config.steps import DiscriminatorSteps, StepsRule

UpdateOrder = Literal["alternating", "simultaneous", "generator-first"]
Precision = Literal["float32", "bfloat16"]
EngineName = Literal["auto", "plain", "fused"]

# What `training.play` may be. gantool.training.orders holds those that are an order of their own.
PLAY_NAMES = ["gradient", "extragradient", "optimistic", "consensus"]


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

    `k` discriminator steps an iteration, or what the first rule of `k_schedule` that fits the iteration says.
    `play` is how the players move: gradient steps; extragradient, by the gradients where gradient steps would lead
    (Korpelevich 1976); optimistic, by twice an update less the one before (Daskalakis et al. 2018); consensus,
    which also descends ½·`consensus`·‖both gradients‖² (Mescheder et al. 2017). The discriminator sees `pack`
    samples at once (Lin et al. 2018), so that a batch gives batch_size/pack of its answers. `epochs` counts passes
    of the discriminator over the training data; `steps`, when set, counts iterations instead. `precision` is the
    type of the products; weights and momentum are float32 in either. `engine` is plain (autograd), fused (written
    by hand, for fully connected networks; on CUDA in graphs) or auto (fused where it can be).
    `average` is the decay an iteration of a running average of the generator's weights, from which samples are then
    drawn (ours, not the paper's); 0 keeps none. `average_discriminator` is the same of the discriminator's, which then
    classifies and judges once it is trained (Salimans et al. 2016). `last_batch` says whether an epoch's short last
    batch is dropped or kept. Intervals are in iterations; `sample_every` and `checkpoint_every` 0 stand for once an
    epoch. The newest `keep_checkpoints` checkpoints are kept; 0 keeps them all. `keep_best` parzen keeps the one of the
    look with the largest validation log-likelihood, too. Every `watch_every` epochs the samples are looked at, for
    collapse and likelihood; 0 never looks.
    """

    order: UpdateOrder = "alternating"
    k: int = 1
    k_schedule: tuple[StepsRule, ...] = ()
    play: str = "gradient"
    consensus: float = 10.0
    pack: int = 1
    batch_size: int = 100
    epochs: int = 20
    steps: int | None = None
    seed: int = 0
    precision: Precision = "float32"
    engine: EngineName = "auto"
    average: float = 0.0
    average_discriminator: float = 0.0
    last_batch: Literal["drop", "keep"] = "drop"
    keep_best: Literal["none", "parzen"] = "none"
    log_every: int = 50
    sample_every: int = 0
    checkpoint_every: int = 0
    watch_every: int = 1
    keep_checkpoints: int = 3

    def __post_init__(self) -> None:
        require_choice(self.order, get_args(UpdateOrder), "training.order")
        require_choice(self.play, tuple(PLAY_NAMES), "training.play")
        require_choice(self.precision, get_args(Precision), "training.precision")
        require_choice(self.engine, get_args(EngineName), "training.engine")
        for name in ("average", "average_discriminator"):
            require_number(getattr(self, name), f"training.{name}", "from 0 to below 1", 0.0, 1.0 - 1e-9)
        require_choice(self.keep_best, ("none", "parzen"), "training.keep_best")
        require_choice(self.last_batch, ("drop", "keep"), "training.last_batch")
        for name in ("k", "pack", "batch_size", "epochs", "log_every"):
            require_count(getattr(self, name), f"training.{name}")
        for name in ("seed", "sample_every", "checkpoint_every", "watch_every", "keep_checkpoints"):
            require_count(getattr(self, name), f"training.{name}", least=0)
        require(self.seed < 2**63, "training.seed", "below 2^63", self.seed)
        if self.steps is not None:
            require_count(self.steps, "training.steps")
        self._check_order()
        self._check_pack()
        self.check_released()

    def _check_order(self) -> None:
        """The orders and plays that share one batch of z take one discriminator step an iteration."""
        joint = self.play in ("extragradient", "consensus")
        name = f"training.play = {self.play}" if joint else f"training.order = {self.order}"
        if joint:
            expected = f"simultaneous when {name} (it takes both gradients at the same parameters)"
            require(self.order == "simultaneous", "training.order", expected, self.order)
        if self.play == "consensus" and (option := self.needs_autograd):
            require(False, f"training.{option}", f"unset when {name}", getattr(self, option))
        if joint or self.order == "generator-first":
            expected = f"1 when {name} (it shares one batch of z)"
            require(self.k == 1, "training.k", expected, self.k)
            require(not self.k_schedule, "training.k_schedule", f"unset when {name}", list(self.k_schedule))
        require_number(self.consensus, "training.consensus", "a number, 0 or more", 0.0)

    def _check_pack(self) -> None:
        even = self.batch_size % self.pack == 0
        require(even, "training.batch_size", f"a multiple of training.pack = {self.pack}", self.batch_size)
        short = self.pack > 1 and self.last_batch == "keep"
        require(not short, "training.last_batch", "drop when training.pack is above 1", self.last_batch)

    @property
    def discriminator_steps(self) -> DiscriminatorSteps:
        """How many discriminator steps, and which batches, each iteration takes."""
        return DiscriminatorSteps.of(self.k, self.k_schedule)

    def iterations(self, epochs: int, rows: int) -> int:
        """The iterations that `epochs` passes of the discriminator over `rows` training rows take."""
        return self.discriminator_steps.iterations(epochs * self.batches(rows))

    def batches(self, rows: int) -> int:
        """The batches of one pass over `rows` training rows."""
        return -(-rows // self.batch_size) if self.last_batch == "keep" else rows // self.batch_size

    def total_steps(self, rows: int) -> int:
        """The run's length in iterations: `steps` where it is set, else `epochs` passes over `rows` training rows."""
        return self.steps if self.steps is not None else self.iterations(self.epochs, rows)

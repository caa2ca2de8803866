"""What every kind of layer answers, and the fields that those with weights share.

A kind is a dataclass here and a module in :mod:`gantool.nn`, whose table MODULES joins the two. The split lets the
command line check a configuration without torch.

Sizes are those of one row: a shape is (features,) or (channels, height, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.errors import UsageError

Shape = tuple[int, ...]
Bias = float | Literal["data-logit", "none"]
Norm = Literal["none", "batch", "spectral", "weight", "rows"]
Statistics = Literal["running", "batch"]
ACTIVATIONS = ("relu", "sigmoid", "tanh", "linear", "leaky-relu", "softplus")


@dataclass(frozen=True)
class LayerConfig:
    """What every kind answers. `KINDS` are the words for it in a configuration."""

    KINDS: ClassVar[tuple[str, ...]] = ()
    kind: str

    def check(self, name: str, *, gives_data: bool) -> None:
        """Raises UsageError naming the field as `name`.field. `gives_data` says that this is the generator's output."""
        raise NotImplementedError

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        """The output's shape for inputs of a shape; `data` is the shape of the data.

        Raises UsageError where the layer cannot take such inputs.
        """
        raise NotImplementedError

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        """How many products of a weight and a value one row takes."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class WeightedConfig(LayerConfig):
    """The fields of every layer with weights.

    Weights are drawn from U(−init_range, init_range), or from N(0, init_std²) if `init_std` is given. If `sparse` is
    given, that many of each unit's weights are drawn from N(0, 1) and the others are 0. `bias` is a number, `none`, or
    `data-logit`: the logit of the training pixels' mean, clipped to [1e-7, 1 − 1e-7].

    `norm` is batch (before the activation; with a scale and a shift where `norm_affine`; sampling by the `running`
    averages or by the `batch`'s own statistics), spectral or weight (of the weights), or rows (each unit's weights are
    held at norm 1, or at the norm that `discriminator.init_rows` gives them).

    In training each input is kept with probability `keep` and multiplied by `keep_scale`; in evaluation neither
    happens. `max_norm` bounds the norm of each unit's incoming weights after every update.
    """

    init_range: float = 0.05
    init_std: float | None = None
    sparse: int | None = None
    bias: Bias = 0.0
    norm: Norm = "none"
    norm_affine: bool = True
    norm_statistics: Statistics = "running"
    keep: float = 1.0
    keep_scale: float = 1.0
    max_norm: float | None = None

    def check_weights(self, name: str, gives_data: bool) -> None:
        require_number(self.init_range, f"{name}.init_range", "a finite number, 0 or more", 0.0)
        if self.init_std is not None:
            require_number(self.init_std, f"{name}.init_std", "a finite number, 0 or more", 0.0)
            require(self.sparse is None, f"{name}.sparse", "unset where init_std is given", self.sparse)
        if self.sparse is not None:
            require_count(self.sparse, f"{name}.sparse")
        own_bias = self.bias != "data-logit" or gives_data
        require(own_bias, f"{name}.bias", "a number (data-logit is for the generator's output)", self.bias)
        if not isinstance(self.bias, str):
            require_number(self.bias, f"{name}.bias", "a finite number, none or data-logit", -math.inf)
        require_choice(self.norm, ("none", "batch", "spectral", "weight", "rows"), f"{name}.norm")
        require_choice(self.norm_statistics, ("running", "batch"), f"{name}.norm_statistics")
        require_number(self.keep, f"{name}.keep", "a probability above 0 and at most 1", 1e-6, 1.0)
        require_number(self.keep_scale, f"{name}.keep_scale", "a number above 0", 1e-6)
        if self.max_norm is not None:
            require_number(self.max_norm, f"{name}.max_norm", "a number above 0", 1e-12)


def check_pieces(layer: WeightedConfig, pieces: int, name: str) -> None:
    """What maxout asks of its pieces and their biases."""
    require_count(pieces, f"{name}.pieces")
    require(pieces <= 256, f"{name}.pieces", "256 or less (the winning piece is kept in a byte)", pieces)
    require(layer.bias != "none", f"{name}.bias", "a number (each piece of maxout has a bias)", layer.bias)


def as_image(inputs: Shape, kind: str) -> tuple[int, int, int]:
    """(channels, height, width). UsageError where a layer of this kind gets anything else."""
    if len(inputs) != 3:
        raise UsageError(
            f"A layer of the kind {kind} needs channels, height and width, but its inputs are {inputs}: put a layer of "
            f"the kind reshape before it."
        )
    return inputs[0], inputs[1], inputs[2]


def as_size(size: int, name: str) -> int:
    """A height or width that is there. UsageError where a layer would have no output."""
    if size < 1:
        raise UsageError(f"{name} is larger than what it is laid over: the layer would have no output.")
    return size

"""What layers with weights share: dropout on the inputs, an affine map, batch norm, an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus
from torch.nn.utils import parametrizations, parametrize

from gantool.config.layers import Shape, WeightedConfig
from gantool.nn.dropout import ScaledDropout


def activation(name: str, slope: float = 0.2) -> Callable[[Tensor], Tensor]:
    """The function that a configuration calls so; `slope` is that of leaky-relu below 0."""
    known: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "linear": lambda x: x,
        "maxout": lambda x: x,
        "softplus": softplus,
        "leaky-relu": lambda x: leaky_relu(x, slope),
    }
    return known[name]


class Weighted(nn.Module):
    """One layer: [B, …] → [B, *outputs].

    `affine` is a module with a weight, whose first axis is the units, and perhaps a bias.
    """

    def __init__(
        self, config: WeightedConfig, affine: nn.Module, convolved: Shape, kind: str, rng: torch.Generator, slope: float
    ) -> None:
        super().__init__()
        drops = config.keep < 1.0 or config.keep_scale != 1.0
        self.dropout = ScaledDropout(config.keep, config.keep_scale) if drops else None
        self.affine = affine
        with torch.no_grad():
            draw_weight(cast(Tensor, affine.weight), config, rng)
            if not isinstance(config.bias, str):
                cast(Tensor, affine.bias).fill_(config.bias)
        normalise_weight(affine, config.norm, rng)
        self.norm = _batch_norm(config, convolved) if config.norm == "batch" else None
        self.activation, self.max_norm = kind, config.max_norm
        self._activate = activation(kind, slope)

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return self._activate(self.preactivation(x, rng))

    def preactivation(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What enters the activation; for maxout, the maximum itself."""
        x = self.arranged(x)
        if self.dropout is not None:
            x = self.dropout(x, rng)
        y: Tensor = self.affine(x)
        return y if self.norm is None else cast(Tensor, self.norm(y))

    @torch.no_grad()
    def fit_to(self, x: Tensor, rng: torch.Generator | None = None) -> None:
        """Scales the weights and sets the bias so that what enters the activation has mean 0 and variance 1 over x.

        Without a bias the mean stays where it is.
        """
        units = self.preactivation(x, rng).transpose(0, 1).flatten(1)
        factor = 1.0 / units.std(dim=1, correction=0).clamp_min(1e-6)
        scale_weight(self.affine, factor)
        if self.affine.bias is not None:
            bias = cast(Tensor, self.affine.bias)
            bias.sub_(units.mean(dim=1)).mul_(factor)

    def arranged(self, x: Tensor) -> Tensor:
        """The inputs in the shape that `affine` takes."""
        return x.flatten(1)

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


def draw_weight(weight: Tensor, config: WeightedConfig, rng: torch.Generator) -> None:
    """Fills a weight [units, …] as the configuration says, in place."""
    if config.sparse is not None:
        units = weight.zero_().flatten(1)
        count = min(config.sparse, units.shape[1])
        places = torch.rand(units.shape, generator=rng).argsort(dim=1)[:, :count]
        units.scatter_(1, places, torch.randn(len(units), count, generator=rng))
    elif config.init_std is not None:
        weight.normal_(0.0, config.init_std, generator=rng)
    else:
        weight.uniform_(-config.init_range, config.init_range, generator=rng)


class _FixedNorms(nn.Module):
    """W → W with each unit's weights at a norm of its own, which is not learned: 1, until it is scaled."""

    norms: Tensor

    def __init__(self, units: int) -> None:
        super().__init__()
        self.register_buffer("norms", torch.ones(units, 1, device="cpu", dtype=torch.float32))

    def forward(self, weight: Tensor) -> Tensor:
        rows = weight.flatten(1)
        scaled: Tensor = rows * (self.norms / torch.linalg.vector_norm(rows, dim=1, keepdim=True))
        return scaled.view_as(weight)


def normalise_weight(affine: nn.Module, norm: str, rng: torch.Generator) -> None:
    """Has the weight computed from another one at each pass, where `norm` is spectral, weight or rows."""
    if norm == "spectral":
        with torch.random.fork_rng(devices=[]):  # torch draws the first vectors of the power iteration by itself
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            parametrizations.spectral_norm(affine, "weight")
    elif norm == "weight":
        parametrizations.weight_norm(affine, "weight", dim=0)
    elif norm == "rows":
        parametrize.register_parametrization(affine, "weight", _FixedNorms(len(cast(Tensor, affine.weight))))


def scale_weight(affine: nn.Module, factor: Tensor) -> None:
    """Multiplies each unit's weights by its factor [units], in place, whichever weights they are computed from."""
    if not parametrize.is_parametrized(affine):
        weight = cast(Tensor, affine.weight)
        weight.mul_(factor.view(-1, *[1] * (weight.dim() - 1)))
        return
    computed: Any = affine.parametrizations["weight"]  # type: ignore[index]
    norms = computed[0].norms if isinstance(computed[0], _FixedNorms) else computed.original0
    norms.mul_(factor.view_as(norms))


def _batch_norm(config: WeightedConfig, convolved: Shape) -> nn.Module:
    kind: Any = nn.BatchNorm2d if len(convolved) == 3 else nn.BatchNorm1d
    running = config.norm_statistics == "running"
    norm: nn.Module = kind(convolved[0], affine=config.norm_affine, track_running_stats=running)
    return norm

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


class _UnitRows(nn.Module):
    """W → W with each unit's weights at norm 1."""

    def forward(self, weight: Tensor) -> Tensor:
        rows = weight.flatten(1)
        unit: Tensor = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        return unit.view_as(weight)


def normalise_weight(affine: nn.Module, norm: str, rng: torch.Generator) -> None:
    """Has the weight computed from another one at each pass, where `norm` is spectral, weight or rows."""
    if norm == "spectral":
        with torch.random.fork_rng(devices=[]):  # torch draws the first vectors of the power iteration by itself
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            parametrizations.spectral_norm(affine, "weight")
    elif norm == "weight":
        parametrizations.weight_norm(affine, "weight", dim=0)
    elif norm == "rows":
        parametrize.register_parametrization(affine, "weight", _UnitRows())


def _batch_norm(config: WeightedConfig, convolved: Shape) -> nn.Module:
    kind: Any = nn.BatchNorm2d if len(convolved) == 3 else nn.BatchNorm1d
    running = config.norm_statistics == "running"
    norm: nn.Module = kind(convolved[0], affine=config.norm_affine, track_running_stats=running)
    return norm

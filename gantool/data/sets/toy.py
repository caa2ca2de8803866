"""Toy data whose density is known: mixtures of Gaussians on the line and in the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from gantool.data.dataset import Dataset, Split

_ROWS = {"train": 20_000, "validation": 5_000, "test": 5_000}
_TRAIN_ROWS = {"pacgan-ring": 100_000, "pacgan-grid": 100_000}  # where a protocol has its own number
_SEED = 2014


@dataclass(frozen=True)
class Mixture:
    """p(x) = Σ_k weights[k] · N(x; means[k], std[k]²·I).

    `means` [K, D] are the modes' centres, `std` [K] one standard deviation for all directions of a component, `weights`
    [K] its probability. All float64 on the CPU.
    """

    means: torch.Tensor
    std: torch.Tensor
    weights: torch.Tensor

    def __post_init__(self) -> None:
        components = self.means.shape[0]
        if self.std.shape != (components,) or self.weights.shape != (components,):
            raise ValueError("means must be [K, D], std and weights [K]")
        if bool((self.std <= 0).any()) or bool((self.weights <= 0).any()) or abs(float(self.weights.sum()) - 1) > 1e-12:
            raise ValueError("std and weights must be positive, and the weights sum to 1")

    @property
    def dimension(self) -> int:
        """D."""
        return self.means.shape[1]

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        """Points [N, D] of any floating type → log p(x) [N] in nats, float64 on their device: exact, so a reference.

        Through log-sum-exp over the components, whose largest term is taken out first: far from every mode each
        exponential alone would underflow to 0 and the logarithm to −∞.
        """
        means, std, weights = (part.to(x.device) for part in (self.means, self.std, self.weights))
        squared = (x.to(torch.float64).unsqueeze(1) - means).square().sum(dim=2)
        normaliser = self.dimension * (std.log() + 0.5 * math.log(2 * math.pi))
        return torch.logsumexp(weights.log() - normaliser - squared / (2 * std.square()), dim=1)

    def draw(self, count: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """`count` points [count, D] float32, and the component of each [count] int64, on the generator's device."""
        device = rng.device
        component = torch.multinomial(self.weights.to(device), count, replacement=True, generator=rng)
        noise = torch.randn((count, self.dimension), dtype=torch.float64, generator=rng, device=device)
        points = self.means.to(device)[component] + self.std.to(device)[component].unsqueeze(1) * noise
        return points.float(), component

    def sample(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """`count` points [count, D], float32, on the generator's device."""
        return self.draw(count, rng)[0]


def _equal_mixture(means: torch.Tensor, std: float) -> Mixture:
    components = len(means)
    return Mixture(
        means,
        torch.full((components,), std, dtype=torch.float64, device="cpu"),
        torch.full((components,), 1 / components, dtype=torch.float64, device="cpu"),
    )


def _gaussian1d() -> Mixture:
    """One Gaussian, mean 1 and standard deviation 0.6: the data of Figure 1."""
    return _equal_mixture(torch.tensor([[1.0]], dtype=torch.float64, device="cpu"), 0.6)


def _mixture1d() -> Mixture:
    """Three components of unequal weight and width, so that a fit can miss each in its own way."""
    return Mixture(
        torch.tensor([[-2.0], [0.0], [1.5]], dtype=torch.float64, device="cpu"),
        torch.tensor([0.4, 0.2, 0.3], dtype=torch.float64, device="cpu"),
        torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64, device="cpu"),
    )


def _ring2d(radius: float = 2.0, std: float = 0.02) -> Mixture:
    """Eight Gaussians evenly on a circle: of radius 2 and standard deviation 0.02 in Metz et al. 2017."""
    angle = torch.arange(8, dtype=torch.float64, device="cpu") * (2 * math.pi / 8)
    return _equal_mixture(radius * torch.stack((angle.cos(), angle.sin()), dim=1), std)


def _grid2d() -> Mixture:
    """Twenty-five Gaussians, standard deviation 0.05, on the points {−4, −2, 0, 2, 4}² (Srivastava et al. 2017)."""
    ticks = torch.arange(-4, 5, 2, dtype=torch.float64, device="cpu")
    return _equal_mixture(torch.cartesian_prod(ticks, ticks), 0.05)


MIXTURES: dict[str, Mixture] = {
    "gaussian1d": _gaussian1d(),
    "mixture1d": _mixture1d(),
    "ring2d": _ring2d(),
    "grid2d": _grid2d(),
    "pacgan-ring": _ring2d(radius=1.0, std=0.01),
    "pacgan-grid": _grid2d(),
}


def load_toy(name: str) -> Dataset:
    """20,000 / 5,000 / 5,000 points of the mixture `name`, the same at every call; the labels are the components.

    The sets of a published protocol have its number of training points.
    """
    rng = torch.Generator().manual_seed(_SEED)
    rows = _ROWS | {"train": _TRAIN_ROWS.get(name, _ROWS["train"])}
    train, validation, test = (Split(*MIXTURES[name].draw(count, rng)) for count in rows.values())
    return Dataset(
        name,
        train,
        validation,
        test,
        shape=(MIXTURES[name].dimension,),
        divisor=1.0,
        source=f"drawn from a mixture of {len(MIXTURES[name].means)} Gaussians with a fixed seed",
    )

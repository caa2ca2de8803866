"""Densities on grids, and what tells two of them apart. Everything in float64 NumPy, in nats."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from gantool.errors import UsageError

Array = NDArray[np.float64]

LOG4 = math.log(4.0)
_TERM = re.compile(r"(?:(?P<weight>[\d.eE+-]+)\*)?N\((?P<mean>[-+\d.eE]+),(?P<std>[-+\d.eE]+)\)")


@dataclass(frozen=True)
class Mixture:
    """Gaussians on the line: Σ weights[k] · N(means[k], stds[k]²)."""

    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    def __post_init__(self) -> None:
        sound = all(map(math.isfinite, (*self.weights, *self.means, *self.stds)))
        if not sound or min(self.stds) <= 0 or min(self.weights) <= 0:
            raise UsageError("A mixture must have finite means, and weights and standard deviations above 0.")
        if abs(sum(self.weights) - 1.0) > 1e-6:
            raise UsageError(f"The weights of a mixture must sum to 1, but sum to {sum(self.weights):g}.")

    def __call__(self, x: Array) -> Array:
        """p(x), of the shape of x."""
        parts = [
            weight * np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
            for weight, mean, std in zip(self.weights, self.means, self.stds, strict=True)
        ]
        total: Array = np.sum(parts, axis=0)
        return total

    def reach(self) -> tuple[float, float]:
        """An interval outside of which there is less than 1e-30 of the mass."""
        low = min(mean - 12 * std for mean, std in zip(self.means, self.stds, strict=True))
        high = max(mean + 12 * std for mean, std in zip(self.means, self.stds, strict=True))
        return low, high

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """`count` samples."""
        component = rng.choice(len(self.weights), size=count, p=np.array(self.weights) / sum(self.weights))
        drawn: Array = rng.normal(np.array(self.means)[component], np.array(self.stds)[component])
        return drawn


def normal(mean: float, std: float = 1.0) -> Mixture:
    """N(mean, std²)."""
    return Mixture((1.0,), (mean,), (std,))


def parse_mixture(text: str) -> Mixture:
    """`N(0,1)` or `0.3*N(-1,0.5)+0.7*N(2,1)` → the mixture; each N is a mean and a standard deviation.

    Raises UsageError for any other text.
    """
    terms = text.replace(" ", "").replace("+N", "+1*N").split(")+")
    found = [_TERM.fullmatch(term if term.endswith(")") else term + ")") for term in terms]
    try:
        parts = [(float(term["weight"] or 1.0), float(term["mean"]), float(term["std"])) for term in found if term]
    except ValueError:
        parts = []
    if len(parts) != len(terms):
        raise UsageError(f"A density is N(mean,std) or a sum such as 0.5*N(-1,1)+0.5*N(1,1), but got {text!r}.")
    return Mixture(*zip(*parts, strict=True))


def line(*densities: Mixture, points: int = 40_001) -> tuple[Array, float]:
    """A grid that holds all of these densities' mass, and its step. Sums over it are integrals by the trapezoid rule,
    which for smooth densities that vanish at both ends is exact to rounding."""
    ends = [density.reach() for density in densities]
    grid = np.linspace(min(low for low, _ in ends), max(high for _, high in ends), points)
    return grid, float(grid[1] - grid[0])


def kl(p: Array, q: Array, step: float = 1.0) -> float:
    """KL(p‖q) = ∫ p log(p/q): infinite where q lacks what p has."""
    return float(rel_entr(p, q).sum() * step)


def jsd(p: Array, q: Array, step: float = 1.0) -> float:
    """½KL(p‖m) + ½KL(q‖m), m being their mean: at most log 2."""
    middle = (p + q) / 2
    return (kl(p, middle, step) + kl(q, middle, step)) / 2


def tv(p: Array, q: Array, step: float = 1.0) -> float:
    """½∫|p − q|: at most 1."""
    return float(np.abs(p - q).sum() * step / 2)


def earth_mover(p: Array, q: Array, step: float) -> float:
    """W1 on the line: ∫|F_p − F_q| of the distribution functions."""
    return float(np.abs(np.cumsum(p - q) * step).sum() * step)


def optimal_discriminator(p_data: Array, p_g: Array) -> Array:
    """D* = p_data/(p_data + p_g); ½ where neither has mass (Proposition 1)."""
    total = p_data + p_g
    return np.divide(p_data, total, out=np.full_like(total, 0.5), where=total > 0)


def criterion(p_data: Array, p_g: Array, step: float = 1.0) -> float:
    """C(G) = max_D V(D, G) = −log 4 + 2·JSD(p_data‖p_g) (Theorem 1)."""
    return -LOG4 + 2.0 * jsd(p_data, p_g, step)


def value(p_data: Array, p_g: Array, d: Array, step: float = 1.0) -> float:
    """V(D, G) = E log D(x) + E log(1 − D(G(z))), of D on the grid."""
    with np.errstate(divide="ignore"):
        terms = np.where(p_data > 0, p_data * np.log(d), 0.0) + np.where(p_g > 0, p_g * np.log1p(-d), 0.0)
    return float(terms.sum() * step)


def best_discriminator(p_data: Array, p_g: Array) -> Array:
    """The D that maximises V, without its formula: at each point by bisection of the slope p_data/D − p_g/(1 − D)."""
    low, high = np.zeros_like(p_data), np.ones_like(p_data)
    for _ in range(80):
        middle = (low + high) / 2
        rises = p_data * (1 - middle) > p_g * middle
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    # Inside (0, 1), where both logarithms are finite.
    found: Array = ((low + high) / 2).clip(np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
    return found


def simplex(count: int, rng: np.random.Generator, concentration: float = 1.0) -> Array:
    """A random distribution on `count` points."""
    drawn: Array = rng.dirichlet(np.full(count, concentration))
    return drawn

"""Proposition 2: with D at its optimum in each step, moving p_g down the criterion on the simplex reaches p_data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gantool.theory.densities import (
    LOG4,
    Array,
    best_discriminator,
    criterion,
    line,
    normal,
    optimal_discriminator,
    simplex,
    tv,
    value,
)
from gantool.theory.study import Claim, Draw, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 12


class Path(NamedTuple):
    """C(G) after each step, and the last p_g."""

    criteria: list[float]
    p_g: Array

    @property
    def largest_rise(self) -> float:
        return max(np.diff(self.criteria))


def study(*, quick: bool = False) -> Study:
    """The theorem on a free p_g, the two steps of its proof, and what it does not promise."""
    rng = np.random.default_rng(2014)
    p_data, start = simplex(POINTS, rng), simplex(POINTS, rng)
    steps = 400 if quick else 2_000
    descent = descend(p_data, start, steps, rate=1.0)
    claims = [
        Claim("largest rise of C(G) in a step", descent.largest_rise, 0.0, 1e-12, "≤"),
        Claim(f"C(G) after {steps:,} steps, against −log 4", descent.criteria[-1], -LOG4, 1e-9),
        Claim("distance TV(p_data, p_g) then", tv(p_data, descent.p_g), 0.0, 1e-4),
        *_proof(p_data, rng),
    ]
    slow = descend(p_data, start, 200, rate=1.0, discriminator_rate=0.5)
    far = descend(p_data, start, 200, rate=12.0)
    beyond = [
        Claim("D a gradient step behind its optimum: the largest rise of C(G)", slow.largest_rise, 1e-3, 0.0, "≥"),
        Claim("p_g moved too far a step: the largest rise of C(G)", far.largest_rise, 1e-3, 0.0, "≥"),
        *_with_parameters(),
    ]
    notes = (
        "The last four lines are what Proposition 2 does not promise: D must be at its optimum in each step, p_g must "
        "move little, and it must be free. A generator with parameters has local minima.",
    )
    paths = {"D at its optimum": descent, "D one step behind": slow, "steps too far": far}
    return Study("convergence", "Proposition 2", (*claims, *beyond), _picture(paths), notes)


def descend(p_data: Array, p_g: Array, steps: int, rate: float, discriminator_rate: float | None = None) -> Path:
    """Exponentiated gradient steps of p_g on V. The gradient of V by p_g, D held, is log(1 − D).

    D is at its optimum in each step; with a `discriminator_rate` it only takes a gradient step of its logits.
    """
    criteria, logits = [criterion(p_data, p_g)], np.zeros_like(p_g)
    for _ in range(steps):
        d = best_discriminator(p_data, p_g)
        if discriminator_rate is not None:
            d = 1 / (1 + np.exp(-logits))
            logits = logits + discriminator_rate * len(p_g) * (p_data * (1 - d) - p_g * d)
            d = 1 / (1 + np.exp(-logits))
        p_g = p_g * np.exp(-rate * np.log1p(-d))
        p_g = p_g / p_g.sum()
        criteria.append(criterion(p_data, p_g))
    return Path(criteria, p_g)


def _proof(p_data: Array, rng: np.random.Generator) -> list[Claim]:
    """V is linear in p_g for each D, so that its supremum C is convex; and C's gradient is V's with D held at D*."""
    d = rng.uniform(0.05, 0.95, POINTS)
    bend, excess = 0.0, -np.inf
    for _ in range(200):
        one, other = simplex(POINTS, rng), simplex(POINTS, rng)
        middle = (one + other) / 2
        bend = max(bend, abs(value(p_data, one, d) + value(p_data, other, d) - 2 * value(p_data, middle, d)))
        ends = (criterion(p_data, one) + criterion(p_data, other)) / 2
        excess = max(excess, criterion(p_data, middle) - ends)
    p_g, direction = simplex(POINTS, rng), rng.normal(size=POINTS)
    direction -= direction.mean()  # stays on the simplex
    h = 1e-6
    slope = (criterion(p_data, p_g + h * direction) - criterion(p_data, p_g - h * direction)) / (2 * h)
    held = float(direction @ np.log1p(-optimal_discriminator(p_data, p_g)))
    return [
        Claim("V's largest second difference in p_g, D held: V is linear", bend, 0.0, 1e-12),
        Claim("C at a midpoint, less the mean of the ends, at most: C is convex", excess, 0.0, 1e-12, "≤"),
        Claim("slope of C along a direction, against that of V with D held at D*", slope, held, 1e-6),
    ]


def _with_parameters() -> list[Claim]:
    """p_g = N(μ, 0.3²) for data with two modes: C over μ has two minima, neither of them −log 4."""
    grid, step = line(normal(-4.0, 0.4), normal(4.0, 0.4), points=4_001)
    p_data = 0.35 * normal(-2.0, 0.4)(grid) + 0.65 * normal(2.0, 0.4)(grid)
    ends = []
    for mean in (-3.0, 3.0):
        for _ in range(400):
            h = 1e-4
            slope = sum(sign * criterion(p_data, normal(mean + sign * h, 0.3)(grid), step) for sign in (1.0, -1.0)) / (
                2 * h
            )
            mean -= 0.05 * slope
        ends.append(criterion(p_data, normal(mean, 0.3)(grid), step))
    return [
        Claim("one Gaussian for two modes: its best C(G), above −log 4", min(ends), -LOG4 + 0.1, 0.0, "≥"),
        Claim("started at the other mode, C(G) ends higher by", ends[0] - ends[1], 0.1, 0.0, "≥"),
    ]


def _picture(paths: dict[str, Path]) -> Draw:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, path in paths.items():
            axes.semilogy(np.maximum(np.array(path.criteria[:201]) + LOG4, 1e-16), label=name)
        axes.set(xlabel="step", ylabel="C(G) + log 4, nats", ylim=(1e-10, 3))
        axes.legend(fontsize=8)

    return draw

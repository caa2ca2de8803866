"""Can a game's equilibrium force one player to generate the data? The GAN as a matrix game on a finite set of points.

The generator's mixed strategy is p_g; the discriminator's pure strategies are the functions of a point. What the
discriminator is paid is E f(D(x)) + E f(1 − D(G(z))).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linprog

from gantool.theory.densities import LOG4, Array, simplex
from gantool.theory.games import solve
from gantool.theory.study import Claim, Draw, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 5


class Equilibria(NamedTuple):
    """The game's value, and the least and the largest share that each point has in an equilibrium of the generator."""

    value: float
    least: Array
    most: Array

    @property
    def width(self) -> float:
        return float((self.most - self.least).max())


def study(*, quick: bool = False) -> Study:
    """f(a) = a, whose only equilibrium is p_data; f = ln on grids of probabilities, whose equilibria close in on it."""
    p_data = simplex(POINTS, np.random.default_rng(7), concentration=3.0)
    identity = solve(matrix_of_identity(p_data))
    only = equilibria(*_cuts_of_identity(p_data))
    claims = [
        Claim("f(a) = a: the game's value", -identity.value, 1.0, 1e-9),
        Claim(
            "the generator's strategy, largest difference from p_data",
            float(np.abs(identity.rows - p_data).max()),
            0,
            1e-7,
        ),
        Claim("largest width of the set of its equilibria: p_data alone", only.width, 0.0, 1e-7),
    ]
    sizes = (1, 3, 7, 15) if quick else (1, 3, 7, 15, 31, 63)
    widths: list[tuple[int, float]] = []
    for size in sizes:
        found = equilibria(*_cuts_of_logarithm(p_data, size))
        claims.append(Claim(f"f = ln, D on {size} probabilities with ½: the value", found.value, -LOG4, 1e-9))
        outside = float(np.maximum(found.least - p_data, p_data - found.most).max())
        claims.append(Claim("p_data is outside of the equilibria by, at most", outside, 0.0, 1e-9, "≤"))
        if widths:
            claims.append(
                Claim("their set is as wide as on the coarser grid, at most", found.width, widths[-1][1], 1e-9, "≤")
            )
        widths.append((size, found.width))
    claims.append(Claim("the width on the finest grid", widths[-1][1], 0.5 * widths[1][1], 0.0, "≤"))
    notes = (
        "With f(a) = a, a 0/1 discriminator can name any set of points, and p_g must give each set the mass that the "
        "data give it. With f = ln and few probabilities, D cannot tell p_g near p_data from p_data: every such p_g is "
        "an equilibrium.",
    )
    return Study("generation", "A game whose equilibrium is the data", tuple(claims), _picture(widths), notes)


def matrix_of_identity(p_data: Array) -> Array:
    """What the generator is paid, [points, 0/1 functions]: −(E D(x) + 1 − D(its point))."""
    functions = np.array(list(itertools.product((0.0, 1.0), repeat=len(p_data))))
    paid: Array = -((functions @ p_data)[None, :] + 1.0 - functions.T)
    return paid


def _cuts_of_identity(p_data: Array) -> tuple[Array, Array]:
    """For each point and answer d of D: the payoff a + b·p_g(x). Here d ∈ {0, 1}, p_data·d + p_g·(1 − d)."""
    answers = np.array([0.0, 1.0])
    return np.outer(p_data, answers), np.tile(1.0 - answers, (len(p_data), 1))


def _cuts_of_logarithm(p_data: Array, size: int) -> tuple[Array, Array]:
    """The same for f = ln and d on `size` equally spaced probabilities inside (0, 1)."""
    answers = np.arange(1, size + 1) / (size + 1)
    return np.outer(p_data, np.log(answers)), np.tile(np.log1p(-answers), (len(p_data), 1))


def equilibria(constants: Array, slopes: Array) -> Equilibria:
    """Of the game whose payoff is the sum over points of max over answers of constants + slopes·p_g(x).

    Both are [points, answers]. A linear program: minimise Σ t with t_x at least every answer's payoff; then the ends of
    each p_g(x) among the optima.
    """
    points, answers = constants.shape
    bounds = [(0.0, 1.0)] * points + [(None, None)] * points
    above, limits = [], []
    for x in range(points):
        for answer in range(answers):
            row = np.zeros(2 * points)
            row[x], row[points + x] = slopes[x, answer], -1.0
            above.append(row)
            limits.append(-constants[x, answer])
    total = np.r_[np.ones(points), np.zeros(points)][None]
    cost = np.r_[np.zeros(points), np.ones(points)]

    def least(objective: Array, rows: list[Array], ends: list[float]) -> float:
        found = linprog(objective, A_ub=np.array(rows), b_ub=ends, A_eq=total, b_eq=[1.0], bounds=bounds)
        return float(found.fun)

    value = least(cost, above, limits)
    optimal = ([*above, cost], [*limits, value + 1e-10])
    units = np.eye(2 * points)[:points]
    low = np.array([least(unit, *optimal) for unit in units])
    high = np.array([-least(-unit, *optimal) for unit in units])
    return Equilibria(value, low, high)


def _picture(widths: list[tuple[int, float]]) -> Draw:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.loglog(*zip(*widths, strict=True), "o-")
        axes.set(xlabel="probabilities that D may answer", ylabel="largest width of the equilibria in a point's share")

    return draw

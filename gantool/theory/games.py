"""Two-player games: values and equilibria by linear programming, and how ways of playing come to them or do not."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linprog

from gantool.errors import UsageError
from gantool.theory.densities import Array
from gantool.theory.study import Claim, Draw, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
MATCHING_PENNIES = np.array([[1.0, -1.0], [-1.0, 1.0]])
ETA = 0.1


class Solution(NamedTuple):
    """The value to the row player, who maximises, and an optimal mixed strategy of each."""

    value: float
    rows: Array
    columns: Array


def solve(payoff: Array) -> Solution:
    """A matrix game [A, B] of what the column player pays the row player, by linear programming."""
    value, rows = _best_mixture(payoff)
    negative, columns = _best_mixture(-payoff.T)
    assert math.isclose(value, -negative, abs_tol=1e-7), "the minimax theorem"
    return Solution(value, rows, columns)


def _best_mixture(payoff: Array) -> tuple[float, Array]:
    """max over mixtures of the rows of the least payoff over columns."""
    count, columns = payoff.shape
    cost = np.r_[np.zeros(count), -1.0]
    bound = np.c_[-payoff.T, np.ones(columns)]
    total = np.r_[np.ones(count), 0.0][None]
    limits = [(0, None)] * count + [(None, None)]
    found = linprog(cost, A_ub=bound, b_ub=np.zeros(columns), A_eq=total, b_eq=[1.0], bounds=limits)
    return float(found.x[-1]), found.x[:-1]


def pure_values(payoff: Array) -> tuple[float, float]:
    """max-min and min-max over pure strategies; where they are equal, there is a pure equilibrium."""
    return float(payoff.min(axis=1).max()), float(payoff.max(axis=0).min())


def read_matrix(path: Path) -> Array:
    """A matrix from a text file: a row a line, numbers apart by commas or spaces. UsageError where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [[float(cell) for cell in line.replace(",", " ").split()] for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(f"The matrix {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"The matrix {path} must hold numbers alone, a row a line: {error}.") from error
    if not rows or len({len(row) for row in rows}) != 1 or not np.isfinite(rows).all():
        raise UsageError(f"The matrix {path} must have rows of one length, of finite numbers.")
    return np.array(rows)


def study(*, quick: bool = False, matrix: Path | None = None) -> Study:
    """Rock-paper-scissors, matching pennies, or the game in a file; then ways of playing against closed forms."""
    if matrix is not None:
        return _of_file(matrix)
    steps = 200 if quick else 1_000
    claims = [*_solved(), *_on_the_bilinear_game(steps), *_repeated(20_000)]
    notes = (
        "min over x, max over y of x·y: each step of size 0.1; the equilibrium is (0, 0), and play begins at (1, 0).",
    )
    return Study("games", "Games and ways of playing them", tuple(claims), _picture(steps), notes)


def _of_file(matrix: Path) -> Study:
    payoff = read_matrix(matrix)
    solution, (low, high) = solve(payoff), pure_values(payoff)
    claims = [
        Claim(
            "max-min over mixed strategies against min-max", float((solution.rows @ payoff).min()), solution.value, 1e-7
        ),
        Claim("min-max over mixed strategies", float((payoff @ solution.columns).max()), solution.value, 1e-7),
        Claim("pure max-min, at most the value", low, solution.value, 1e-9, "≤"),
        Claim("pure min-max, at least the value", high, solution.value, 1e-9, "≥"),
    ]
    values = [("value to the row player", solution.value, None)]
    values += [(f"row {index + 1}'s share", float(share), None) for index, share in enumerate(solution.rows)]
    values += [(f"column {index + 1}'s share", float(share), None) for index, share in enumerate(solution.columns)]
    pure = "It has a pure equilibrium." if low == high else "It has no pure equilibrium."

    def draw(figure: Figure) -> None:
        for axes, (name, shares) in zip(
            figure.subplots(1, 2), {"rows": solution.rows, "columns": solution.columns}.items(), strict=True
        ):
            axes.bar(np.arange(1, len(shares) + 1), shares)
            axes.set(xlabel=name, ylabel="share in the equilibrium")

    return Study("games", f"The game in {matrix.name}", tuple(claims), draw, (pure,), tuple(values))


def _solved() -> list[Claim]:
    rps, pennies = solve(ROCK_PAPER_SCISSORS), solve(MATCHING_PENNIES)
    return [
        Claim("rock-paper-scissors: pure max-min", pure_values(ROCK_PAPER_SCISSORS)[0], -1.0),
        Claim("its value in mixed strategies", rps.value, 0.0, 1e-9),
        Claim("its equilibrium, largest difference from ⅓", float(np.abs(rps.rows - 1 / 3).max()), 0.0, 1e-9),
        Claim("matching pennies: pure max-min", pure_values(MATCHING_PENNIES)[0], -1.0),
        Claim("its value in mixed strategies", pennies.value, 0.0, 1e-9),
        Claim("its equilibrium, largest difference from ½", float(np.abs(pennies.rows - 0.5).max()), 0.0, 1e-9),
    ]


# A play of the bilinear game: the present and the former point, as x + iy, give the next one. The field, (−y, x)·η
# against the descent in x and the ascent in y, is a turn by i.
Play = Callable[[complex, complex], complex]


def _alternating(now: complex, _: complex) -> complex:
    x = now.real - ETA * now.imag
    return complex(x, now.imag + ETA * x)


GAMMA = 1.0
PLAYS: dict[str, tuple[Play, float]] = {
    "simultaneous": (lambda now, _: now + 1j * ETA * now, math.sqrt(1 + ETA**2)),
    "implicit": (lambda now, _: now / (1 - 1j * ETA), 1 / math.sqrt(1 + ETA**2)),
    "extragradient": (lambda now, _: now + 1j * ETA * (now + 1j * ETA * now), math.sqrt(1 - ETA**2 + ETA**4)),
    "optimistic": (lambda now, before: now + 1j * ETA * (2 * now - before), 0.0),
    "consensus, γ = 1": (lambda now, _: now + 1j * ETA * now - ETA * GAMMA * now, math.hypot(1 - ETA * GAMMA, ETA)),
}


def rate_of_optimistic(eta: float) -> float:
    """The larger root of λ² − (1 + 2iη)λ + iη = 0: 0.99494 at η = 0.1."""
    root = cmath.sqrt((1 + 2j * eta) ** 2 - 4j * eta)
    return max(abs((1 + 2j * eta + sign * root) / 2) for sign in (1, -1))


def radii(play: Play, steps: int) -> tuple[list[float], float]:
    """The distance from the equilibrium after each step, and that of the average of all points."""
    before = now = 1.0 + 0.0j
    points = [now]
    for _ in range(steps):
        before, now = now, play(now, before)
        points.append(now)
    return [abs(point) for point in points], abs(sum(points) / len(points))


def _on_the_bilinear_game(steps: int) -> list[Claim]:
    claims = []
    for name, (play, rate) in PLAYS.items():
        found, _ = radii(play, steps)
        rate = rate or rate_of_optimistic(ETA)
        taken = (found[-1] / found[steps // 2]) ** (1 / (steps - steps // 2))
        claims.append(Claim(f"{name} steps: the distance is multiplied by, a step", taken, rate, 1e-9))
    found, average = radii(_alternating, steps)
    claims.append(Claim("alternating steps: the largest distance, bounded", max(found), 1.06, 0.0, "≤"))
    claims.append(Claim("alternating steps: the distance of the average", average, 1.2 / (ETA * steps), 0.0, "≤"))
    return claims


def _repeated(rounds: int) -> list[Claim]:
    """Rock-paper-scissors played over and over."""
    third = np.full(3, 1 / 3)
    fictitious = _fictitious(rounds)
    last, average = _multiplicative(rounds, optimistic=False)
    calm, _ = _multiplicative(rounds, optimistic=True)
    return [
        Claim(
            "fictitious play: its average's largest difference from ⅓", float(np.abs(fictitious - third).max()), 0, 0.03
        ),
        Claim(
            "multiplicative weights: the last iterate stays off ⅓ by", float(np.abs(last - third).max()), 0.1, 0, "≥"
        ),
        Claim("multiplicative weights: its average's difference", float(np.abs(average - third).max()), 0.0, 0.03),
        Claim("optimistic multiplicative weights: the last iterate's", float(np.abs(calm - third).max()), 0.0, 1e-3),
    ]


def _fictitious(rounds: int) -> Array:
    """Each player answers the other's play so far; the row player's average."""
    counts = [np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])]
    for _ in range(rounds):
        row, column = (ROCK_PAPER_SCISSORS @ counts[1]).argmax(), (counts[0] @ ROCK_PAPER_SCISSORS).argmin()
        counts[0][row] += 1
        counts[1][column] += 1
    average: Array = counts[0] / counts[0].sum()
    return average


def _multiplicative(rounds: int, *, optimistic: bool) -> tuple[Array, Array]:
    """Both players reweigh by their payoffs; the row player's last strategy, and its average."""
    rate = 0.05
    weights = [np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])]
    former = [np.zeros(3), np.zeros(3)]
    total = np.zeros(3)
    for _ in range(rounds):
        payoffs = [ROCK_PAPER_SCISSORS @ weights[1], -(weights[0] @ ROCK_PAPER_SCISSORS)]
        for player in (0, 1):
            expected = 2 * payoffs[player] - former[player] if optimistic else payoffs[player]
            weights[player] = weights[player] * np.exp(rate * expected)
            weights[player] /= weights[player].sum()
        former = payoffs
        total += weights[0]
    return weights[0], total / rounds


def _picture(steps: int) -> Draw:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, (play, _) in PLAYS.items():
            axes.semilogy(radii(play, steps)[0], label=name)
        axes.semilogy(radii(_alternating, steps)[0], label="alternating")
        axes.set(
            xlabel="step",
            ylabel="distance from the equilibrium",
            ylim=(1e-6, 1e3),
            title="min over x, max over y of x·y, η = 0.1",
        )
        axes.legend(fontsize=8)

    return draw

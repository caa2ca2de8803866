"""Proposition 1 and Theorem 1: D* = p_data/(p_data + p_g), and C(G) = −log 4 + 2·JSD, least where p_g = p_data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gantool.theory.densities import (
    LOG4,
    Array,
    Mixture,
    best_discriminator,
    criterion,
    line,
    normal,
    optimal_discriminator,
    value,
)
from gantool.theory.networks import probability, trained_discriminator
from gantool.theory.study import Claim, Draw, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA = Mixture((0.5, 0.2, 0.3), (-2.0, 0.0, 1.5), (0.4, 0.3, 0.5))
MODEL = normal(0.3, 1.2)

# JSD(N(0, 1), N(μ, 1)) in nats, by quadrature elsewhere.
JSD_OF_NORMALS = {0.5: 0.03031130, 1.0: 0.11142148, 2.0: 0.33683082, 3.0: 0.52677731, 5.0: 0.67594258}


def study(*, quick: bool = False) -> Study:
    """D trained and tabular against D*, V against the Jensen-Shannon divergence, and p_g on its way to p_data."""
    rounds = 300 if quick else 600
    x, step = line(DATA, MODEL, points=4_001)
    p, q = DATA(x), MODEL(x)
    exact, best = optimal_discriminator(p, q), best_discriminator(p, q)
    network = trained_discriminator(x[::4, None], p[::4], q[::4], 4 * step, rounds)
    trained = probability(network, x[:, None])
    there = p + q > 1e-3
    claims = [
        Claim("D that maximises V at each point, largest difference from D*", _gap(best, exact, there), 0.0, 1e-9),
        Claim("its V, against −log 4 + 2·JSD", value(p, q, best, step), criterion(p, q, step), 1e-9),
        Claim(
            "a trained network, largest difference from D* where there is mass", _gap(trained, exact, there), 0.0, 0.02
        ),
        Claim("the network's V", value(p, q, trained.clip(1e-12, 1 - 1e-12), step), criterion(p, q, step), 1e-4),
        *_plane(rounds),
    ]
    sweep = _sweep()
    return Study(
        "optimum", "Proposition 1 and Theorem 1", (*claims, *sweep[0]), _picture(x, p, q, exact, trained, sweep[1])
    )


def _gap(one: Array, other: Array, there: NDArray[np.bool_]) -> float:
    return float(np.abs(one - other)[there].max())


def _plane(rounds: int) -> list[Claim]:
    """The same for four Gaussians in the plane against one."""
    ticks = np.linspace(-6.0, 6.0, 61)
    step = float(ticks[1] - ticks[0]) ** 2
    first, second = (part.ravel() for part in np.meshgrid(ticks, ticks, indexing="ij"))
    narrow = [normal(mean, 0.6) for mean in (-1.5, 1.5)]
    p = np.sum([a(first) * b(second) for a in narrow for b in narrow], axis=0) / 4
    q = normal(0.0, 1.5)(first) * normal(0.0, 1.5)(second)
    points = np.stack([first, second], axis=1)
    trained = probability(trained_discriminator(points, p, q, step, rounds), points)
    exact = optimal_discriminator(p, q)
    return [
        Claim(
            "in the plane, a trained network's largest difference from D*",
            _gap(trained, exact, p + q > 5e-3),
            0.0,
            0.03,
        ),
        Claim("in the plane, its V", value(p, q, trained.clip(1e-12, 1 - 1e-12), step), criterion(p, q, step), 1e-3),
    ]


def _sweep() -> tuple[list[Claim], list[tuple[float, float]]]:
    """p_g = N(μ, 1) from far away to p_data = N(0, 1)."""
    x, step = line(normal(0.0), normal(5.0), points=8_001)
    p, claims, curve = normal(0.0)(x), [], []
    for mean in (5.0, 3.0, 2.0, 1.0, 0.5, 0.0):
        q = normal(mean)(x)
        best = best_discriminator(p, q)
        found = value(p, q, best, step)
        curve.append((mean, found))
        exact = -LOG4 + 2 * JSD_OF_NORMALS.get(mean, 0.0)
        claims.append(Claim(f"p_g = N({mean:g}, 1), p_data = N(0, 1): max V", found, exact, 3e-8))
        there = p + q > 1e-6
        logit = 1 / (1 + np.exp(mean * x - mean**2 / 2))
        text = "there D* is sigmoid(−μx + μ²/2)" if mean else "there D is ½ everywhere"
        claims.append(Claim(f"{text}: largest difference", _gap(best, logit, there), 0.0, 1e-9))
    return claims, curve


def _picture(x: Array, p: Array, q: Array, exact: Array, trained: Array, curve: list[tuple[float, float]]) -> Draw:
    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.plot(x, p, label="p_data")
        left.plot(x, q, label="p_g")
        left.plot(x, exact, "k", lw=2.5, alpha=0.35, label="D*")
        left.plot(x, trained, "k--", lw=1, label="D, trained")
        left.set(xlim=(-5, 5), xlabel="x")
        left.legend(fontsize=8)
        right.plot(*zip(*curve, strict=True), "o-")
        right.axhline(-LOG4, ls="--", color="k", label="−log 4")
        right.set(xlabel="μ of p_g = N(μ, 1)", ylabel="max over D of V, nats")
        right.legend(fontsize=8)

    return draw

"""Mistakes in what people write about the paper, each refuted by a number. Slips of wording get a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from gantool.config import ObjectiveConfig
from gantool.objectives import build_objective
from gantool.theory.densities import Array, best_discriminator, earth_mover, line, normal, tv, value
from gantool.theory.objectives import best_value
from gantool.theory.study import Claim, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = (
    "“Reconstructed images”: nothing is encoded and decoded; G(z) is generated.",
    "“The noise prior p_g(z)”: the prior of the noise is p_z(z); p_g(x) is what G makes of it.",
    "“Fake labels” for the ones that G aims at: they are the labels of real rows, given to generated ones.",
)


def study(*, quick: bool = False) -> Study:
    """Eight mistakes as claims, three slips as notes."""
    x, step = line(normal(0.0), normal(4.0, 0.5), points=8_001)
    p, q = normal(0.0)(x), normal(4.0, 0.5)(x)
    best = best_discriminator(p, q)
    claims = (
        Claim(
            "“Descend log D(G(z))”: what a small step of that adds to D(G(z)), below 0", _descending(), -1e-4, 0.0, "≤"
        ),
        Claim(
            "“D(x) is the probability that x came from p_g”: D* at 0, where all is data",
            float(best[np.abs(x).argmin()]),
            1,
            1e-6,
        ),
        Claim("“D* = max V”: max V is no probability, being below 0", value(p, q, best, step), 0.0, 0.0, "≤"),
        Claim("“p_g with an indicator”: E 1[G(z) = x], where the density is 0.4", _indicator(), 0.0),
        Claim("“f(a) = a is the earth mover's distance”: its best value 1 + TV, far apart", _identity(6.0), 2.0, 1e-6),
        Claim("there the earth mover's distance", _moved(6.0), 6.0, 1e-5),
        Claim(
            "“cross-entropy = Σ t log y”: without its minus, a worse answer gives less", _cross_entropy(), 0.0, 0.0, "≤"
        ),
        Claim("“log D(x) is in G's loss”: its derivative by G's parameters", _of_real_rows(), 0.0),
        Claim("“p_g = p_z(G⁻¹)·dz/dx” for a falling G: the integral without absolute value", _falling(), -1.0, 1e-6),
        Claim("the same for G(z) = z², which has no inverse: the mass of one branch", _square(), 0.5, 2e-3),
    )
    return Study("readings", "What people write about the paper", claims, _draw, WORDS)


def _descending() -> float:
    """One slide prints Algorithm 1 as descending log D(G(z)). The change of D(G(z)) by a step of −0.1 on its logit."""
    logit = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    loss = -build_objective(ObjectiveConfig("non-saturating")).generator_loss(logit)  # log D(G(z))
    (slope,) = torch.autograd.grad(loss, logit)
    return float(((logit - 0.1 * slope).sigmoid() - logit.sigmoid()).item())


def _indicator() -> float:
    """The share of draws z ~ N(0, 1) with G(z) = z exactly equal to 0.25: a point has no mass."""
    return float((np.random.default_rng(0).normal(size=100_000) == 0.25).mean())


def _identity(mean: float) -> float:
    x, step = line(normal(0.0, 0.5), normal(mean, 0.5), points=201)
    p, q = (density(x) * step for density in (normal(0.0, 0.5), normal(mean, 0.5)))
    return best_value("f:identity", p / p.sum(), q / q.sum())


def _moved(mean: float) -> float:
    x, step = line(normal(0.0, 0.5), normal(mean, 0.5))
    p, q = normal(0.0, 0.5)(x), normal(mean, 0.5)(x)
    assert tv(p, q, step) <= 1.0 + 1e-9
    return earth_mover(p, q, step)


def _cross_entropy() -> float:
    """t log y + (1 − t) log(1 − y) at a bad answer less that at a good one, t = 1: a loss would be larger there."""
    return math.log(0.1) - math.log(0.9)


def _of_real_rows() -> float:
    """The largest derivative of the mean of log D(x) by the weights of G, which does not stand in it."""
    generator, discriminator = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    term = torch.nn.functional.logsigmoid(discriminator(torch.ones(4, 3))).mean()
    slopes = torch.autograd.grad(term, list(generator.parameters()), allow_unused=True, materialize_grads=True)
    return max(float(slope.abs().max()) for slope in slopes)


def _falling() -> float:
    """G(z) = −2z + 1: ∫ p_z(G⁻¹(x))·(G⁻¹)′(x) dx, whose absolute value would be 1."""
    x, step = line(normal(1.0, 2.0))
    return float((normal(0.0)((1 - x) / 2) * -0.5).sum() * step)


def _square() -> float:
    """G(z) = z²: the branch z = √x alone, ∫ p_z(√x)/(2√x) dx over x > 0."""
    root = np.linspace(0.0, 8.0, 400_001)
    x = root**2
    middle = (x[1:] + x[:-1]) / 2
    return float((normal(0.0)(np.sqrt(middle)) / (2 * np.sqrt(middle)) * np.diff(x)).sum())


def _draw(figure: Figure) -> None:
    """The second reading: D* against its opposite."""
    x: Array = np.linspace(-4, 7, 400)
    p, q = normal(0.0)(x), normal(4.0, 0.5)(x)
    best = best_discriminator(p, q)
    axes = figure.subplots()
    axes.plot(x, p, label="p_data")
    axes.plot(x, q, label="p_g")
    axes.plot(x, best, "k", label="D*: that x is data")
    axes.plot(x, 1 - best, "k:", label="that x came from p_g")
    axes.set(xlabel="x")
    axes.legend(fontsize=8)

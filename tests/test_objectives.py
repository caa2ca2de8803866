"""Each objective at its best discriminator is the divergence that its source says, on densities that are known.

The densities lie on four points, as whole numbers of rows; a free output for each point is the discriminator.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gantool.config import ObjectiveConfig, PenaltyConfig
from gantool.config.objective import OBJECTIVE_NAMES
from gantool.objectives import OBJECTIVES, GeneralF, LogLoss, Objective, build_objective
from gantool.training.game import Iteration
from gantool.training.penalties import Judged, penalty
from gantool.training.record.metrics import measure

REAL = torch.tensor([0] * 6 + [1] * 3 + [2] * 8 + [3] * 3)
FAKE = torch.tensor([0] * 2 + [1] * 9 + [2] * 5 + [3] * 4)
P, Q = (torch.bincount(rows).double().numpy() / 20 for rows in (REAL, FAKE))


def jsd(p: np.ndarray, q: np.ndarray) -> float:
    m = (p + q) / 2
    return float(0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum())


TV = float(0.5 * np.abs(P - Q).sum())
BEST = {
    "non-saturating": -math.log(4) + 2 * jsd(P, Q),
    "minimax": -math.log(4) + 2 * jsd(P, Q),
    "f:log": -math.log(4) + 2 * jsd(P, Q),
    "kl": float((P * np.log(P / Q)).sum()),
    "reverse-kl": float((Q * np.log(Q / P)).sum()),
    "pearson": float(((P - Q) ** 2 / Q).sum()),
    "hellinger": float(((np.sqrt(P) - np.sqrt(Q)) ** 2).sum()),
    "jsd": 2 * jsd(P, Q),
    # ½·E(D − 1)² + ½·E(D + 1)² at D* = (p − q)/(p + q): 1 − ½·∫(p − q)²/(p + q).
    "least-squares": -(1 - 0.5 * float(((P - Q) ** 2 / (P + Q)).sum())),
}


def best(objective: Objective, real: Tensor = REAL, fake: Tensor = FAKE) -> tuple[float, Tensor]:
    """The largest value over every discriminator, by Newton's method on its outputs; and those outputs."""
    outputs = torch.zeros(4, dtype=torch.float64)

    def loss(v: Tensor) -> Tensor:
        return -objective.value(v[real], v[fake])

    for _ in range(100):
        at = outputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(at), at)
        hessian = torch.autograd.functional.hessian(loss, outputs)
        outputs = outputs - torch.linalg.solve(hessian, gradient).clamp(-0.5, 0.5)
    return -float(loss(outputs)), outputs


@pytest.mark.parametrize("name", BEST)
def test_the_best_value_is_the_divergence(name: str) -> None:
    assert best(build_objective(ObjectiveConfig(name)))[0] == pytest.approx(BEST[name], abs=1e-9)


@pytest.mark.parametrize(("name", "expected"), [("f:identity", 1 + TV), ("tv", TV), ("hinge", -2 * (1 - TV))])
def test_total_variation_is_reached_at_the_ends(name: str, expected: float) -> None:
    """The best discriminator lies at an end of its range: far out for a sigmoid or tanh, ±1 for the hinge."""
    far = 1.0 if name == "hinge" else 60.0
    outputs = torch.where(torch.tensor(P > Q), far, -far).double()
    objective = build_objective(ObjectiveConfig(name))
    value = float(objective.value(outputs[REAL], outputs[FAKE]))
    assert value == pytest.approx(expected, abs=1e-9)
    rng = torch.Generator().manual_seed(0)
    for _ in range(200):
        other = torch.randn(4, dtype=torch.float64, generator=rng) * 3
        assert float(objective.value(other[REAL], other[FAKE])) <= value + 1e-12


def test_equal_densities_have_nothing_to_tell_apart() -> None:
    for name, value in {
        "kl": 0,
        "reverse-kl": 0,
        "pearson": 0,
        "hellinger": 0,
        "jsd": 0,
        "minimax": -math.log(4),
    }.items():
        assert best(build_objective(ObjectiveConfig(name)), REAL, REAL)[0] == pytest.approx(value, abs=1e-9)


def test_wasserstein_on_a_line_is_the_distance_that_earth_moves() -> None:
    """Four points a unit apart; the best 1-Lipschitz critic climbs or falls by 1 from each to the next."""
    steps = np.sign(np.cumsum(Q - P))[:-1]
    critic = torch.tensor(np.concatenate([[0.0], np.cumsum(steps)]))
    value = build_objective(ObjectiveConfig("wasserstein")).value(critic[REAL], critic[FAKE])
    assert float(value) == pytest.approx(float(np.abs(np.cumsum(P - Q)).sum()), abs=1e-12)


def test_the_relativistic_value_at_equal_outputs_is_minus_log_2() -> None:
    objective = build_objective(ObjectiveConfig("relativistic"))
    flat = torch.zeros(20, dtype=torch.float64)
    assert float(objective.value(flat, flat)) == pytest.approx(-math.log(2))
    assert float(objective.generator_loss(flat, flat)) == pytest.approx(math.log(2))
    apart = torch.full((20,), 3.0, dtype=torch.float64)
    assert float(objective.value(apart, -apart)) == pytest.approx(-math.log1p(math.exp(-6.0)))


# Its generator has feature matching alone, and its discriminator's losses are the log family's:
# tests/training/test_two_inputs.py.
ADVERSARIAL = [name for name in OBJECTIVE_NAMES if name != "k-plus-one"]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_every_name_descends_towards_fewer_losses(name: str) -> None:
    """The discriminator wants real outputs up and the others down; the generator wants its own up."""
    objective = build_objective(ObjectiveConfig(name))
    real, fake = torch.full((5,), 0.1).requires_grad_(), torch.full((5,), -0.1).requires_grad_()
    gradients = torch.autograd.grad(objective.discriminator_loss(real, fake), (real, fake))
    assert float(gradients[0].sum()) < 0 < float(gradients[1].sum())
    (of_generator,) = torch.autograd.grad(objective.generator_loss(fake, real), fake)
    if name != "least-squares":  # whose generator wants 0, from either side
        assert float(of_generator.sum()) < 0
    assert set(OBJECTIVES) == set(OBJECTIVE_NAMES)


@pytest.mark.parametrize("smooth", [0.0, 0.2])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_optimum_is_the_value_at_equal_densities(name: str, smooth: float) -> None:
    """At the discriminator's best output against a generator that has reached the data, found by bisection."""
    if smooth and not isinstance(build_objective(ObjectiveConfig(name)), LogLoss):
        return
    objective = build_objective(ObjectiveConfig(name, smooth=smooth))
    low, high = torch.tensor(-30.0, dtype=torch.float64), torch.tensor(30.0, dtype=torch.float64)
    for _ in range(100):
        middle = ((low + high) / 2).requires_grad_()
        (slope,) = torch.autograd.grad(objective.discriminator_loss(middle[None], middle[None]), middle)
        low, high = (middle.detach(), high) if slope < 0 else (low, middle.detach())
    assert float(objective.value(low[None], low[None])) == pytest.approx(objective.optimum, abs=1e-9)


def test_smoothing_moves_the_real_target() -> None:
    objective = build_objective(ObjectiveConfig(smooth=0.1))
    real, fake = torch.linspace(-2, 3, 6), torch.linspace(-1, 1, 6)
    expected = 0.5 * ((0.9 * softplus(-real) + 0.1 * softplus(real)).mean() + softplus(fake).mean())
    torch.testing.assert_close(objective.discriminator_loss(real, fake), expected)


def test_any_monotone_f_in_python() -> None:
    """f = the square root: E √D + E √(1 − D), by hand."""
    outputs = torch.linspace(-2, 2, 4).double()
    d = torch.sigmoid(outputs).numpy()
    expected = (P * np.sqrt(d)).sum() + (Q * np.sqrt(1 - d)).sum()
    assert float(GeneralF(torch.sqrt).value(outputs[REAL], outputs[FAKE])) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["gradient", "r1", "r2", "r1+r2"])
def test_penalties_of_a_quadratic_judge(kind: str) -> None:
    """D(x) = ½·xᵀAx has the gradient A x."""
    rng = torch.Generator().manual_seed(0)
    square = torch.randn(3, 3, dtype=torch.float64, generator=rng)
    a = (square + square.T).requires_grad_()
    real, fake = (torch.randn(7, 3, dtype=torch.float64, generator=rng) for _ in range(2))

    def judge(x: Tensor) -> Tensor:
        return 0.5 * ((x @ a) * x).sum(dim=1)

    judged = Judged(judge, real, fake, torch.Generator().manual_seed(1))
    found = penalty(PenaltyConfig(kind, weight=3.0), judged)
    share = torch.rand(7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    between = fake + share * (real - fake)
    expected = {
        "gradient": 3.0 * (((between @ a).norm(dim=1) - 1) ** 2).mean(),
        "r1": 1.5 * ((real @ a) ** 2).sum(dim=1).mean(),
        "r2": 1.5 * ((fake @ a) ** 2).sum(dim=1).mean(),
    }
    expected["r1+r2"] = expected["r1"] + expected["r2"]
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, expected[kind])
    mine, theirs = (torch.autograd.grad(value, a, retain_graph=True)[0] for value in (found, expected[kind]))
    # The two differ by the transpose of what a symmetric matrix cannot tell.
    torch.testing.assert_close(mine + mine.T, theirs + theirs.T)


@pytest.mark.parametrize("name", ["reverse-kl", "hellinger"])
def test_a_judgement_beyond_float32_is_written_as_the_largest_number(name: str) -> None:
    """T(G(z)) = −e²⁰⁰ for one row, while the loss, which has no T of generated rows in it, is finite."""
    objective = build_objective(ObjectiveConfig(name))
    real, fake = torch.zeros(4), torch.tensor([0.0, -200.0, 0.0, 0.0])
    loss = objective.discriminator_loss(real, fake)
    figures = measure(Iteration(loss, objective.generator_loss(fake), real, fake), objective)
    assert math.isfinite(figures["discriminator_loss"])
    assert figures["fake_probability"] == -torch.finfo(torch.float32).max
    json.dumps(figures, allow_nan=False)

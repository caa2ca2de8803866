"""What each objective minimises: the value at the best tabular discriminator, against the divergence's own formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance
from torch import Tensor

from gantool.config import ObjectiveConfig
from gantool.objectives import build_objective
from gantool.theory.densities import LOG4, Array, jsd, kl, simplex, tv
from gantool.theory.study import Claim, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 9


def _pearson(p: Array, q: Array) -> float:
    return float(((p - q) ** 2 / q).sum())


def _hellinger(p: Array, q: Array) -> float:
    return float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum())


def _least_squares(p: Array, q: Array) -> float:
    """−½·E_p(D − 1)² − ½·E_q(D + 1)² at D = (p − q)/(p + q) is −1 + ½∫(p − q)²/(p + q)."""
    return -1.0 + 0.5 * float(((p - q) ** 2 / (p + q)).sum())


# Each objective's name → its value at the best discriminator, in words and by p_data and p_g.
MINIMISED: dict[str, tuple[str, Callable[[Array, Array], float]]] = {
    "minimax": ("2·JSD − log 4", lambda p, q: 2 * jsd(p, q) - LOG4),
    "f:identity": ("1 + TV", lambda p, q: 1 + tv(p, q)),
    "least-squares": ("½∫(p − q)²/(p + q) − 1", _least_squares),
    "hinge": ("−2·(1 − TV)", lambda p, q: -2 * (1 - tv(p, q))),
    "kl": ("KL(p‖q)", kl),
    "reverse-kl": ("KL(q‖p)", lambda p, q: kl(q, p)),
    "pearson": ("Pearson's χ²", _pearson),
    "hellinger": ("squared Hellinger distance", _hellinger),
    "jsd": ("2·JSD", lambda p, q: 2 * jsd(p, q)),
    "tv": ("TV", tv),
}


def study(*, quick: bool = False) -> Study:
    """Random distributions on nine points: an optimal D of each objective, by search and not by formula."""
    rng = np.random.default_rng(2014)
    pairs = [(simplex(POINTS, rng), simplex(POINTS, rng)) for _ in range(1 if quick else 3)]
    claims = []
    for name, (words, exact) in MINIMISED.items():
        found = [(best_value(name, p, q), exact(p, q)) for p, q in pairs]
        computed, formula = max(found, key=lambda pair: abs(pair[0] - pair[1]))
        claims.append(Claim(f"{name}: {words}", computed, formula, 1e-9))
    places = np.sort(rng.uniform(0, 5, POINTS))
    p, q = pairs[0]
    distance = wasserstein_distance(places, places, p, q)
    claims.append(
        Claim(
            "a critic of slope 1 on a line: the earth mover's distance", lipschitz_value(places, p, q), distance, 1e-9
        )
    )
    claims.append(
        Claim(
            "f:identity on it is no earth mover's distance: they differ by", abs(1 + tv(p, q) - distance), 0.1, 0, "≥"
        )
    )
    claims.append(Claim("relativistic at p = q", relativistic_value(p, p), -math.log(2.0), 1e-9))
    claims.append(
        Claim("relativistic elsewhere, above −log 2", relativistic_value(p, q), -math.log(2.0) + 1e-3, 0.0, "≥")
    )
    return Study("objectives", "What each objective minimises", tuple(claims), _draw)


def best_value(name: str, p: Array, q: Array) -> float:
    """The largest value over all raw outputs, found by bisection of the slope at each point.

    p and q are distributions [N].
    """
    objective = build_objective(ObjectiveConfig(name))
    low, high = (np.full(len(p), end) for end in (-600.0, 600.0))

    def weighed(outputs: Tensor) -> Tensor:
        """The sum over points of the value at a point, weighed by p and by q: their parts are apart by subtraction."""
        zero = torch.zeros(1, dtype=torch.float64)
        base = objective.value(zero, zero)
        total = torch.zeros((), dtype=torch.float64)
        for output, real, fake in zip(outputs, p.tolist(), q.tolist(), strict=True):
            at = output[None]
            total = total + real * (objective.value(at, zero) - base) + fake * (objective.value(zero, at) - base)
        return total + base

    for _ in range(80):
        middle = torch.from_numpy((low + high) / 2).requires_grad_()
        (slope,) = torch.autograd.grad(weighed(middle), middle)
        rises = slope.numpy() > 0
        low, high = np.where(rises, middle.detach().numpy(), low), np.where(rises, high, middle.detach().numpy())
    return weighed(torch.from_numpy((low + high) / 2)).item()


def lipschitz_value(places: Array, p: Array, q: Array) -> float:
    """max E_p D − E_q D over functions of slope at most 1 on the line, by linear programming."""
    gaps = np.diff(places)
    step = np.eye(len(places))[1:] - np.eye(len(places))[:-1]
    bounds: list[tuple[float | None, float | None]] = [(0.0, 0.0), *[(None, None)] * (len(places) - 1)]
    found = linprog(-(p - q), A_ub=np.r_[step, -step], b_ub=np.r_[gaps, gaps], bounds=bounds)
    return float(-found.fun)


def relativistic_value(p: Array, q: Array) -> float:
    """max over D of E log sigmoid(D(x) − D(y)), x from p and y from q, in pairs."""
    weights = torch.from_numpy(np.outer(p, q))
    d = torch.zeros(len(p), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([d], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found: Tensor = -(weights * torch.nn.functional.logsigmoid(d[:, None] - d[None, :])).sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return -loss().item()


def _draw(figure: Figure) -> None:
    """Every divergence from p_data = (½, ½) to p_g = (a, 1 − a)."""
    axes = figure.subplots()
    shares = np.linspace(0.02, 0.98, 97)
    p = np.array([0.5, 0.5])
    for name, (words, exact) in MINIMISED.items():
        values = [exact(p, np.array([share, 1 - share])) for share in shares]
        axes.plot(shares, np.array(values) - exact(p, p), label=f"{name}: {words}")
    axes.set(xlabel="p_g's share of the first of two points", ylabel="value above its least", ylim=(0, 1.5))
    axes.legend(fontsize=7)

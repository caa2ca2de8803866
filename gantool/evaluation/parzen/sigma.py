"""Sigma between the points of the grid: the continuous optimum of the mean log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from gantool.numerics.density import Choice
from gantool.numerics.leave_one_out import Blocks

# Sigmas in one pass over the distances: the slope at all of them costs hardly more than at one.
_NODES = 9

# Two neighbouring nodes this close in log sigma leave the interpolated slope's root to better than 1e-5.
_CLOSE = 0.12

# How far beyond an end of the grid the optimum is looked for, as a factor, and in how many steps.
_REACH, _STEPS = 100.0, 24


def refine_sigma(choice: Choice) -> float | None:
    """The sigma where the mean log-likelihood of the rows that chose has its optimum, near the best of the grid.

    Its slope in log sigma comes from the operator's own gradient at Chebyshev nodes between the grid's neighbours of
    the best; the root of the polynomial through them is bracketed by two nodes. Past an end of the grid the optimum is
    looked for up to a factor of 100. None where there are no such rows, or no optimum so near.
    """
    if choice.blocks is None:
        return None
    bracket = _bracket(choice.blocks, [(point.sigma, point.log_likelihood) for point in choice.curve])
    if bracket is None:
        return None
    low, high = bracket
    while True:
        # Chebyshev-Lobatto nodes: they include both ends, and a polynomial through them does not oscillate.
        unit = -np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
        nodes = 0.5 * (low + high) + 0.5 * (high - low) * unit
        means, slopes = mean_and_slope(choice.blocks, np.exp(nodes).tolist())
        falls = [i for i in range(_NODES - 1) if slopes[i] > 0 >= slopes[i + 1]]
        if not falls:  # flat to within rounding
            return math.exp(nodes[int(np.argmax(means))])
        at = max(falls, key=lambda i: max(means[i], means[i + 1]))
        low, high = float(nodes[at]), float(nodes[at + 1])
        if high - low <= _CLOSE:
            return math.exp(_bisect(np.polynomial.Chebyshev.fit(nodes, slopes, _NODES - 1), low, high))


def mean_and_slope(blocks: Blocks, sigmas: Sequence[float]) -> tuple[list[float], list[float]]:
    """The mean log-likelihood at each sigma, and its derivative in log sigma, from one pass over the distances."""
    means = slopes = torch.zeros(len(sigmas), dtype=torch.float64, device="cpu")
    rows = 0
    log_sigmas = torch.tensor(sigmas, dtype=torch.float64, device="cpu").log().requires_grad_()
    iterator = blocks(log_sigmas.exp())
    with torch.enable_grad():
        for block in iterator:
            # A row at one sigma depends on no other sigma, so that the gradient of the sum is each one's own slope.
            (slope,) = torch.autograd.grad(block.sum(), log_sigmas, retain_graph=True)
            means = means + block.detach().sum(dim=1).cpu()
            slopes = slopes + slope.cpu()
            rows += block.shape[1]
    return (means / rows).tolist(), (slopes / rows).tolist()


def _bisect(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where the slope falls through 0 between `low` and `high`, to 1e-9."""
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _bracket(blocks: Blocks, curve: list[tuple[float, float]]) -> tuple[float, float] | None:
    """The log sigmas on both sides of the best of the curve, extended past its end where the best stands there."""
    points = _extended(blocks, curve)
    best = max(range(len(points)), key=lambda index: points[index][1])
    if not 0 < best < len(points) - 1:
        return None
    return math.log(points[best - 1][0]), math.log(points[best + 1][0])


def _extended(blocks: Blocks, curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    best = max(range(len(curve)), key=lambda index: curve[index][1])
    steps = [_REACH ** (step / _STEPS) for step in range(1, _STEPS + 1)]
    beyond = [curve[0][0] / step for step in reversed(steps)] if best == 0 else []
    if best == len(curve) - 1:
        beyond += [curve[-1][0] * step for step in steps]
    if not beyond:
        return curve
    with torch.no_grad():
        parts = [part.cpu() for part in blocks(torch.tensor(beyond, dtype=torch.float64, device="cpu"))]
    means = torch.cat(parts, dim=1).mean(dim=1).tolist()
    return sorted([*curve, *zip(beyond, means, strict=True)])

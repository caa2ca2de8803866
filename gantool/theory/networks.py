"""A small discriminator that is trained to convergence on a grid, by the whole of V and not by batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gantool.theory.densities import Array


def trained_discriminator(points: Array, p_data: Array, p_g: Array, step: float, rounds: int) -> nn.Sequential:
    """The network that maximises V on `points` [N, D] with the densities' values there, in float64.

    L-BFGS on the full integral: what is left is the network's own error, since there is no noise of batches.
    """
    rng = torch.Generator().manual_seed(2014)
    layers: list[nn.Module] = []
    width, inputs = 48, points.shape[1]
    for units in (width, width):
        layers += [_linear(inputs, units, rng), nn.Tanh()]
        inputs = units
    network = nn.Sequential(*layers, _linear(inputs, 1, rng))
    x = torch.from_numpy(points)
    p, q = (torch.from_numpy(part) * step for part in (p_data, p_g))
    optimizer = torch.optim.LBFGS(
        network.parameters(),
        max_iter=rounds,
        tolerance_grad=1e-11,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = network(x).squeeze(1)
        negative_value: Tensor = (p * softplus(-logits) + q * softplus(logits)).sum()
        negative_value.backward()  # type: ignore[no-untyped-call]
        return negative_value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return network


def probability(network: nn.Sequential, points: Array) -> Array:
    """D at `points` [N, D]."""
    with torch.no_grad():
        answer: Array = network(torch.from_numpy(points)).squeeze(1).sigmoid().numpy()
    return answer


def _linear(inputs: int, units: int, rng: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, units, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(units, inputs, dtype=torch.float64, generator=rng) / inputs**0.5)
        layer.bias.copy_(torch.randn(units, dtype=torch.float64, generator=rng) * 0.5)
    return layer

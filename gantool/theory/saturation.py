"""Why G ascends log D(G(z)) in practice: the gradient of log(1 − D(G(z))) vanishes where D has won."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from gantool.config import ObjectiveConfig
from gantool.objectives import build_objective
from gantool.theory.densities import Array, line, normal
from gantool.theory.networks import trained_discriminator
from gantool.theory.study import Claim, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGITS = (0.0, -2.0, -5.0, -10.0, -20.0)


def study(*, quick: bool = False) -> Study:
    """Each loss's slope in the logit against its closed form, and on a trained D that has won."""
    claims = []
    for logit in LOGITS:
        d = 1 / (1 + np.exp(-logit))
        claims += [
            Claim(f"D(G(z)) = {d:.2g}: slope of log(1 − D)", slope("minimax", logit), -d, 1e-12),
            Claim(f"D(G(z)) = {d:.2g}: slope of −log D", slope("non-saturating", logit), -(1 - d), 1e-12),
        ]
    minimax, other = _on_a_discriminator_that_has_won(100 if quick else 300)
    claims.append(Claim("on a D that has won: minimax gradient over non-saturating", minimax / other, 0.01, 0.0, "≤"))
    claims.append(Claim("there the non-saturating gradient's size", other, 0.1, 0.0, "≥"))
    return Study("saturation", "Why the generator's loss was changed", tuple(claims), _draw)


def slope(name: str, logit: float) -> float:
    """The derivative of a generator's loss by the logit of D(G(z)), by autograd through the loss that trains."""
    at = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(build_objective(ObjectiveConfig(name)).generator_loss(at), at)
    return found.item()


def _on_a_discriminator_that_has_won(rounds: int) -> tuple[float, float]:
    """The gradients' sizes by the place of p_g = N(5, 0.5²), for D trained against p_data = N(0, 1)."""
    x, step = line(normal(0.0), normal(5.0, 0.5), points=1_001)
    network = trained_discriminator(x[:, None], normal(0.0)(x), normal(5.0, 0.5)(x), step, rounds)
    z = torch.from_numpy(np.random.default_rng(0).normal(size=2_000))
    return _size("minimax", network, z), _size("non-saturating", network, z)


def _size(name: str, network: nn.Module, z: Tensor) -> float:
    place = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    logits = network((place + 0.5 * z)[:, None]).squeeze(1)
    (found,) = torch.autograd.grad(build_objective(ObjectiveConfig(name)).generator_loss(logits), place)
    return abs(found.item())


def _draw(figure: Figure) -> None:
    logits: Array = np.linspace(-10, 4, 200)
    d = 1 / (1 + np.exp(-logits))
    axes = figure.subplots()
    axes.semilogy(logits, d, label="log(1 − D(G(z))), minimax")
    axes.semilogy(logits, 1 - d, label="−log D(G(z)), non-saturating")
    axes.set(xlabel="logit of D(G(z))", ylabel="size of the gradient in the logit")
    axes.legend(fontsize=8)

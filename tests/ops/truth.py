"""The independent truths of the operator tests, in float64, and what counts as close to them."""

from __future__ import annotations

import math

import torch
from ops.cases import ParzenCase
from torch import Tensor


def parzen_log_density(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    """The definition in float64: differences squared and summed, one log-sum-exp a bandwidth."""
    queries, samples, sigmas = queries.double(), samples.double(), sigmas.double()
    direct = torch.cdist(queries, samples, compute_mode="donot_use_mm_for_euclid_dist")
    distances = direct.square()
    kernel = torch.logsumexp(-distances / (2 * sigmas[:, None, None] ** 2), dim=2)
    constant = math.log(samples.shape[0]) + samples.shape[1] * (sigmas * math.sqrt(2 * math.pi)).log()
    return kernel - constant[:, None]


def affine_pieces(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Every piece [B, U, P], in float64, one multiply-add after another."""
    return torch.einsum("bi,upi->bup", x.double(), weight.double()) + bias.double()


def maxout_gradients(tensors: list[Tensor], winner: Tensor, grad: Tensor) -> list[Tensor]:
    """The three gradients in float64, given who won."""
    exact = [t.detach().double().requires_grad_() for t in tensors]
    won = affine_pieces(*exact).gather(2, winner.long()[:, :, None]).squeeze(2)
    return list(torch.autograd.grad(won, exact, grad.double()))


def largest(tensor: Tensor) -> float:
    """The largest absolute value, 0 where there is none."""
    return float(tensor.detach().abs().max()) if tensor.numel() else 0.0


def worst(actual: Tensor, exact: Tensor) -> float:
    """The largest absolute error."""
    return largest(actual.detach().double() - exact.detach())


def allowed(plain: Tensor, exact: Tensor) -> float:
    """Twice plain torch's own error, and one rounding of the result for where plain torch is lucky."""
    return 2 * worst(plain, exact) + torch.finfo(plain.dtype).eps * largest(exact)


def cancellation(case: ParzenCase, dtype: torch.dtype) -> float:
    """What one rounding of |q|² or |s|² does to an exponent |q|² + |s|² − 2 q·s over 2σ², relative to 1.

    Both implementations expand the square, after centring; one of them may be lucky in a small case.
    """
    if not case.sigmas or not case.queries.numel():
        return 0.0
    centre = case.samples.mean(dim=0)
    norms = [(rows - centre).square().sum(dim=1).max() for rows in (case.queries, case.samples)]
    return float(max(norms)) / min(case.sigmas) ** 2 * torch.finfo(dtype).eps

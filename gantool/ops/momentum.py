"""The momentum update of one parameter in a single pass: public function; its schema is in csrc/library.cpp."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gantool.ops import native


def momentum_step(
    parameter: Tensor,
    velocity: Tensor,
    gradient: Tensor,
    rates: Tensor,
    *,
    bound: float = math.inf,
    copy: Tensor | None = None,
) -> None:
    """In place: v ← μ·v − lr·g, p ← p + v, rows of p longer than `bound` scaled back to it, copy ← p.

    `parameter` and `velocity` have one shape, and a row is a vector along the last axis (all of a bias).
    `gradient` may be of a lower precision than they are, and so may `copy`, which takes the new values in its own type.
    `rates` [2], float64, are lr and μ: on the parameter's device, where a captured graph reads the present ones.
    The released configuration's update (Goodfellow et al. 2014): not Nesterov's, the rate inside v. The compiled
    kernels run for float32 parameters with float32 or bfloat16 gradients, plain torch elsewhere.
    """
    compiled = (
        not native.missing(parameter.device)
        and parameter.dtype == torch.float32
        and gradient.dtype in (torch.float32, torch.bfloat16)
        and (copy is None or copy.dtype == torch.bfloat16)
    )
    with torch.no_grad():
        if compiled:
            torch.ops.gantool.momentum_step(parameter, velocity, gradient, copy, rates, bound)
            return
        # A scalar on the device keeps the other's type.
        velocity.mul_(rates[1]).sub_(gradient.to(velocity.dtype) * rates[0])
        parameter.add_(velocity)
        if bound < math.inf:
            norms = parameter.norm(dim=-1, keepdim=True)
            parameter.mul_((bound / norms).clamp_(max=1.0))
        if copy is not None:
            copy.copy_(parameter)

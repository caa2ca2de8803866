"""The momentum update of one parameter in a single pass: public function; its schema is in csrc/momentum/."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from gantool.errors import UsageError
from gantool.native import load as native
from gantool.ops.checks import check_contiguous, check_float, check_same, check_shape, check_tensor
from gantool.ops.dispatch import LIBRARY


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

    Parameters and velocities are contiguous, and share no memory with each other or with what is read. Not
    differentiable: the update is no part of a graph, and autograd learns that the values have changed.
    Raises UsageError where an argument does not fit; nothing has been written then.
    """
    arguments = (parameter, velocity, gradient, copy, rates, bound)
    try:
        compiled = (
            not native.missing(parameter.device)
            and parameter.dtype == torch.float32
            and gradient.dtype in (torch.float32, torch.bfloat16)
            and (copy is None or copy.dtype == torch.bfloat16)
        )
        if compiled:
            with torch.no_grad():
                torch.ops.gantool.momentum_step(*arguments)
    except Exception:
        # The kernel's own door costs less than these checks; here they only say what it has refused.
        _check(*arguments)
        raise
    if not compiled:
        _check(*arguments)
        _plain_step(*arguments)
    if not torch.compiler.is_compiling():
        torch.autograd.graph.increment_version([parameter, velocity] if copy is None else [parameter, velocity, copy])


@torch.no_grad()
def _plain_step(
    parameter: Tensor, velocity: Tensor, gradient: Tensor, copy: Tensor | None, rates: Tensor, bound: float
) -> None:
    # A scalar on the device keeps the other's type.
    velocity.mul_(rates[1]).sub_(gradient.to(velocity.dtype) * rates[0])
    parameter.add_(velocity)
    if bound < math.inf:
        norms = parameter.norm(dim=-1, keepdim=True)
        parameter.mul_((bound / norms).clamp_(max=1.0))
    if copy is not None:
        copy.copy_(parameter)


def _check(
    parameter: Tensor, velocity: Tensor, gradient: Tensor, copy: Tensor | None, rates: Tensor, bound: float
) -> None:
    op = "momentum_step"
    written = {"parameter": parameter, "velocity": velocity} | ({} if copy is None else {"copy": copy})
    for name, value in {**written, "gradient": gradient, "rates": rates}.items():
        check_tensor(op, name, value)
        check_float(op, name, value)
        check_same(op, name, value, "parameter", parameter, dtype=name == "velocity")
        shape, axes = ((2,), "[2]") if name == "rates" else (tuple(parameter.shape), "of the shape of parameter")
        check_shape(op, name, value, axes, shape)
    for name, value in written.items():
        check_contiguous(op, name, value)
    _check_apart(op, {"gradient": gradient, "rates": rates, **written}, written)
    if rates.dtype != torch.float64:
        raise UsageError(f"{op}: rates must be float64, and is {rates.dtype}")
    if not bound > 0:
        raise UsageError(f"{op}: bound must be positive, and is {bound:g}")


def _check_apart(op: str, every: dict[str, Tensor], written: dict[str, Tensor]) -> None:
    if torch.compiler.is_compiling() or written["parameter"].is_meta:
        return

    def span(tensor: Tensor) -> range:
        return range(tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size())

    for (name, value), (other_name, other) in itertools.combinations(every.items(), 2):
        first, second = span(value), span(other)
        if (
            other_name in written
            and value.is_contiguous()
            and max(first.start, second.start) < min(first.stop, second.stop)
        ):
            raise UsageError(f"{op}: {name} must be in memory of its own, and shares some with {other_name}")


def _resolved(
    parameter: Tensor, velocity: Tensor, gradient: Tensor, copy: Tensor | None, rates: Tensor, bound: float
) -> None:
    """Refuses negative and conjugate views of what is written, and makes values of what is read.

    Torch's own rule for such views copies back into the operator's results, of which this one has none: torch 2.11
    writes past the end of its stack there.
    """
    _check(parameter, velocity, gradient, copy, rates, bound)
    torch.ops.gantool.momentum_step(parameter, velocity, gradient.resolve_neg(), copy, rates.resolve_neg(), bound)


if native.CPU.loaded:
    for _key in ("Negative", "Conjugate"):
        LIBRARY.impl("momentum_step", _resolved, _key)

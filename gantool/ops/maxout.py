"""The maxout operator: public function, fake and autograd; its schema is in csrc/library.cpp."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gantool.ops import native, reference
from gantool.ops.checks import check_float, check_nonempty, check_same, check_shape
from gantool.ops.selection import Impl, use_native


def maxout(x: Tensor, weight: Tensor, bias: Tensor, *, impl: Impl = "auto") -> Tensor:
    """Maxout units (Goodfellow et al. 2013): `max_p (x · weight[u, p] + bias[u, p])`.

    x is [B, I], weight [U, P, I], bias [U, P], all of one type and on one device; the result is [B, U] of
    that type. A tie goes to the lowest piece; a NaN piece makes its unit NaN. Differentiable in all three.
    Under autocast the three are cast first, as for torch's own linear layer.

    `impl` is "auto" (the compiled kernel where there is one), "native" or "reference". The kernel takes
    float32, bfloat16 and float16 and adds in float32; float64 is the reference's.

    Raises UsageError where a shape, type or device does not fit, or a forced "native" cannot run.
    """
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    _check(x, weight, bias)
    if not use_native("maxout", (x, weight, bias), impl):
        return reference.maxout(x, weight, bias)
    output: Tensor = torch.ops.gantool.maxout_forward(x, weight, bias)[0]
    return output


def _check(x: Tensor, weight: Tensor, bias: Tensor) -> None:
    check_float("maxout", "x", x)
    check_shape("maxout", "x", x, "[B, I]", (None, None))
    check_shape("maxout", "weight", weight, "[U, P, I]", (None, None, x.shape[1]))
    check_shape("maxout", "bias", bias, "[U, P]", (weight.shape[0], weight.shape[1]))
    check_nonempty("maxout", "weight", "piece", weight.shape[1])
    for name, tensor in (("weight", weight), ("bias", bias)):
        check_same("maxout", name, tensor, "x", x)


def _forward_fake(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    shape = (x.shape[0], weight.shape[0])
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.uint8)


def _backward_fake(
    grad: Tensor, winner: Tensor, x: Tensor, weight: Tensor, need_x: bool, need_weight: bool, need_bias: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        x.new_empty(x.shape if need_x else (0,)),
        weight.new_empty(weight.shape if need_weight else (0,)),
        weight.new_empty(weight.shape[:2] if need_bias else (0,)),
    )


def _setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
    x, weight, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # the winner has no gradient to fill with zeros
    ctx.save_for_backward(x, weight, output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, winner = ctx.saved_tensors
    needed = ctx.needs_input_grad
    grads = torch.ops.gantool.maxout_backward(grad, winner, x, weight, *needed)
    return tuple(value if need else None for value, need in zip(grads, needed, strict=True))


def _setup_backward_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.wanted = inputs[4:]


def _double_backward(ctx: Any, grad_x: Tensor, grad_weight: Tensor, grad_bias: Tensor) -> tuple[Any, ...]:
    """The backward pass is linear in grad, x and weight once the winners are fixed; a gradient penalty on a
    maxout discriminator differentiates it. In plain torch: it is rare, and differentiable once more."""
    grad, winner, x, weight = ctx.saved_tensors
    need_x, need_weight, need_bias = ctx.wanted
    shape = (x.shape[0], *weight.shape[:2])
    at = winner.long()[:, :, None]
    scattered = grad.new_zeros(shape).scatter(2, at, grad[:, :, None]).flatten(1)
    response = grad.new_zeros(shape).flatten(1)
    for_x, for_weight = torch.zeros_like(x), torch.zeros_like(weight)
    if need_x:
        response = response + grad_x @ weight.flatten(0, 1).T
        for_weight = (scattered.T @ grad_x).view_as(weight)
    if need_weight:
        response = response + x @ grad_weight.flatten(0, 1).T
        for_x = scattered @ grad_weight.flatten(0, 1)
    if need_bias:
        response = response + grad_bias.flatten()
    for_grad = response.view(shape).gather(2, at).squeeze(2)
    return for_grad, None, for_x, for_weight, None, None, None


if native.CPU.loaded:
    torch.library.register_fake("gantool::maxout_forward", _forward_fake)
    torch.library.register_fake("gantool::maxout_backward", _backward_fake)
    torch.library.register_autograd("gantool::maxout_forward", _backward, setup_context=_setup_context)
    torch.library.register_autograd("gantool::maxout_backward", _double_backward, setup_context=_setup_backward_context)

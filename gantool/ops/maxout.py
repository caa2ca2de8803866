"""The maxout operator: public function, fake and autograd; its schema is in csrc/maxout/."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gantool.errors import UsageError
from gantool.native import load as native
from gantool.ops import reference
from gantool.ops.checks import TensorLike, as_tensor, check_float, check_nonempty, check_same, check_shape
from gantool.ops.dispatch import autocast, below_autograd, connect
from gantool.ops.selection import MAX_PIECES, Impl, use_native


def maxout(x: TensorLike, weight: TensorLike, bias: TensorLike, *, impl: Impl = "auto") -> Tensor:
    """Maxout units (Goodfellow et al. 2013): `max_p (x · weight[u, p] + bias[u, p])`.

    x is [B, I], weight [U, P, I], bias [U, P], tensors or NumPy arrays, all of one type and on one device; the result
    is a tensor [B, U] of that type. A tie goes to the lowest piece; a NaN piece makes its unit NaN. Under autocast the
    three are cast first, as for torch's own linear layer.

    Differentiable in all three, any number of times, in reverse and forward mode and under torch.func; where pieces
    tie, the lowest one's derivative counts. torch.vmap runs all layers of a leading axis, on x, weight and bias or any
    of them, as one batched product.

    `impl` is "auto" (the compiled kernel where there is one), "native" or "reference". The kernel takes
    float32, bfloat16 and float16 and adds in float32; float64 is the reference's.

    Raises UsageError where a shape, type or device does not fit, or a forced "native" cannot run.
    """
    x = as_tensor("maxout", "x", x, torch.device("cpu"))
    weight, bias = (as_tensor("maxout", name, value, x.device) for name, value in (("weight", weight), ("bias", bias)))
    device = x.device.type
    if device != "meta" and torch.is_autocast_enabled(device):  # a meta tensor has no autocast to ask for
        x, weight, bias = _lowered(x, weight, bias)
    _check(x, weight, bias)
    if not use_native("maxout", (x, weight, bias), impl):
        return reference.maxout(x, weight, bias)
    output: Tensor = torch.ops.gantool.maxout_forward(x, weight, bias)[0]
    return output


def _lowered(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in autocast's type; float64 stays, as in torch's own layers."""
    dtype = torch.get_autocast_dtype(tensors[0].device.type)
    return tuple(t if t.dtype == torch.float64 else t.to(dtype) for t in tensors)


def _check(x: Tensor, weight: Tensor, bias: Tensor) -> None:
    check_float("maxout", "x", x)
    check_shape("maxout", "x", x, "[B, I]", (None, None))
    check_shape("maxout", "weight", weight, "[U, P, I]", (None, None, x.shape[1]))
    check_shape("maxout", "bias", bias, "[U, P]", (weight.shape[0], weight.shape[1]))
    check_nonempty("maxout", "weight", "piece", weight.shape[1])
    for name, tensor in (("weight", weight), ("bias", bias)):
        check_same("maxout", name, tensor, "x", x)


def _forward_fake(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    _check(x, weight, bias)
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


def _won(winner: Tensor, pieces: int) -> Tensor:
    """Which piece won, […, B, U, P]. A winner beyond the pieces, handed in from outside, stands for no piece."""
    return winner[..., None] == torch.arange(pieces, device=winner.device)


def _scatter(grad: Tensor, won: Tensor) -> Tensor:
    """The gradient of every piece […, B, U·P]: the unit's at its winner, 0 elsewhere."""
    return torch.where(won, grad[..., None], 0.0).flatten(-2)


def _plain_forward(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The forward pass in plain torch: x [B, I] or [R, B, I], the others likewise."""
    if bias.shape[-1] > MAX_PIECES:
        raise UsageError(f"maxout: the number of pieces must be between 1 and {MAX_PIECES}, and is {bias.shape[-1]}")
    rows, columns, offsets = (t if x.ndim == 3 else t[None] for t in (x, weight.flatten(-3, -2).mT, bias.flatten(-2)))
    product = torch.baddbmm(offsets[:, None], rows, columns)
    best = product.view(*product.shape[:2], *bias.shape[-2:]).max(dim=3)
    output, winner = best.values, best.indices.to(torch.uint8)
    return (output, winner) if x.ndim == 3 else (output[0], winner[0])


def _plain_backward(
    grad: Tensor, winner: Tensor, x: Tensor, weight: Tensor, need_x: bool, need_weight: bool, need_bias: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The backward pass in plain torch, of one layer or of R."""
    scattered = _scatter(grad, _won(winner, weight.shape[-2]))
    of_weight, of_bias = scattered.mT @ x, scattered.sum(dim=-2)
    none = x.new_zeros(*x.shape[:-2], 0)
    return (
        scattered @ weight.flatten(-3, -2) if need_x else none,
        of_weight.view(*of_weight.shape[:-2], *weight.shape[-3:]) if need_weight else none,
        of_bias.view(*of_bias.shape[:-1], *weight.shape[-3:-1]) if need_bias else none,
    )


def _response(
    x: Tensor, weight: Tensor, won: Tensor, d_x: Tensor | None, d_weight: Tensor | None, d_bias: Tensor | None
) -> Tensor:
    """How the outputs [B, U] move as x, weight and bias do, the winners standing: None for one that does not."""
    change = x.new_zeros(won.shape[1] * won.shape[2])
    if d_x is not None:
        change = change + d_x @ _matrix(weight).T
    if d_weight is not None:
        change = change + x @ _matrix(d_weight).T
    if d_bias is not None:
        change = change + d_bias.reshape(-1)
    return torch.where(won, change.expand(len(won), -1).view(won.shape), 0.0).sum(dim=2)


def _crossed(
    scattered: Tensor, d_x: Tensor | None, d_weight: Tensor | None, shape: torch.Size
) -> tuple[Tensor | None, Tensor | None]:
    """How the gradients of x and of weight, of that shape, move as weight and x do: each is linear in the other."""
    of_x = None if d_weight is None else scattered @ _matrix(d_weight)
    of_weight = None if d_x is None else (scattered.T @ d_x).view(shape)
    return of_x, of_weight


def _matrix(weight: Tensor) -> Tensor:
    """[U, P, I] → [U·P, I]; reshape, not flatten, which torch.autograd.functional's own vmap does not know."""
    return weight.reshape(weight.shape[0] * weight.shape[1], weight.shape[2])


class _Forward(torch.autograd.Function):
    """gantool::maxout_forward with its derivatives: (operator, x, weight, bias) → (output, winner)."""

    @staticmethod
    def forward(op: Any, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        output: tuple[Tensor, Tensor] = below_autograd(op, x, weight, bias)
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, x, weight, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # the winner has no gradient to fill with zeros
        ctx.save_for_backward(x, weight, output[1])
        ctx.save_for_forward(x, weight, output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        x, weight, winner = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        if grad is None:
            return None, None, None, None
        grads = torch.ops.gantool.maxout_backward(grad, winner, x, weight, *needed)
        return None, *(value if need else None for value, need in zip(grads, needed, strict=True))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> tuple[Tensor, None]:
        x, weight, winner = ctx.saved_tensors
        return _response(x, weight, _won(winner, weight.shape[1]), *tangents), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], op: Any, *tensors: Tensor) -> tuple[Any, Any]:
        """R layers at once: as one wider layer, as one larger batch, or as one batched product."""
        x, weight, bias = _replicas_first(in_dims[1:], tensors)
        replicas = info.batch_size
        if weight.ndim == 3 and bias.ndim == 2:
            folded = op(x.flatten(0, 1), weight, bias)
            return tuple(part.unflatten(0, (replicas, -1)) for part in folded), (0, 0)
        if x.ndim == 2 and weight.ndim == 4:
            folded = op(x, weight.flatten(0, 1), bias.expand(replicas, -1, -1).flatten(0, 1))
            return tuple(part.unflatten(1, (replicas, -1)) for part in folded), (1, 1)
        expanded = x.expand(replicas, -1, -1), weight.expand(replicas, -1, -1, -1), bias.expand(replicas, -1, -1)
        return _plain_forward(*expanded), (0, 0)


class _Backward(torch.autograd.Function):
    """gantool::maxout_backward with its derivatives: it is linear in grad, x and weight, once the winners stand.

    A gradient penalty on a maxout discriminator differentiates it. In plain torch: it is rare, and differentiable
    once more.
    """

    @staticmethod
    def forward(op: Any, *arguments: Any) -> tuple[Tensor, ...]:
        grads: tuple[Tensor, ...] = below_autograd(op, *arguments)
        return grads

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.op, ctx.wanted = inputs[0], inputs[5:]
        ctx.mark_non_differentiable(*(value for value, wanted in zip(output, ctx.wanted, strict=True) if not wanted))
        ctx.save_for_backward(*inputs[1:5])
        ctx.save_for_forward(*inputs[1:5])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        grad, winner, x, weight = ctx.saved_tensors
        won = _won(winner, weight.shape[1])
        d_x, d_weight, d_bias = (t if wanted else None for t, wanted in zip(cotangents, ctx.wanted, strict=True))
        for_x, for_weight = _crossed(_scatter(grad, won), d_x, d_weight, weight.shape)
        for_grad = _response(x, weight, won, d_x, d_weight, d_bias)
        return None, for_grad, None, for_x, for_weight, None, None, None

    @staticmethod
    def jvp(ctx: Any, _: None, d_grad: Tensor | None, __: None, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        grad, winner, x, weight = ctx.saved_tensors
        d_x, d_weight = tangents[:2]
        moved = [*_crossed(_scatter(grad, _won(winner, weight.shape[1])), d_x, d_weight, weight.shape), None]
        if d_grad is not None:
            own = ctx.op(d_grad, winner, x, weight, *ctx.wanted)
            moved = [a if b is None else a + b for a, b in zip(own, moved, strict=True)]
        return tuple(value if wanted else None for value, wanted in zip(moved, ctx.wanted, strict=True))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], op: Any, *arguments: Any) -> tuple[Any, Any]:
        """The gradients of R layers, each kind as one batched product."""
        tensors = _replicas_first(in_dims[1:5], arguments[:4])
        grad, winner, x, weight = (t if t.ndim == n else t[None] for t, n in zip(tensors, (3, 3, 3, 4), strict=True))
        grads = _plain_backward(grad, winner, x, weight, *arguments[4:])
        return tuple(g.expand(info.batch_size, *g.shape[1:]) for g in grads), (0, 0, 0)


def _replicas_first(in_dims: tuple[int | None, ...], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(t if dim is None else t.movedim(dim, 0) for t, dim in zip(tensors, in_dims, strict=True))


if native.CPU.loaded:
    torch.library.register_fake("gantool::maxout_forward", _forward_fake)
    torch.library.register_fake("gantool::maxout_backward", _backward_fake)
    connect("maxout_forward", _Forward, _plain_forward)
    connect("maxout_backward", _Backward, _plain_backward)
    autocast("maxout_forward", _lowered)

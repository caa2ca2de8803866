"""The operators' door on the Python side: one sentence names the argument, what was expected, what came."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantool.errors import UsageError

# What the public functions take.
TensorLike = Tensor | np.ndarray[Any, Any]

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def check_tensor(op: str, name: str, value: object) -> None:
    """Raises UsageError unless `value` is a torch tensor, and a dense one."""
    if not isinstance(value, Tensor):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        raise UsageError(f"{op}: {name} must be a torch.Tensor, and is a {kind}; torch.as_tensor makes one of it")
    if value.is_nested or value.layout != torch.strided:
        kind = "nested" if value.is_nested else str(value.layout)
        raise UsageError(f"{op}: {name} must be a dense tensor, and is {kind}")


def as_tensor(op: str, name: str, value: object, device: torch.device | None = None) -> Tensor:
    """A tensor as it is; a NumPy array as a tensor, on `device`, of its own type. UsageError for anything else."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "bfiu":
        array = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("="), copy=False))
        value = torch.as_tensor(array if array.flags.writeable else array.copy(), device=device)
    check_tensor(op, name, value)
    assert isinstance(value, Tensor)
    return value


def check_shape(op: str, name: str, tensor: Tensor, axes: str, sizes: tuple[int | None, ...]) -> None:
    """Raises UsageError unless `tensor` has these sizes; None stands for any size. `axes` shows: "[B, I]"."""
    expected = len(tensor.shape) == len(sizes) and all(
        size is None or size == actual for size, actual in zip(sizes, tensor.shape, strict=True)
    )
    if not expected:
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise UsageError(f"{op}: {name} must be {axes} = [{wanted}], and is {list(tensor.shape)}")


def check_nonempty(op: str, name: str, axis: str, size: int) -> None:
    """Raises UsageError where an axis that must hold something is empty."""
    if size == 0:
        raise UsageError(f"{op}: {name} must have at least one {axis}, and has none")


def check_float(op: str, name: str, tensor: Tensor) -> None:
    """Raises UsageError unless `tensor` is float32, bfloat16, float16 or float64."""
    if tensor.dtype not in _FLOATS:
        raise UsageError(f"{op}: {name} must be float32, bfloat16, float16 or float64, and is {tensor.dtype}")


def check_same(op: str, name: str, tensor: Tensor, like_name: str, like: Tensor, *, dtype: bool = True) -> None:
    """Raises UsageError unless `tensor` is on the device of `like` and, with `dtype`, of its type."""
    if tensor.device != like.device:
        raise UsageError(
            f"{op}: {name} must be on the device of {like_name} ({like.device}), and is on {tensor.device}"
        )
    if dtype and tensor.dtype != like.dtype:
        raise UsageError(f"{op}: {name} must have the type of {like_name} ({like.dtype}), and is {tensor.dtype}")


def check_contiguous(op: str, name: str, tensor: Tensor) -> None:
    """Raises UsageError unless `tensor` may be written in place: its elements one after another, and its own."""
    if not tensor.is_contiguous() or (not torch.compiler.is_compiling() and tensor.is_neg()):
        raise UsageError(f"{op}: {name} must be contiguous and no negative view, since it is updated in place")


def check_positive(op: str, name: str, tensor: Tensor) -> None:
    """Raises UsageError unless every value is positive and finite.

    Reading values stops a GPU's stream, so only CPU tensors are read, and none while torch.compile traces or torch.func
    transforms: the kernel then meets the values. On a GPU a bandwidth that is not positive makes its own row of the
    result NaN.
    """
    if tensor.device.type != "cpu" or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return
    good = (tensor > 0) & tensor.isfinite()
    if not bool(good.all()):
        bad = tensor.detach()[~good][0].item()
        raise UsageError(f"{op}: {name} must be positive and finite, and one is {bad:g}")


def check_parzen(queries: Tensor, samples: Tensor, sigmas: Tensor) -> None:
    """Raises UsageError unless queries [N, D], samples [M, D] and sigmas [S] can give a log-density."""
    op = "parzen_log_density"
    for name, value in (("queries", queries), ("samples", samples), ("sigmas", sigmas)):
        check_tensor(op, name, value)
    check_float(op, "queries", queries)
    check_shape(op, "queries", queries, "[N, D]", (None, None))
    check_shape(op, "samples", samples, "[M, D]", (None, queries.shape[1]))
    check_shape(op, "sigmas", sigmas, "[S]", (None,))
    check_same(op, "samples", samples, "queries", queries)
    check_same(op, "sigmas", sigmas, "queries", queries, dtype=False)
    check_float(op, "sigmas", sigmas)
    check_nonempty(op, "samples", "row", samples.shape[0])
    check_nonempty(op, "queries", "column", queries.shape[1])
    check_positive(op, "sigmas", sigmas)

"""Which implementation an operator call uses, and its name for results."""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor

from gantool.errors import UsageError
from gantool.native import load as native
from gantool.ops.checks import check_tensor

Impl = Literal["auto", "native", "reference"]
Operator = Literal["maxout", "parzen_log_density"]

_LOW_PRECISION: Final = (torch.float32, torch.bfloat16, torch.float16)
_NAMES: Final = {"maxout": ("x", "weight"), "parzen_log_density": ("queries", "samples")}
MAX_PIECES: Final = 256  # the winning piece is kept as uint8


def unsupported(op: Operator, tensors: tuple[Tensor, ...]) -> str:
    """Why the compiled kernel cannot take this call ("" where it can).

    `tensors` are the operator's own, in order; maxout's second one is the weight [U, P, I].
    """
    device, dtype = tensors[0].device, tensors[0].dtype
    if reason := native.missing(device):
        return reason
    if dtype == torch.float64 and op == "maxout":
        return "float64 is the reference's alone"
    if dtype not in (*_LOW_PRECISION, torch.float64):
        return f"there is no {dtype} kernel"
    if op == "maxout" and tensors[1].shape[1] > MAX_PIECES:
        return f"weight has {tensors[1].shape[1]} pieces and the kernel takes at most {MAX_PIECES}"
    return ""


def use_native(op: Operator, tensors: tuple[Tensor, ...], impl: str) -> bool:
    """True where the compiled kernel is to run.

    Raises UsageError for an unknown `impl`, and for a forced `native` that cannot run.
    """
    if impl not in get_args(Impl):
        raise UsageError(f"impl must be auto, native or reference, and is {impl!r}")
    if impl == "reference":
        return False
    reason = unsupported(op, tensors)
    if reason and impl == "native":
        raise UsageError(f"{op} cannot run with impl='native': {reason}")
    # In float64 a CPU's matrix library outruns our differences: 0.11 s against 0.18 s for 1,000 × 3,000 × 784.
    slower = impl == "auto" and tensors[0].dtype == torch.float64 and tensors[0].device.type == "cpu"
    return not (reason or slower)


def selected_impl(op: Operator, *tensors: Tensor, impl: Impl = "auto") -> str:
    """The name of what a call with these tensors runs: "native (avx512)", "reference (torch)" and the like.

    `tensors` are the operator's first two arguments, in order: x and weight, or queries and samples. For a density it
    is the dense pass: whether a call is screened depends on its bandwidths too, and `parzen_certified` says.
    Raises UsageError as the call itself would.
    """
    for name, tensor in zip(_NAMES[op], tensors, strict=False):
        check_tensor(op, name, tensor)
    if not use_native(op, tensors, impl):
        return "reference (torch)"
    return f"native ({_native_variant(op, tensors)})"


def _native_variant(op: Operator, tensors: tuple[Tensor, ...]) -> str:
    device = tensors[0].device
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"cuda sm_{major}{minor}"
    if op == "maxout":
        return str(torch.ops.gantool.maxout_variant(tensors[0], tensors[1].shape[1]))
    return str(torch.ops.gantool.parzen_variant(tensors[0], tensors[1]))

"""The Parzen window operator: public function, fake and autograd; its schema is in csrc/library.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gantool.ops import native, reference
from gantool.ops.checks import check_float, check_nonempty, check_positive, check_same, check_shape
from gantool.ops.selection import Impl, use_native


def parzen_log_density(
    queries: Tensor, samples: Tensor, sigmas: Tensor | Sequence[float], *, impl: Impl = "auto"
) -> Tensor:
    """Log-density in nats of each query under a Gaussian Parzen window, for every bandwidth in one pass.

    `log p(q) = log mean_j exp(−‖q − s_j‖² / 2σ²) − (D/2)·log(2πσ²)` (Goodfellow et al. 2014, section 5).

    queries is [N, D], samples [M, D], of one type and on one device; sigmas [S] holds the bandwidths, in
    the data's units, as a tensor of any floating type or a sequence. The result is [S, N], float32 for
    types up to 32 bits and float64 for float64. Memory beyond inputs and result stays bounded: no N×M
    matrix. Differentiable in all three, in the same memory. Autocast is left out: a density needs float32.

    A query holding a NaN gets NaN, alone; a far one stays finite; a sample holding a NaN makes all NaN.
    Data that spread over far more than sqrt(1e6)·sigma lose digits to cancellation; use float64 there.

    `impl` is "auto" (the compiled kernel where there is one), "native" or "reference".
    Raises UsageError where a shape, type, device or bandwidth does not fit, or a forced "native" cannot run.
    """
    if not isinstance(sigmas, Tensor):
        sigmas = torch.tensor(sigmas, dtype=torch.float64, device=queries.device)
    _check(queries, samples, sigmas)
    if not use_native("parzen_log_density", (queries, samples, sigmas), impl):
        specified: Tensor = reference.parzen_log_density(queries, samples, sigmas)
        return specified
    sigmas = sigmas.to(reference.compute_dtype(queries.dtype))
    compiled: Tensor = torch.ops.gantool.parzen_log_density(queries, samples, sigmas)
    return compiled


def _check(queries: Tensor, samples: Tensor, sigmas: Tensor) -> None:
    op = "parzen_log_density"
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


def _setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    needed = ctx.needs_input_grad
    grads = reference.parzen_backward(grad, *ctx.saved_tensors, *needed)
    return tuple(value if need else None for value, need in zip(grads, needed, strict=True))


reference.parzen_log_density.register_autograd(_backward, setup_context=_setup_context)

if native.CPU.loaded:
    torch.library.register_fake("gantool::parzen_log_density", reference.parzen_fake)
    torch.library.register_autograd("gantool::parzen_log_density", _backward, setup_context=_setup_context)

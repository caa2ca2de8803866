"""The Parzen window operator: public function, fake and autograd; its schema is in csrc/parzen/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gantool.errors import UsageError
from gantool.native import load as native
from gantool.ops import reference
from gantool.ops.checks import TensorLike, as_tensor, check_parzen
from gantool.ops.dispatch import below_autograd, connect, one_by_one
from gantool.ops.distances import compute_dtype
from gantool.ops.parzen_derivatives import Direction, along, hessian_product
from gantool.ops.selection import Impl, selected_impl, unsupported, use_native

# What a call may leave out by default, in nats.
ALLOWED_REMAINDER: Final = 1e-4


class CertifiedDensity(NamedTuple):
    """Log-densities with what was left out of them.

    `log_density` is [S, N] nats. `remainder` [S, N], float64 nats, bounds from above what the samples left out could
    have added: the exact value lies between `log_density` and `log_density + remainder`, but for the rounding of
    exponentials (below 1e-6) and of the result. It is 0 where the dense pass ran, whose own error is that of
    :func:`parzen_log_density`. `impl` names what ran: "native (avx512-vnni, screened)", "native (avx512)" …
    """

    log_density: Tensor
    remainder: Tensor
    impl: str


def parzen_certified(
    queries: TensorLike,
    samples: TensorLike,
    sigmas: Tensor | Sequence[float] | float,
    *,
    allowed: float = ALLOWED_REMAINDER,
    impl: Impl = "auto",
) -> CertifiedDensity:
    """The log-density of :func:`parzen_log_density`, with an upper bound on what was left out of it.

    On a CPU, samples that together could not add `allowed` nats to a log-density are found by lower bounds on their
    distances and left out; those that remain are summed in float64. At narrow bandwidths that is a tenth of the work.
    A call where it would not pay takes the dense pass, as does `allowed` = 0, any other device and impl="reference".
    Arguments as in :func:`parzen_log_density`; no gradient flows through the result.
    Raises UsageError as it does, and where `allowed` is not from 0 to 0.1.
    """
    if not 0 <= allowed <= 0.1:
        raise UsageError(f"parzen_certified: allowed must be nats from 0 to 0.1, and is {allowed:g}")
    queries, samples, sigmas = _checked(queries, samples, sigmas)
    with torch.no_grad():
        return _by_kernel(queries, samples, sigmas, allowed, impl) or _dense(queries, samples, sigmas, impl)


def parzen_screened(
    queries: Tensor, samples: Tensor, sigmas: Tensor, *, allowed: float = ALLOWED_REMAINDER, impl: Impl = "auto"
) -> CertifiedDensity | None:
    """As :func:`parzen_certified` where the call is screened, and None, computing nothing, where it would not be."""
    with torch.no_grad():
        return _by_kernel(*_checked(queries, samples, sigmas), allowed, impl, or_nothing=True)


def _by_kernel(
    queries: Tensor, samples: Tensor, sigmas: Tensor, allowed: float, impl: Impl, or_nothing: bool = False
) -> CertifiedDensity | None:
    """The call by the compiled CPU kernels; None where they do not take it, or where torch's dense pass is due."""
    tensors = (queries, samples, sigmas)
    # In float64 torch's products are faster than our dense pass.
    float64 = queries.dtype == torch.float64 and impl == "auto" and not unsupported("parzen_log_density", tensors)
    if queries.device.type != "cpu" or not (float64 or use_native("parzen_log_density", tensors, impl)):
        return None
    density, remainder, way = torch.ops.gantool.parzen_certified(
        queries, samples, sigmas.to(compute_dtype(queries.dtype)), allowed, not (float64 or or_nothing)
    )
    return CertifiedDensity(density, remainder, f"native ({way})") if way else None


def _dense(queries: Tensor, samples: Tensor, sigmas: Tensor, impl: Impl) -> CertifiedDensity:
    """By what does not screen: the reference, or the kernels of another device."""
    ran = selected_impl("parzen_log_density", queries, samples, impl=impl)
    operator = torch.ops.gantool.parzen_log_density_reference
    if use_native("parzen_log_density", (queries, samples, sigmas), impl):
        sigmas, operator = sigmas.to(compute_dtype(queries.dtype)), torch.ops.gantool.parzen_log_density
    density = operator(queries, samples, sigmas)
    return CertifiedDensity(density, torch.zeros_like(density, dtype=torch.float64), ran)


def parzen_log_density(
    queries: TensorLike, samples: TensorLike, sigmas: Tensor | Sequence[float] | float, *, impl: Impl = "auto"
) -> Tensor:
    """Log-density in nats of each query under a Gaussian Parzen window, for every bandwidth in one pass.

    `log p(q) = log mean_j exp(−‖q − s_j‖² / 2σ²) − (D/2)·log(2πσ²)` (Goodfellow et al. 2014, section 5).

    queries is [N, D], samples [M, D], tensors or NumPy arrays, of one type and on one device; sigmas [S] holds the
    bandwidths, in the data's units, as a tensor of any floating type or a sequence; a number is one bandwidth. The
    result is [S, N], float32 for types up to 32 bits and float64 for float64. Memory beyond inputs and result stays
    bounded: no N×M matrix. Autocast is left out: a density needs float32.

    Differentiable in all three, in the same memory, in reverse mode twice and in forward mode once, of the gradient
    too; what is beyond goes through plain torch and keeps N×M matrices, but for forward mode within forward mode
    (torch.func.jacfwd of jacfwd), which raises NotImplementedError. torch.vmap takes queries of a leading axis as more
    rows, and anything else one entry after another.

    A query holding a NaN or an infinity gets NaN, alone; a far one stays finite; a sample holding a NaN makes all NaN.
    Wherever coordinates lie, a result errs by at most 2e-3·(0.2/σ)² nats and its own last rounding: queries whose
    distances would lose more to cancellation are computed again from differences in float64, which is slower. On a
    CPU, a call where few samples matter is screened: at most 1e-4 nats are left out, and the rest is exact
    (:func:`parzen_certified`).

    `impl` is "auto" (the compiled kernel where there is one that is faster: not for float64 on a CPU), "native" or
    "reference".
    Raises UsageError where a shape, type, device or bandwidth does not fit, or a forced "native" cannot run.
    """
    queries, samples, sigmas = _checked(queries, samples, sigmas)
    if not use_native("parzen_log_density", (queries, samples, sigmas), impl):
        if impl == "auto" and _plain(queries, samples, sigmas):
            screened = parzen_screened(queries, samples, sigmas)
            if screened is not None:
                return screened.log_density
        specified: Tensor = torch.ops.gantool.parzen_log_density_reference(queries, samples, sigmas)
        return specified
    sigmas = sigmas.to(compute_dtype(queries.dtype))
    compiled: Tensor = torch.ops.gantool.parzen_log_density(queries, samples, sigmas)
    return compiled


def _checked(
    queries: TensorLike, samples: TensorLike, sigmas: Tensor | Sequence[float] | float
) -> tuple[Tensor, Tensor, Tensor]:
    queries = as_tensor("parzen_log_density", "queries", queries, torch.device("cpu"))
    samples = as_tensor("parzen_log_density", "samples", samples, queries.device)
    if not isinstance(sigmas, Tensor):
        sigmas = _numbers(sigmas, queries.device)
    if sigmas.ndim == 0:
        sigmas = sigmas[None]
    check_parzen(queries, samples, sigmas)
    return queries, samples, sigmas


def _plain(*tensors: Tensor) -> bool:
    """Whether a call is for its value alone: nothing differentiates, maps or traces it."""
    watched = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    layered = torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0
    return not (watched or layered or torch.compiler.is_compiling())


def _numbers(sigmas: Sequence[float] | float, device: torch.device) -> Tensor:
    try:
        return torch.tensor(sigmas, dtype=torch.float64, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"parzen_log_density: sigmas must be numbers, and are {sigmas!r}") from error


class _Density(torch.autograd.Function):
    """A log-density operator with its derivatives: (operator, queries, samples, sigmas) → log-density."""

    @staticmethod
    def forward(op: Any, queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
        density: Tensor = below_autograd(op, queries, samples, sigmas)
        return density

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        if grad is None:
            return None, None, None, None
        grads = torch.ops.gantool.parzen_backward(grad, *ctx.saved_tensors, *needed)
        return None, *(value if need else None for value, need in zip(grads, needed, strict=True))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
        queries, samples, sigmas = ctx.saved_tensors
        return along(queries, samples, sigmas, Direction(*tangents))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], op: Any, *tensors: Tensor) -> tuple[Any, Any]:
        if in_dims[2:] != (None, None):
            return one_by_one(info, in_dims, op, *tensors)
        queries, samples, sigmas = tensors
        rows = queries.movedim(in_dims[1] or 0, 0)
        return op(rows.flatten(0, 1), samples, sigmas).unflatten(1, rows.shape[:2]), 1


class _Gradient(torch.autograd.Function):
    """gantool::parzen_backward with its derivatives."""

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
        grad, queries, samples, sigmas = ctx.saved_tensors
        direction = Direction(*(t if wanted else None for t, wanted in zip(cotangents, ctx.wanted, strict=True)))
        for_grad = along(queries, samples, sigmas, direction).to(grad.dtype)
        return None, for_grad, *hessian_product(grad, queries, samples, sigmas, direction), None, None, None

    @staticmethod
    def jvp(ctx: Any, _: None, d_grad: Tensor | None, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        grad, queries, samples, sigmas = ctx.saved_tensors
        moved = list(hessian_product(grad, queries, samples, sigmas, Direction(*tangents[:3])))
        if d_grad is not None:
            own = ctx.op(d_grad, queries, samples, sigmas, *ctx.wanted)
            moved = [a + b if wanted else a for a, b, wanted in zip(moved, own, ctx.wanted, strict=True)]
        return tuple(value if wanted else None for value, wanted in zip(moved, ctx.wanted, strict=True))

    vmap = staticmethod(one_by_one)


def _no_rule(*_: Any) -> Any:
    raise NotImplementedError(
        "parzen_log_density has no forward mode within forward mode and no functionalize: "
        "take one of the two derivatives by reverse mode, with torch.func.grad or torch.func.jacrev"
    )


connect("parzen_log_density_reference", _Density, _no_rule)
connect("parzen_backward", _Gradient, _no_rule)

if native.CPU.loaded:
    torch.library.register_fake("gantool::parzen_log_density", reference.parzen_fake)
    connect("parzen_log_density", _Density, _no_rule)

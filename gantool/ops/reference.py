"""The specification of both operators: their equations in plain torch, on any device, in bounded memory.

The compiled kernels are tested against this file and fall back on it; it needs no compiler.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gantool.ops.checks import check_float, check_parzen, check_same, check_shape
from gantool.ops.distances import Distances, compute_dtype, ways


def maxout(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Maxout units: `max_p (x · weight[u, p] + bias[u, p])` (Goodfellow et al. 2013).

    x is [B, I], weight [U, P, I], bias [U, P]; the result is [B, U]. Where pieces tie, the gradient goes
    to the lowest one, and a NaN piece makes the unit NaN.
    """
    units, pieces, inputs = weight.shape
    flat = torch.nn.functional.linear(x, weight.reshape(units * pieces, inputs), bias.reshape(-1))
    return flat.view(x.shape[0], units, pieces).max(dim=2).values


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Products in the type of their operands: no autocast, no TF32, no bfloat16 behind float32's name.

    One TF32 product moves a log-density by about a nat at sigma = 0.2, and `set_float32_matmul_precision`
    switches it on for the whole process, on CPUs with matrix units as well.
    """
    backends: Any = torch.backends
    backend = backends.cuda.matmul if device.type == "cuda" else backends.mkldnn.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        backend.fp32_precision = before


def _normaliser(sigmas: Tensor, sample_count: int, dimension: int) -> Tensor:
    """log M + (D/2)·log(2πσ²) as [S, 1] float64: what separates the log-sum-exp from the log-density."""
    sigma = sigmas.detach().to(torch.float64)[:, None]
    return math.log(sample_count) + 0.5 * dimension * math.log(2 * math.pi) + dimension * sigma.log()


def _rates(sigmas: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """1/(2σ²) for each bandwidth: S scalars, squared in float64, kept within the computing type: a distance of 0 times
    an infinite rate, or an infinite one times none, would be NaN."""
    limits = torch.finfo(dtype)
    exact = 0.5 / sigmas.detach().to(torch.float64).square()
    return list(exact.clamp(limits.tiny, limits.max).to(dtype).unbind())


def _exp(exponent: Tensor) -> Tensor:
    """exp in place, stopping short of denormal numbers: those are ten times slower and add nothing to a
    sum whose largest term is 1."""
    return exponent.clamp_(min=math.log(torch.finfo(exponent.dtype).tiny) + 1.0).exp_()


def _drop_negligible(kernel: Tensor) -> Tensor:
    """Weights below 1e-33 of the whole become 0 in place, so that products with them are not denormal."""
    return torch.threshold_(kernel, torch.finfo(kernel.dtype).tiny * 1e5, 0.0)


def parzen_log_density(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    """Log-density of each query under a Gaussian Parzen window on the samples, for every bandwidth.

    `log p(q) = log mean_j exp(−‖q − s_j‖² / 2σ²) − (D/2)·log(2πσ²)` (Breuleux, Bengio and Vincent 2011;
    Goodfellow et al. 2014, section 5). queries [N, D], samples [M, D], sigmas [S] → [S, N] in nats.

    The least squared distance seen so far is the reference point of every bandwidth's sum, because exp is
    monotone: its own term is exp(0) = 1, so no sum underflows and a far query stays finite.
    """
    check_parzen(queries, samples, sigmas)
    normaliser = _normaliser(sigmas, samples.shape[0], samples.shape[1])
    density = torch.empty(sigmas.shape[0], queries.shape[0], dtype=torch.float64, device=queries.device)
    pending = torch.arange(queries.shape[0], device=queries.device)
    with _full_precision(queries.device):
        for distances in ways(queries, samples):
            distances.queries = queries[pending]
            sums, lost = _log_sums(distances, sigmas)
            density[:, pending] = sums - normaliser
            pending = pending[lost]
            if not pending.numel():
                break
    # A far query saturates rather than overflows; one that is not a number, or infinite, is NaN.
    dtype = compute_dtype(queries.dtype)
    density.clamp_(min=torch.finfo(dtype).min)
    return (density + (queries.double() * 0.0).sum(dim=1)).to(dtype)


def _log_sums(distances: Distances, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """log Σ_j exp(−d²/2σ²) as [S, N] float64, and which queries lost too many digits [N]."""
    rates = _rates(sigmas, distances.dtype)
    total = distances.queries.shape[0]
    result = torch.empty(len(rates), total, dtype=torch.float64, device=sigmas.device)
    lost = torch.zeros(total, dtype=torch.bool, device=sigmas.device)
    for part, query in distances.query_chunks(distances.query_rows):
        least = torch.full_like(query.norms, math.inf)
        sums = query.norms.new_zeros(len(rates), query.norms.shape[0])
        for _, sample in distances.sample_chunks():
            tile = distances.tile(query, sample)
            nearer = torch.minimum(least, tile.amin(dim=1))
            tile -= nearer[:, None]
            for rate, row in zip(rates, sums, strict=True):
                row *= ((nearer - least) * rate).exp_()
                row += _exp(tile * -rate).sum(dim=1)
            least = nearer
        # The sum of three large terms of either sign: float64 keeps their rounding out of the result.
        exponent = least.double() * torch.stack(rates).double()[:, None] if rates else sums.double()
        result[:, part] = sums.double().log() - exponent
        lost[part] = distances.lost(query.norms, least, sigmas)
    return result, lost


def parzen_fake(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    """The result's shape and type alone, for torch.compile."""
    return queries.new_empty(sigmas.shape[0], queries.shape[0], dtype=compute_dtype(queries.dtype))


torch.library.define(
    "gantool::parzen_log_density_reference", "(Tensor queries, Tensor samples, Tensor sigmas) -> Tensor"
)
torch.library.impl("gantool::parzen_log_density_reference", "default", parzen_log_density)
torch.library.register_fake("gantool::parzen_log_density_reference", parzen_fake)


def parzen_backward(
    grad: Tensor,
    queries: Tensor,
    samples: Tensor,
    sigmas: Tensor,
    need_queries: bool,
    need_samples: bool,
    need_sigmas: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `sum(grad · log_density)` in queries, samples and sigmas.

    With w_ij = softmax_j(−‖q_i − s_j‖² / 2σ²): ∂/∂q_i = Σ_j w_ij (s_j − q_i)/σ²,
    ∂/∂s_j = Σ_i w_ij (q_i − s_j)/σ², ∂/∂σ = Σ_ij w_ij (‖q_i − s_j‖²/σ² − D)/σ.
    A few queries at a time keep all their distances, so that weights are normalised by their own sum: taken
    from the saved log-density they would inherit its rounding, which is 3 % at −256,000 nats. Bandwidths
    share one weight tile, so that S of them cost as many products as one. A gradient that is not needed
    comes back with no elements.
    """
    check_parzen(queries, samples, sigmas)
    check_float("parzen_backward", "grad", grad)
    check_shape("parzen_backward", "grad", grad, "[S, N]", (sigmas.shape[0], queries.shape[0]))
    check_same("parzen_backward", "grad", grad, "queries", queries, dtype=False)
    with _full_precision(queries.device):
        for distances in ways(queries, samples):
            found = _gradients(distances, grad, sigmas, need_queries, need_samples)
            if found is not None:
                break
    assert found is not None  # the last way loses nothing
    grad_queries, grad_samples, moments = found
    sigma = sigmas.to(torch.float64)
    grad_sigmas = moments / sigma**3 - grad.double().sum(dim=1) * samples.shape[1] / sigma
    return (
        grad_queries.to(queries.dtype),
        grad_samples.to(samples.dtype),
        grad_sigmas.to(sigmas.dtype) if need_sigmas else sigmas.new_zeros(0),
    )


def _gradients(
    distances: Distances, grad: Tensor, sigmas: Tensor, need_queries: bool, need_samples: bool
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Gradients in queries and samples, and Σ grad · w · d² for each bandwidth; None where digits were lost."""
    queries, samples = distances.queries, distances.samples
    rates = _rates(sigmas, distances.dtype)
    grad_queries = distances.centre.new_zeros(queries.shape if need_queries else (0,))
    grad_samples = distances.centre.new_zeros(samples.shape if need_samples else (0,))
    moments = torch.zeros(len(rates), dtype=torch.float64, device=queries.device)
    for part, query in distances.query_chunks(distances.whole_rows):
        squared = query.norms.new_empty(query.norms.shape[0], samples.shape[0])
        for columns, sample in distances.sample_chunks():
            squared[:, columns] = distances.tile(query, sample)
        lost = bool(distances.lost(query.norms, squared.amin(dim=1), sigmas).any())
        if lost or distances.coarse(query.norms, sigmas):
            return None
        weights = _pull_weights(squared, rates, grad[:, part], moments)
        mass = weights.sum(dim=1, keepdim=True)
        pulled = -mass * query.values
        for columns, sample in distances.sample_chunks():
            weight = weights[:, columns]
            if need_queries:
                pulled += weight @ sample.values
            if need_samples:
                mass = weight.sum(dim=0)[:, None]
                grad_samples[columns] += weight.T @ query.values - mass * sample.values
        if need_queries:
            grad_queries[part] = pulled
    return grad_queries, grad_samples, moments


def _pull_weights(squared: Tensor, rates: list[Tensor], grad: Tensor, moments: Tensor) -> Tensor:
    """Σ_σ grad · w / σ² as [n, M] from the distances [n, M] of n queries, which are spent, and `grad` [S, n]; adds
    Σ grad · w · d² to `moments` [S]."""
    least = squared.amin(dim=1, keepdim=True)
    squared -= least
    weights = torch.zeros_like(squared)
    for row, rate in enumerate(rates):
        kernel = _drop_negligible(_exp(squared * -rate))
        share = grad[row].to(kernel.dtype) / kernel.sum(dim=1)
        kernel *= share[:, None]
        moments[row] += torch.dot(kernel.flatten(), squared.flatten())
        moments[row] += torch.dot(grad[row].double(), least[:, 0].double())
        weights.addcmul_(kernel, 2 * rate)
    return weights


def _parzen_backward_fake(
    grad: Tensor,
    queries: Tensor,
    samples: Tensor,
    sigmas: Tensor,
    need_queries: bool,
    need_samples: bool,
    need_sigmas: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        queries.new_empty(queries.shape if need_queries else (0,)),
        samples.new_empty(samples.shape if need_samples else (0,)),
        sigmas.new_empty(sigmas.shape if need_sigmas else (0,)),
    )


torch.library.define(
    "gantool::parzen_backward",
    "(Tensor grad, Tensor queries, Tensor samples, Tensor sigmas, bool need_queries, bool need_samples, "
    "bool need_sigmas) -> (Tensor, Tensor, Tensor)",
)
torch.library.impl("gantool::parzen_backward", "default", parzen_backward)
torch.library.register_fake("gantool::parzen_backward", _parzen_backward_fake)

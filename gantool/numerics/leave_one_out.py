"""Each sample's log-density under all the others: what chooses sigma where there are no validation rows.

Duin 1976, "On the choice of smoothing parameters for Parzen estimators of probability density functions".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from gantool.ops import Impl, parzen_log_density

# Takes sigmas [S] and gives log-densities [S, n] of some rows at a time, float64 nats, differentiable in sigmas
# (float64, on any device).
Blocks = Callable[[torch.Tensor], Iterator[torch.Tensor]]

# Samples in one block: the dense part is then a few per cent of the work, in a few megabytes.
_BLOCK_ROWS = 500


def leave_one_out(samples: torch.Tensor, impl: Impl = "auto") -> Blocks:
    """Blocks of log p_{−i}(s_i), the density of each sample of [M, D] under the other M − 1; M is 2 or more.

    A block's samples are queries against all samples outside the block through the operator; within the block the
    pairs are summed in float64 without the diagonal.
    """
    count = len(samples)
    # Blocks of nearly equal size: none is left with a single row.
    bounds = [int(part[0]) for part in torch.arange(count, device="cpu").tensor_split(-(-count // _BLOCK_ROWS))]

    def blocks(sigmas: torch.Tensor) -> Iterator[torch.Tensor]:
        for start, end in zip(bounds, [*bounds[1:], count], strict=True):
            block, sigmas = samples[start:end], sigmas.to(samples.device)
            total = _within(block, sigmas)
            if len(block) < count:
                others = torch.cat((samples[:start], samples[end:]))
                outside = parzen_log_density(block, others, sigmas, impl=impl).double() + math.log(len(others))
                total = torch.logaddexp(total, outside)
            yield total - math.log(count - 1)

    return blocks


def _within(block: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """log Σ_{j≠i} N(s_i; s_j, σ²I) over the block [n, D] alone: [S, n] float64."""
    count, dimension = block.shape
    # Without the common offset the products cancel nothing that float64 would miss.
    rows = block.double() - block.double().mean(dim=0)
    norms = rows.square().sum(dim=1)
    squared = (norms[:, None] + norms - 2 * rows @ rows.T).clamp_(min=0)
    # The flat matrix without its first element, in rows of n + 1, has the diagonal as its last column.
    apart = squared.flatten()[1:].view(count - 1, count + 1)[:, :-1].reshape(count, count - 1)
    sigma = sigmas.double()[:, None]
    exponents = -apart / (2 * sigma[:, :, None].square())
    return torch.logsumexp(exponents, dim=2) - 0.5 * dimension * torch.log(2 * math.pi * sigma.square())

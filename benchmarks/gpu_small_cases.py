"""One small case for each CUDA kernel and element type: what `gpu_check.py` runs under compute-sanitizer."""

from __future__ import annotations

import math
import os

# Before torch starts: every tensor then has an allocation of its own, and a read past its end is seen.
os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"

import torch

from gantool.ops import maxout, parzen_log_density
from gantool.ops.momentum import momentum_step

LOW_PRECISION = (torch.float32, torch.bfloat16, torch.float16)


def main() -> None:
    rng = torch.Generator().manual_seed(0)

    def rows(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.rand(*shape, generator=rng).to("cuda", dtype)

    for dtype in LOW_PRECISION:
        # Aligned rows, odd ones, and a unit of more pieces than a tile has columns.
        for batch, inputs, units, pieces in ((130, 64, 30, 5), (7, 33, 5, 3), (3, 20, 2, 200)):
            leaves = [
                rows(*shape, dtype=dtype) for shape in ((batch, inputs), (units, pieces, inputs), (units, pieces))
            ]
            for leaf in leaves:
                leaf.requires_grad_()
            maxout(*leaves, impl="native").sum().backward()
    for dtype in (*LOW_PRECISION, torch.float64):
        for queries, samples, dimension in ((130, 300, 40), (3, 700, 17)):
            parzen_log_density(
                rows(queries, dimension, dtype=dtype), rows(samples, dimension, dtype=dtype), [0.2, 1.0], impl="native"
            )
    pixels = (rows(140, 50) * 255).round() / 255
    parzen_log_density(pixels, pixels, [0.2], impl="native")
    parzen_log_density(pixels * 1e4, pixels * 1e4 + 1, [1.0], impl="native")
    rates = torch.tensor([0.1, 0.5], dtype=torch.float64, device="cuda")
    for shape in ((5, 3), (33, 5, 784), (7,)):
        for dtype in (torch.float32, torch.bfloat16):
            for bound in (math.inf, 0.9):
                copy = torch.empty(shape, dtype=torch.bfloat16, device="cuda")
                momentum_step(rows(*shape), rows(*shape), rows(*shape, dtype=dtype), rates, bound=bound, copy=copy)
    torch.cuda.synchronize()
    print("every kernel ran")


if __name__ == "__main__":
    main()

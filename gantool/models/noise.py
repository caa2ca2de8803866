"""The noise prior p_z that feeds a generator."""

from __future__ import annotations

import math

import torch

from gantool.config import NoiseConfig


def draw_noise(
    noise: NoiseConfig, count: int, rng: torch.Generator, *, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Draws `count` noise vectors: [count, noise.dimension], on the device of `rng`.

    uniform: U(−√3, √3) a coordinate, as in the released configuration; gaussian: N(0, 1); spherical: a Gaussian
    direction scaled to length √dimension. All have mean 0 and variance 1 a coordinate.
    """
    z = torch.empty(count, noise.dimension, dtype=dtype, device=rng.device)
    if noise.distribution == "uniform":
        return z.uniform_(-math.sqrt(3.0), math.sqrt(3.0), generator=rng)
    z.normal_(generator=rng)
    if noise.distribution == "spherical":
        z.mul_(math.sqrt(noise.dimension) / z.norm(dim=1, keepdim=True).clamp_min_(torch.finfo(dtype).tiny))
    return z

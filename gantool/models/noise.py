"""The noise prior p_z that feeds a generator."""

from __future__ import annotations

import math

import torch

from gantool.config import NoiseConfig

# The ends of each coordinate's range.
_CUBES = {"uniform": (-math.sqrt(3.0), math.sqrt(3.0)), "unit-cube": (0.0, 1.0), "symmetric": (-1.0, 1.0)}


def draw_noise(
    noise: NoiseConfig, count: int, rng: torch.Generator, *, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Draws `count` noise vectors: [count, noise.dimension], on the device of `rng`.

    uniform: U(−√3, √3) a coordinate, as in the released configuration; unit-cube: U(0, 1); symmetric: U(−1, 1);
    gaussian: N(0, 1); spherical: a Gaussian direction scaled to length `radius`, √dimension where that is unset.
    """
    z = torch.empty(count, noise.dimension, dtype=dtype, device=rng.device)
    if noise.distribution in _CUBES:
        return z.uniform_(*_CUBES[noise.distribution], generator=rng)
    return on_sphere(z.normal_(generator=rng), noise)


def within(z: torch.Tensor, noise: NoiseConfig) -> torch.Tensor:
    """The points of the prior's support nearest to z […, Z]."""
    return z.clamp(*_CUBES[noise.distribution]) if noise.distribution in _CUBES else on_sphere(z, noise)


def on_sphere(z: torch.Tensor, noise: NoiseConfig) -> torch.Tensor:
    """z […, Z], and under the spherical prior each vector scaled to the prior's radius."""
    if noise.distribution != "spherical":
        return z
    radius = math.sqrt(noise.dimension) if noise.radius is None else noise.radius
    lengths = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z.mul(radius / lengths.clamp_min(torch.finfo(z.dtype).tiny))

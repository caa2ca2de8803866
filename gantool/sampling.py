"""Rows out of a generator: samples, interpolations between two z, and the training rows nearest to them."""

from __future__ import annotations

import math

import torch
from torch import nn

from gantool.config import NoiseConfig
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.models.noise import draw_noise
from gantool.numerics.neighbours import nearest
from gantool.seeds import derive_seed


def generate(
    generator: nn.Module,
    noise: NoiseConfig,
    count: int,
    *,
    seed: int,
    device: torch.device | str,
    batch_size: int = 1000,
) -> torch.Tensor:
    """Draws z from the prior and returns G(z): [count, D] float32 on `device`, in the data's units.

    All noise is drawn at once and on the CPU, so that one seed means the same z on every device and for every
    `batch_size`. Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"The number of samples must be 1 or more, but is {count}.")
    return _apply(generator, draw_noise(noise, count, _rng(seed, "samples")), device, batch_size)


def interpolate(
    generator: nn.Module,
    noise: NoiseConfig,
    rows: int,
    steps: int,
    *,
    seed: int,
    device: torch.device | str,
) -> torch.Tensor:
    """G along straight lines between two z, a pair for each row: [rows, steps, D] (Goodfellow et al. 2014, Figure 3).

    The first and last of the `steps` are the two ends. Under the spherical prior the points between are scaled
    back to the sphere, where all of its mass is. Raises UsageError for fewer than one row or two steps.
    """
    if rows < 1 or steps < 2:
        raise UsageError(f"An interpolation needs 1 row and 2 steps at least, but is asked for {rows} and {steps}.")
    ends = draw_noise(noise, 2 * rows, _rng(seed, "interpolation")).view(rows, 2, 1, noise.dimension)
    weight = torch.linspace(0.0, 1.0, steps, dtype=ends.dtype, device=ends.device)[:, None]
    z = torch.lerp(ends[:, 0], ends[:, 1], weight)
    if noise.distribution == "spherical":
        tiny = torch.finfo(z.dtype).tiny
        z = z * (math.sqrt(noise.dimension) / z.norm(dim=2, keepdim=True).clamp_min(tiny))
    return _apply(generator, z.flatten(0, 1), device, batch_size=1000).view(rows, steps, -1)


def nearest_training(samples: torch.Tensor, dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """The training row nearest to each sample [n, D]: (indices [n] int64, Euclidean distances [n] float64), on the CPU.

    Exhaustive and exact; a tie goes to the lowest index. Raises UsageError for samples of another width.
    """
    if samples.ndim != 2 or samples.shape[1] != dataset.dimension:
        raise UsageError(
            f"The samples have shape {tuple(samples.shape)} and the rows of {dataset.name} have {dataset.dimension} "
            f"values: only samples of the same data have a nearest training row."
        )
    return nearest(samples, dataset.values(dataset.train.stored))


def _rng(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, purpose))


def _apply(generator: nn.Module, z: torch.Tensor, device: torch.device | str, batch_size: int) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([generator(part.to(device)).float() for part in torch.split(z, batch_size)])

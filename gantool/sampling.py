"""Rows out of a generator: samples, interpolations between two z, walks, and the training rows nearest to them."""

from __future__ import annotations

import torch
from torch import nn

from gantool.config import NoiseConfig
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.models.noise import draw_noise, on_sphere
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
    return _apply(generator, on_sphere(z, noise).flatten(0, 1), device).view(rows, steps, -1)


def latent_walk(
    generator: nn.Module,
    noise: NoiseConfig,
    loops: int,
    *,
    stops: int = 5,
    frames: int = 12,
    seed: int,
    device: torch.device | str,
) -> torch.Tensor:
    """G along `loops` closed loops, each through `stops` draws of z: [stops · frames, loops, D] float32.

    Between two stops the way is straight and eased (3t² − 2t³), so that it rests a little at each; the frame after the
    last one would be the first again. Under the spherical prior the points between are scaled back to the sphere.
    Raises UsageError for fewer than one loop, two stops or one frame.
    """
    if loops < 1 or stops < 2 or frames < 1:
        raise UsageError(f"A walk needs 1 loop, 2 stops and 1 frame at least, not {loops}, {stops} and {frames}.")
    start = draw_noise(noise, stops * loops, _rng(seed, "walk")).view(stops, 1, loops, noise.dimension)
    end = start.roll(-1, dims=0)
    t = torch.arange(frames, dtype=start.dtype, device=start.device) / frames
    z = torch.lerp(start, end, (t * t * (3.0 - 2.0 * t)).view(1, frames, 1, 1))
    return _apply(generator, on_sphere(z, noise).flatten(0, 2), device).view(stops * frames, loops, -1)


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


def _apply(generator: nn.Module, z: torch.Tensor, device: torch.device | str, batch_size: int = 1000) -> torch.Tensor:
    to_data = getattr(generator, "to_data", lambda rows: rows)
    with torch.no_grad():
        return torch.cat([to_data(generator(part.to(device)).float()) for part in torch.split(z, batch_size)])

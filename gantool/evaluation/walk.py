"""A walk through the latent space: G along closed loops of z, for an animation."""

from __future__ import annotations

import math

import torch
from torch import nn

from gantool.config import NoiseConfig
from gantool.errors import UsageError
from gantool.models.noise import draw_noise
from gantool.seeds import derive_seed

FRAME_MILLISECONDS = 60
_BATCH_ROWS = 1_000


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
    rng = torch.Generator().manual_seed(derive_seed(seed, "walk"))
    start = draw_noise(noise, stops * loops, rng).view(stops, 1, loops, noise.dimension)
    end = start.roll(-1, dims=0)
    t = torch.arange(frames, dtype=start.dtype, device=start.device) / frames
    z = torch.lerp(start, end, (t * t * (3.0 - 2.0 * t)).view(1, frames, 1, 1))
    if noise.distribution == "spherical":
        tiny = torch.finfo(z.dtype).tiny
        z = z * (math.sqrt(noise.dimension) / z.norm(dim=-1, keepdim=True).clamp_min(tiny))
    with torch.no_grad():
        rows = [generator(part.to(device)).float() for part in torch.split(z.flatten(0, 2), _BATCH_ROWS)]
    return torch.cat(rows).view(stops * frames, loops, -1)

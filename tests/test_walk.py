"""A walk is closed, passes its stops exactly, and is eased between them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gantool.config import NoiseConfig
from gantool.errors import UsageError
from gantool.sampling import latent_walk

STOPS, FRAMES, LOOPS = 3, 4, 2


def walk(noise: NoiseConfig, seed: int = 0) -> torch.Tensor:
    """With the identity as generator the frames are z itself: [STOPS, FRAMES, LOOPS, dimension]."""
    frames = latent_walk(nn.Identity(), noise, LOOPS, stops=STOPS, frames=FRAMES, seed=seed, device="cpu")
    assert frames.shape == (STOPS * FRAMES, LOOPS, noise.dimension)
    return frames.view(STOPS, FRAMES, LOOPS, noise.dimension)


@pytest.mark.parametrize("distribution", ["uniform", "gaussian"])
def test_between_two_stops_the_way_is_straight_and_eased(distribution: str) -> None:
    z = walk(NoiseConfig(distribution, 7)).double()
    for stop in range(STOPS):
        start, end = z[stop, 0], z[(stop + 1) % STOPS, 0]  # after the last stop comes the first: the loop is closed
        for frame in range(FRAMES):
            t = frame / FRAMES
            weight = 3 * t**2 - 2 * t**3
            torch.testing.assert_close(z[stop, frame], (1 - weight) * start + weight * end, rtol=0, atol=1e-6)
    assert len({tuple(row.tolist()) for row in z[:, 0].flatten(0, 1)}) == STOPS * LOOPS


def test_a_spherical_walk_stays_on_the_sphere() -> None:
    z = walk(NoiseConfig("spherical", 16))
    torch.testing.assert_close(z.norm(dim=-1), torch.full((STOPS, FRAMES, LOOPS), 4.0))


def test_a_seed_is_a_walk() -> None:
    noise = NoiseConfig("uniform", 5)
    assert torch.equal(walk(noise, 1), walk(noise, 1))
    assert not torch.equal(walk(noise, 1), walk(noise, 2))
    assert walk(noise).abs().max() <= math.sqrt(3.0)


@pytest.mark.parametrize(("loops", "stops", "frames"), [(0, 3, 4), (1, 1, 4), (1, 3, 0)])
def test_a_walk_of_nothing_is_refused(loops: int, stops: int, frames: int) -> None:
    with pytest.raises(UsageError, match="needs 1 loop, 2 stops and 1 frame"):
        latent_walk(nn.Identity(), NoiseConfig(), loops, stops=stops, frames=frames, seed=0, device="cpu")

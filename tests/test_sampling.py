"""Samples, interpolations and nearest training rows, against what they are by definition."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from gantool.config import NoiseConfig
from gantool.data import Dataset, Split
from gantool.errors import UsageError
from gantool.sampling import generate, interpolate, nearest_training

IDENTITY = nn.Identity()  # G(z) = z shows the noise itself


def test_one_seed_gives_the_same_samples_for_every_batch_size() -> None:
    noise = NoiseConfig("gaussian", 7)
    whole = generate(IDENTITY, noise, 50, seed=3, device="cpu")
    assert whole.shape == (50, 7)
    assert whole.dtype == torch.float32
    assert torch.equal(whole, generate(IDENTITY, noise, 50, seed=3, device="cpu", batch_size=7))
    assert not torch.equal(whole, generate(IDENTITY, noise, 50, seed=4, device="cpu"))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    generate(IDENTITY, NoiseConfig(), 10, seed=0, device="cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_samples_carry_no_graph() -> None:
    assert not generate(nn.Linear(100, 3), NoiseConfig(), 2, seed=0, device="cpu").requires_grad


def test_no_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="number of samples must be 1 or more, but is 0"):
        generate(IDENTITY, NoiseConfig(), 0, seed=0, device="cpu")


@pytest.mark.parametrize("distribution", ["uniform", "gaussian"])
def test_interpolation_is_a_straight_line_between_the_ends(distribution: str) -> None:
    noise = NoiseConfig(distribution, 5)  # type: ignore[arg-type]
    z = interpolate(IDENTITY, noise, 4, 6, seed=1, device="cpu")
    assert z.shape == (4, 6, 5)
    for step in range(6):
        torch.testing.assert_close(z[:, step], z[:, 0] + (z[:, 5] - z[:, 0]) * step / 5)
    assert len(torch.cat([z[:, 0], z[:, 5]]).unique(dim=0)) == 8  # eight ends of their own


def test_interpolation_under_the_spherical_prior_stays_on_the_sphere() -> None:
    z = interpolate(IDENTITY, NoiseConfig("spherical", 9), 4, 5, seed=1, device="cpu")
    torch.testing.assert_close(z.norm(dim=2), torch.full((4, 5), 3.0))
    # In the plane of the two ends, between them: the middle one halves the angle.
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(z[:, 0], z[:, 2]), cosine(z[:, 2], z[:, 4]))


@pytest.mark.parametrize(("rows", "steps"), [(0, 5), (3, 1)])
def test_an_interpolation_of_nothing_is_refused(rows: int, steps: int) -> None:
    with pytest.raises(UsageError, match="1 row and 2 steps at least"):
        interpolate(IDENTITY, NoiseConfig(), rows, steps, seed=0, device="cpu")


def test_nearest_training_rows_are_those_of_an_exhaustive_search(digits: Dataset) -> None:
    samples = torch.rand(70, 64, generator=torch.Generator().manual_seed(0))
    indices, distances = nearest_training(samples, digits)
    table = cdist(samples.double().numpy(), digits.values(digits.train.stored, torch.float64).numpy())
    assert indices.tolist() == table.argmin(axis=1).tolist()
    torch.testing.assert_close(distances, torch.from_numpy(table.min(axis=1)), rtol=1e-12, atol=0)


def test_a_training_row_is_nearest_to_itself_at_distance_zero(digits: Dataset) -> None:
    rows = torch.arange(0, len(digits.train), 13)
    _, distances = nearest_training(digits.values(digits.train.stored[rows]), digits)
    assert distances.max() == 0


def test_small_distances_are_not_lost(digits: Dataset) -> None:
    copy = digits.values(digits.train.stored[5:6], torch.float64)
    copy[0, 3] += 1e-6
    index, distance = nearest_training(copy, digits)
    assert index.item() == 5
    assert distance.item() == pytest.approx(1e-6, rel=1e-6)


def test_more_rows_than_one_tile(digits: Dataset) -> None:
    rng = torch.Generator().manual_seed(1)
    stored = torch.rand(9_000, 2, generator=rng)
    plane = Dataset("plane", Split(stored), Split(stored[:1]), Split(stored[:1]), (2,), 1.0, "random")
    samples = torch.rand(2_100, 2, generator=rng)
    indices, _ = nearest_training(samples, plane)
    table = cdist(samples.double().numpy(), stored.double().numpy())
    assert math.isclose((table[range(2_100), indices] - table.min(axis=1)).max(), 0.0, abs_tol=1e-15)


def test_samples_of_other_data_are_refused(digits: Dataset) -> None:
    with pytest.raises(UsageError, match=r"samples have shape \(3, 5\) and the rows of digits have 64 values"):
        nearest_training(torch.zeros(3, 5), digits)

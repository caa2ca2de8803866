"""Toy mixtures: their density against quadrature and scipy-free closed forms, their samples against their moments."""

from __future__ import annotations

import math

import pytest
import torch

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.data.sets.toy import MIXTURES, Mixture

NAMES = ("mixture1d", "ring2d", "grid2d")


def by_hand(mixture: Mixture, point: list[float]) -> float:
    """log Σ_k w_k Π_d N(x_d; m_kd, s_k²), term by term in Python floats."""
    total = 0.0
    for mean, std, weight in zip(mixture.means.tolist(), mixture.std.tolist(), mixture.weights.tolist(), strict=True):
        term = weight
        for x, m in zip(point, mean, strict=True):
            term *= math.exp(-((x - m) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))
        total += term
    return math.log(total)


@pytest.mark.parametrize("name", NAMES)
def test_log_density_is_the_definition(name: str) -> None:
    mixture = MIXTURES[name]
    points = load_dataset(DataConfig(name)).test.stored[:50]
    expected = torch.tensor([by_hand(mixture, point) for point in points.tolist()], dtype=torch.float64)
    found = mixture.log_density(points)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_density_integrates_to_one(name: str) -> None:
    """Trapezoids finer than the narrowest mode: the rule converges exponentially on a Gaussian."""
    mixture = MIXTURES[name]
    step = float(mixture.std.min()) / 2
    reach = float(mixture.means.abs().max()) + 8 * float(mixture.std.max())
    line = torch.arange(-reach, reach, step, dtype=torch.float64)
    total = 0.0
    for part in line.split(100):
        points = part.unsqueeze(1) if mixture.dimension == 1 else torch.cartesian_prod(part, line)
        total += float(mixture.log_density(points).exp().sum()) * step**mixture.dimension
    assert total == pytest.approx(1.0, abs=1e-9)


def test_log_density_is_finite_far_away() -> None:
    mixture = MIXTURES["ring2d"]
    far = mixture.log_density(torch.tensor([[1e4, 0.0]]))
    nearest = (1e4 - 2) ** 2 / (2 * 0.02**2)
    assert float(far) == pytest.approx(-nearest - math.log(2 * math.pi * 0.02**2) - math.log(8), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_samples_come_from_the_components_by_weight(name: str) -> None:
    """Counts, means and widths of each component, within five standard errors."""
    mixture = MIXTURES[name]
    count = 50_000
    points, component = mixture.draw(count, torch.Generator().manual_seed(1))
    assert points.dtype == torch.float32
    assert points.shape == (count, mixture.dimension)
    for k, (mean, std, weight) in enumerate(zip(mixture.means, mixture.std, mixture.weights, strict=True)):
        own = points[component == k].double()
        assert abs(len(own) - count * weight) < 5 * math.sqrt(count * weight * (1 - weight))
        assert bool(((own.mean(0) - mean).abs() < 5 * std / math.sqrt(len(own))).all())
        assert bool(((own.std(0) - std).abs() < 5 * std / math.sqrt(2 * len(own))).all())


@pytest.mark.parametrize("name", NAMES)
def test_the_data_set_is_the_same_at_every_call(name: str) -> None:
    first, second = load_dataset(DataConfig(name)), load_dataset(DataConfig(name))
    assert [len(first.split(split)) for split in ("train", "validation", "test")] == [20_000, 5_000, 5_000]
    assert torch.equal(first.train.stored, second.train.stored)
    assert not torch.equal(first.validation.stored, first.test.stored)
    assert first.shape == (MIXTURES[name].dimension,)
    assert not first.is_image
    assert first.values(first.test.stored) is first.test.stored
    assert int(first.train.labels.max()) == len(MIXTURES[name].means) - 1


def test_sample_is_a_function_of_the_generator() -> None:
    mixture = MIXTURES["grid2d"]
    first = mixture.sample(9, torch.Generator().manual_seed(3))
    assert torch.equal(first, mixture.sample(9, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, mixture.sample(9, torch.Generator().manual_seed(4)))


def test_modes_are_where_they_are_said_to_be() -> None:
    assert torch.allclose(MIXTURES["ring2d"].means.norm(dim=1), torch.full((8,), 2.0, dtype=torch.float64))
    assert {tuple(mean) for mean in MIXTURES["grid2d"].means.tolist()} == {
        (float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    }


@pytest.mark.parametrize("std", [[0.1], [0.1, 0.0]], ids=["too few", "zero width"])
def test_a_mixture_that_is_none_is_refused(std: list[float]) -> None:
    with pytest.raises(ValueError, match="std"):
        Mixture(torch.zeros(2, 1), torch.tensor(std), torch.tensor([0.5, 0.5]))


def test_weights_must_sum_to_one() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        Mixture(torch.zeros(2, 1), torch.ones(2), torch.tensor([0.5, 0.6]))

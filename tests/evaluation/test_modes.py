"""Modes captured and divergences, on samples whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gantool.data.sets.toy import MIXTURES
from gantool.errors import UsageError
from gantool.evaluation.diversity.modes import class_histogram, class_modes, mixture_modes


def labels_of(*counts: int) -> torch.Tensor:
    return torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])


def test_histogram() -> None:
    assert class_histogram(torch.tensor([3, 1, 3, 3]), (1, 2, 3)).tolist() == [1, 0, 3]
    with pytest.raises(UsageError, match="label 4 is none of the classes 1, 2, 3"):
        class_histogram(torch.tensor([1, 4]), (1, 2, 3))


def test_divergences_are_the_definition() -> None:
    found = class_modes(labels_of(10, 30, 60, 0), labels_of(40, 30, 20, 10), range(4))
    p, q = np.array([0.1, 0.3, 0.6, 0.0]), np.array([0.4, 0.3, 0.2, 0.1])
    present = p > 0
    kl = float((p[present] * np.log(p[present] / q[present])).sum())
    m = (p + q) / 2
    js = float((p[present] * np.log(p[present] / m[present])).sum() + (q * np.log(q / m)).sum()) / 2
    assert found.kl == pytest.approx(kl, rel=1e-12)
    assert found.js == pytest.approx(js, rel=1e-12)
    assert (found.captured, found.missing) == (3, (3,))


def test_one_class_of_ten() -> None:
    found = class_modes(labels_of(1_000), labels_of(*[100] * 10), range(10))
    assert (found.captured, found.missing) == (1, tuple(range(1, 10)))
    assert found.kl == pytest.approx(math.log(10))


def test_equal_histograms_differ_by_nothing() -> None:
    found = class_modes(labels_of(5, 10, 15), labels_of(50, 100, 150), range(3))
    assert (found.captured, found.kl, found.js) == (3, 0.0, 0.0)


@pytest.mark.parametrize(("count", "captured"), [(4, 1), (5, 2), (6, 2)])
def test_a_class_is_captured_from_a_tenth_of_its_share_on(count: int, captured: int) -> None:
    assert class_modes(labels_of(100 - count, count), labels_of(50, 50), range(2)).captured == captured


def test_a_class_that_the_data_lack_has_no_finite_divergence() -> None:
    found = class_modes(labels_of(5, 5), labels_of(10, 0), range(2))
    assert found.kl is None
    assert found.js < math.log(2)


def test_what_chance_gives_is_what_draws_give() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    kls, jss = [], []
    for _ in range(300):
        first, second = (labels_of(*rng.multinomial(2_000, shares)) for _ in range(2))
        found = class_modes(first, second, range(4))
        assert found.kl is not None
        kls.append(found.kl)
        jss.append(found.js)
    # Chi-squared with 3 degrees of freedom: the standard error of a mean of 300 is sqrt(2/3)/sqrt(300), 5 %.
    assert np.mean(kls) == pytest.approx(found.kl_by_chance, rel=0.2)
    assert np.mean(jss) == pytest.approx(found.js_by_chance, rel=0.2)


def test_empty_is_refused() -> None:
    with pytest.raises(UsageError, match="one sample and one row"):
        class_modes(torch.zeros(0, dtype=torch.int64), labels_of(3), range(1))


def test_ring_modes_are_counted_exactly() -> None:
    ring = MIXTURES["ring2d"]
    near, far = torch.tensor([0.0599, 0.0], dtype=torch.float64), torch.tensor([0.0, 0.0601], dtype=torch.float64)
    samples = torch.stack([ring.means[0], ring.means[0] + near, ring.means[3] - near, ring.means[5] + far, near * 0])
    found = mixture_modes(samples, ring)
    assert found.counts == (2, 0, 0, 1, 0, 0, 0, 0)
    assert (found.captured, found.missing) == (2, (1, 2, 4, 5, 6, 7))
    assert found.high_quality == pytest.approx(3 / 5)
    kl = 2 / 3 * math.log(2 / 3 * 8) + 1 / 3 * math.log(1 / 3 * 8)
    assert found.kl == pytest.approx(kl, rel=1e-12)


@pytest.mark.parametrize("name", ["ring2d", "grid2d", "mixture1d"])
def test_true_samples_have_all_modes_and_the_expected_quality(name: str) -> None:
    mixture = MIXTURES[name]
    found = mixture_modes(mixture.sample(20_000, torch.Generator().manual_seed(0)), mixture)
    assert found.captured == len(mixture.means)
    expected = {1: math.erf(3 / math.sqrt(2)), 2: 1 - math.exp(-4.5)}[mixture.dimension]
    assert found.expected_high_quality == pytest.approx(expected, rel=1e-9)
    assert found.high_quality == pytest.approx(expected, abs=0.004)
    assert found.kl is not None
    assert found.kl < 5 * found.kl_by_chance


def test_unequal_widths_count_in_their_own_deviations() -> None:
    # 0.75 is 3.75 deviations from the centre at 0, and 2.5 from the one at 1.5, which is as far in plain distance.
    assert mixture_modes(torch.tensor([[0.74]]), MIXTURES["mixture1d"]).counts == (0, 0, 1)


def test_samples_that_are_in_no_mode() -> None:
    found = mixture_modes(torch.full((4, 2), 50.0), MIXTURES["grid2d"])
    assert (found.captured, found.high_quality, found.kl, found.js) == (0, 0.0, None, math.log(2))
    with pytest.raises(UsageError, match="rows of 2 values"):
        mixture_modes(torch.zeros(4, 3), MIXTURES["grid2d"])

"""Training rows against rows scored: replayed training images are told from the truth."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from oracle import brute_force

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.evaluation.parzen.gap import train_gap
from gantool.evaluation.parzen.score import ParzenSettings, evaluate
from gantool.evaluation.parzen.target import Target, target_of_dataset
from gantool.evaluation.warnings import favoured, memorised
from gantool.numerics.density import Window
from gantool.numerics.rows import random_subset


def test_the_gap_is_that_of_float64() -> None:
    rng = torch.Generator().manual_seed(0)
    train, test, samples = (torch.randn(count, 3, generator=rng) for count in (500, 80, 60))
    values = torch.from_numpy(brute_force(test, samples, 0.5))
    found = train_gap(Window(samples), train, 0.5, values, seed=4)
    of_train = brute_force(random_subset(train, 80, 4), samples, 0.5)
    assert found.rows == 80
    assert found.train_log_likelihood == pytest.approx(of_train.mean(), abs=1e-5)
    assert found.gap == pytest.approx(of_train.mean() - values.mean().item(), abs=1e-5)
    expected = math.hypot(of_train.std(), values.std(correction=0).item()) / math.sqrt(80)
    assert found.standard_error == pytest.approx(expected, abs=1e-5)


def target_and_fresh_rows(dataset: Dataset, select: int) -> tuple[Target, torch.Tensor]:
    """The test rows as target; validation rows that do not choose sigma, as the samples of a perfect model."""
    target = target_of_dataset(dataset, "test", select, references=False)
    return target, dataset.values(dataset.validation.stored[select:])


def check_replay_and_truth(dataset: Dataset, select: int) -> None:
    target, fresh = target_and_fresh_rows(dataset, select)
    assert target.train is not None
    settings = ParzenSettings(num_samples=len(fresh), references=False, refine=False)
    replayed = evaluate(target.train, target, settings)
    assert any("look memorised" in said for said in replayed.warnings)
    true = evaluate(fresh, target, settings)
    assert not any("look memorised" in said for said in true.warnings)
    assert replayed.train_gap is not None
    assert true.train_gap is not None
    assert replayed.train_gap.gap > 10 * abs(true.train_gap.gap)


def test_digits_replayed_and_true() -> None:
    check_replay_and_truth(load_dataset(DataConfig("digits")), 100)


def test_mnist_replayed_and_true(mnist_root: Path) -> None:
    check_replay_and_truth(load_dataset(DataConfig("mnist"), root=mnist_root, offline=True), 1_000)


def test_a_small_or_uncertain_gap_is_no_alarm() -> None:
    assert memorised(83.3, 3.4, 784, 1000)[0].startswith("Training rows score 83.3 ± 3.4 nats above")
    assert memorised(83.3, 30.0, 784, 1000) == []
    assert memorised(10.0, 1.0, 784, 1000) == []
    assert memorised(-83.3, 3.4, 784, 1000) == []


def test_few_rows_accuse_nobody() -> None:
    assert memorised(83.3, 0.0, 784, 1) == []
    assert favoured(-83.3, 0.0, 1) == []


def test_rows_that_beat_the_training_rows_are_favoured() -> None:
    assert favoured(-83.3, 3.4, 1000)[0].startswith("The rows scored are 83.3 ± 3.4 nats above training rows")
    assert favoured(-83.3, 30.0, 1000) == []
    assert favoured(83.3, 3.4, 1000) == []

"""Bayes' rule against float64 brute force, and its choice of σ, its errors and its calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from calling import Command
from oracle import brute_force

from gantool.data import Dataset
from gantool.evaluation.bayes.score import GRID

bayes = Command("eval", "bayes")


@pytest.fixture
def samples(digits: Dataset, tmp_path: Path) -> tuple[Path, torch.Tensor, torch.Tensor]:
    """200 training rows with some noise on them, and their labels."""
    assert digits.train.labels is not None
    rows = digits.values(digits.train.stored[:200])
    rows = (rows + 0.1 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))).float()
    np.savez(tmp_path / "s.npz", samples=rows.numpy(), labels=digits.train.labels[:200].numpy())
    return tmp_path / "s.npz", rows, digits.train.labels[:200]


def log_joint(
    rows: torch.Tensor, samples: torch.Tensor, labels: torch.Tensor, shares: np.ndarray, sigma: float
) -> np.ndarray:
    """log p(c) + log p(x | c) in float64: [N, K]."""
    parts = [brute_force(rows, samples[labels == label], sigma) for label in range(10)]
    joint: np.ndarray = np.stack(parts, axis=1) + np.log(shares)
    return joint


def test_the_figures_are_those_of_brute_force(
    digits: Dataset, samples: tuple[Path, torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    path, rows, labels = samples
    found = bayes.answer("--samples", path, "--dataset", "digits", "--no-classifier")
    assert digits.train.labels is not None
    assert digits.validation.labels is not None
    assert digits.test.labels is not None
    shares = torch.bincount(digits.train.labels).numpy() / len(digits.train)
    selection, scored = (digits.values(split.stored) for split in (digits.validation, digits.test))
    truth = digits.validation.labels.numpy()
    likelihoods, classes = [], []
    for sigma in GRID:
        joint = log_joint(selection, rows, labels, shares, sigma)
        density = np.logaddexp.reduce(joint, axis=1)
        likelihoods.append(density.mean())
        classes.append((joint[np.arange(300), truth] - density).mean())
    own = [line for line in found["predictions"] if line["name"] == "these samples"]
    assert [line["sigma"] for line in own] == [GRID[int(np.argmax(likelihoods))], GRID[int(np.argmax(classes))]]
    for line in own:
        joint = log_joint(scored, rows, labels, shares, line["sigma"])
        log_p = joint - np.logaddexp.reduce(joint, axis=1)[:, None]
        right = log_p.argmax(axis=1) == digits.test.labels.numpy()
        assert line["error"] == pytest.approx(1 - right.mean(), abs=1e-9)
        costs = -log_p[np.arange(300), digits.test.labels.numpy()]
        assert line["negative_log_likelihood"] == pytest.approx(costs.mean(), rel=1e-3)
        assert line["negative_log_likelihood_error"] == pytest.approx(costs.std(ddof=1) / 300**0.5, rel=1e-3)
        assert sum(each["rows"] for each in line["calibration"]) == 300
        mean = sum(each["rows"] * each["accuracy"] for each in line["calibration"]) / 300
        assert mean == pytest.approx(right.mean())
    assert own[1]["negative_log_likelihood"] < own[0]["negative_log_likelihood"]
    assert {line["num_samples"] for line in found["predictions"]} == {200}


def test_real_mnist_gives_the_known_table(mnist_root: Path, tmp_path: Path) -> None:
    """The first hundred training images of each class: 12.5 % mistakes, 11 nats at the σ of p(x), 0.4 at a wide one."""
    from gantool.config import DataConfig
    from gantool.data import load_dataset

    data = load_dataset(DataConfig("mnist"), root=mnist_root)
    assert data.train.labels is not None
    first = torch.cat([(data.train.labels == c).nonzero().squeeze(1)[:100] for c in range(10)])
    np.savez(
        tmp_path / "s.npz",
        samples=data.values(data.train.stored[first]).numpy(),
        labels=data.train.labels[first].numpy(),
    )
    found = bayes.answer(
        "--samples", tmp_path / "s.npz", "--dataset", "mnist", "--data-dir", mnist_root, "--no-classifier"
    )
    by_density, by_class = (line for line in found["predictions"] if line["name"] == "these samples")
    assert by_density["error"] == pytest.approx(0.125, abs=0.01)
    assert 7 < by_density["negative_log_likelihood"] < 12
    assert by_class["negative_log_likelihood"] < 0.5
    assert by_class["calibration_error"] < 0.05 < by_density["calibration_error"]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [(None, "needs samples with classes"), (np.zeros(200, np.int64), "There are no samples of class 1, 2, 3")],
)
def test_samples_without_classes_are_refused(
    labels: np.ndarray | None, sentence: str, samples: tuple[Path, torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    own = {} if labels is None else {"labels": labels}
    np.savez(tmp_path / "odd.npz", samples=samples[1].numpy(), **own)
    refused = bayes("--samples", tmp_path / "odd.npz", "--dataset", "digits", "--json")
    assert refused.exit_code == 2
    assert sentence in json.loads(refused.stdout)["error"]


def test_a_data_set_without_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.zeros((50, 2), np.float32))
    refused = bayes("--samples", tmp_path / "s.npy", "--dataset", "ring2d")
    assert refused.exit_code == 2
    assert len(refused.stderr.strip().splitlines()) <= 3

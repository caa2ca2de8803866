"""A mean and a covariance in the place of real rows: the Fréchet distance, and nothing that needs rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import Command

from gantool.evaluation.features.distances import feature_distances

call = Command("eval", "features")


@pytest.fixture
def rows(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(300, 6)), rng.normal(size=(200, 6)) * 1.3 + 0.4
    np.save(tmp_path / "fake.npy", fake)
    np.savez(tmp_path / "real.npz", mu=real.mean(axis=0), sigma=np.cov(real, rowvar=False))
    return real, fake


def test_it_is_the_distance_from_the_rows_themselves(rows: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    files = ("--samples", tmp_path / "fake.npy", "--data", tmp_path / "real.npz", "--raw")
    result = call(*files, "--json")
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    assert payload["frechet_distance"] == pytest.approx(feature_distances(*rows).frechet_distance, rel=1e-9)
    assert (payload["num_real"], payload["num_fake"], payload["num_samples"]) == (None, 200, 200)
    assert payload["precision"] is payload["kernel_distance"] is payload["reference"] is None
    assert "need the rows themselves" in payload["notes"][-1]
    shown = call(*files)
    assert re.search(r"coverage +–", shown.stdout + shown.stderr)


def test_it_needs_to_be_told_the_kind_of_features(rows: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    files = ("--samples", tmp_path / "fake.npy", "--data", tmp_path / "real.npz")
    for more in ((), ("--raw", "--train-data", tmp_path / "fake.npy")):
        result = call(*files, *more)
        assert result.exit_code == 2
        assert "holds the mean and covariance of features: give --raw" in result.stderr


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (np.zeros(6), np.zeros((6, 5)), r"shapes \[6\] and \[6, 5\]"),
        (np.zeros(5), np.eye(5), "of 5 features and the samples have 6"),
        (np.full(6, np.nan), np.eye(6), "must hold finite numbers"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(
    mean: np.ndarray,
    covariance: np.ndarray,
    message: str,
    rows: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
) -> None:
    np.savez(tmp_path / "odd.npz", mu=mean, sigma=covariance)
    result = call("--samples", tmp_path / "fake.npy", "--data", tmp_path / "odd.npz", "--raw")
    assert result.exit_code == 2
    assert re.search(message, " ".join(result.stderr.split()))

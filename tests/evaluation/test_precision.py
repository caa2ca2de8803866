"""float64 files: scored in float64 where float32 would spoil them, in float32 where it would not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gantool.evaluation.array_files import ArrayFiles
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.subject import Place, subject_of_files

PLACE = Place(torch.device("cpu"))


def settings(tmp_path: Path, sigma: float) -> ParzenSettings:
    return ParzenSettings(sigma=sigma, cache=tmp_path / "cache")


def saved(folder: Path, **arrays: np.ndarray) -> dict[str, Path]:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in arrays}


def mean_log_density(rows: np.ndarray, samples: np.ndarray, sigma: float) -> float:
    """Brute force in NumPy's long double, by differences."""
    differences = rows[:, None].astype(np.longdouble) - samples
    terms = -(differences**2).sum(axis=2) / (2 * sigma**2)
    top = terms.max(axis=1)
    normaliser = rows.shape[1] / 2 * np.log(2 * np.pi * sigma**2) + np.log(len(samples))
    return float((top + np.log(np.exp(terms - top[:, None]).sum(axis=1)) - normaliser).mean())


@pytest.mark.parametrize("offset", [1e9, 1e5])
def test_an_offset_that_float32_cannot_hold(offset: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples, data, train = (rng.normal(size=(count, 8)) + offset for count in (200, 150, 120))
    files = ArrayFiles(**saved(tmp_path, samples=samples, data=data, train=train))
    found = measure("parzen", subject_of_files(files, PLACE), settings(tmp_path, 0.5))
    assert found.log_likelihood == pytest.approx(mean_log_density(data, samples, 0.5), abs=1e-6)
    assert any(note.startswith("Scored in float64: float32 would change squared distances") for note in found.notes)
    reference = found.references.training_images
    assert reference is not None
    assert reference.log_likelihood == pytest.approx(mean_log_density(data, train, 0.5), abs=1e-6)
    # Averages of many rows of a Gaussian cloud score in its neighbourhood, wherever it lies.
    kmeans = found.references.kmeans_centroids
    assert kmeans is not None
    assert abs(kmeans.log_likelihood - reference.log_likelihood) < 20


def test_pixels_that_came_as_float64_are_scored_as_float32(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    samples, data = (rng.integers(0, 256, (count, 784)) / 255 for count in (80, 60))
    found = measure(
        "parzen",
        subject_of_files(ArrayFiles(**saved(tmp_path, samples=samples, data=data)), PLACE),
        settings(tmp_path, 0.2),
    )
    assert not [note for note in found.notes if "float64" in note]
    assert "float64" not in found.impl
    assert found.log_likelihood == pytest.approx(mean_log_density(data, samples, 0.2), abs=2e-3)


def test_one_row_that_float32_moves_is_enough(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    samples, data = rng.random((3_000, 4)).astype(np.float32).astype(np.float64), rng.random((50, 4))
    samples[1_234] = data[7] = 1e6 + 0.015
    found = measure(
        "parzen",
        subject_of_files(ArrayFiles(**saved(tmp_path, samples=samples, data=data)), PLACE),
        settings(tmp_path, 0.01),
    )
    assert found.log_likelihood == pytest.approx(mean_log_density(data, samples, 0.01), abs=1e-6)

"""Whose samples are scored by what: labels and fingerprints on their way from the user's files to the score."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantool.errors import UsageError
from gantool.evaluation.array_files import ArrayFiles
from gantool.evaluation.measures import measure
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.subject import Place, subject_of_files

SETTINGS = ParzenSettings(sigma=0.3, references=False)
PLACE = Place(torch.device("cpu"), offline=True)
RNG = np.random.default_rng(0)


def log_density(rows: np.ndarray, samples: np.ndarray, sigma: float) -> np.ndarray:
    """Brute force in float64."""
    squared = ((rows[:, None].astype(np.float64) - samples[None].astype(np.float64)) ** 2).sum(axis=2)
    terms = -squared / (2 * sigma**2)
    top = terms.max(axis=1)
    normaliser = rows.shape[1] / 2 * np.log(2 * np.pi * sigma**2) + np.log(len(samples))
    return top + np.log(np.exp(terms - top[:, None]).sum(axis=1)) - normaliser


def test_labels_of_both_files_reach_the_class_scores(tmp_path: Path) -> None:
    samples, data = (RNG.normal(size=(count, 3)).astype(np.float32) for count in (40, 30))
    of_samples, of_data = np.arange(40) % 2, np.arange(30) % 2
    np.savez(tmp_path / "s.npz", samples=samples, labels=of_samples)
    np.savez(tmp_path / "t.npz", test=data, labels=of_data)
    files = ArrayFiles(tmp_path / "s.npz", tmp_path / "t.npz")
    found = measure("parzen", subject_of_files(files, PLACE), SETTINGS).to_dict()
    for label, entry in enumerate(found["per_class"]):
        mean = log_density(data[of_data == label], samples, 0.3).mean()
        assert (entry["label"], entry["test_size"]) == (label, 15)
        assert entry["log_likelihood"] == pytest.approx(mean, abs=1e-4)
    for label, entry in enumerate(found["class_conditional"]["per_class"]):
        mean = log_density(data[of_data == label], samples[of_samples == label], 0.3).mean()
        assert entry["log_likelihood"] == pytest.approx(mean, abs=1e-4)
    assert found["data_fingerprint"] == hashlib.sha256(data.tobytes()).hexdigest()


def pictures(folder: Path, classes: tuple[str, ...]) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(4):
            Image.fromarray(RNG.integers(0, 256, (3, 3), dtype=np.uint8)).save(folder / name / f"{index}.png")
    return folder


def test_image_folders_are_scored_by_class(tmp_path: Path) -> None:
    files = ArrayFiles(pictures(tmp_path / "s", ("a", "b")), pictures(tmp_path / "t", ("a", "b")))
    found = measure("parzen", subject_of_files(files, PLACE), SETTINGS).to_dict()
    assert (found["dimension"], found["num_samples"], found["pixel_scaling"]) == (9, 8, "bytes / 255")
    assert [entry["label"] for entry in found["class_conditional"]["per_class"]] == [0, 1]
    assert f"The classes of --data {tmp_path / 't'}: 0 is a, 1 is b." in found["notes"]


def test_files_of_another_dimension_are_refused(tmp_path: Path) -> None:
    for name, width in (("s", 3), ("t", 3), ("train", 4)):
        np.save(tmp_path / f"{name}.npy", RNG.random((5, width)))
    files = ArrayFiles(tmp_path / "s.npy", tmp_path / "t.npy", train=tmp_path / "train.npy")
    with pytest.raises(UsageError, match=r"--train-data .*train\.npy has rows of 4 values"):
        measure("parzen", subject_of_files(files, PLACE), SETTINGS)


def test_classes_by_name_beside_labels_by_number_have_no_score_of_their_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", test=RNG.random((8, 3, 3)), labels=np.arange(8) % 2)
    found = measure(
        "parzen",
        subject_of_files(ArrayFiles(pictures(tmp_path / "s", ("a", "b")), tmp_path / "t.npz"), PLACE),
        SETTINGS,
    )
    assert found.class_conditional is None
    assert [entry.label for entry in found.per_class] == [0, 1]
    assert any("they were not matched, and there is no score by own class" in note for note in found.notes)


def test_folders_of_other_classes_are_refused(tmp_path: Path) -> None:
    files = ArrayFiles(pictures(tmp_path / "s", ("a", "b")), pictures(tmp_path / "t", ("a", "c")))
    with pytest.raises(UsageError, match=r"has the classes a, b and --data .* has a, c"):
        measure("parzen", subject_of_files(files, PLACE), SETTINGS)

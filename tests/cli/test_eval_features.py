"""`gantool eval features`: on a run, on arrays, and every way to ask for it wrongly."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from calling import Command

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.errors import UsageError
from gantool.evaluation.classifier import train_classifier
from gantool.evaluation.features.distances import feature_distances
from gantool.evaluation.features.score import compare
from gantool.evaluation.features.sources import FeatureSettings, choose_features, real_of_dataset
from gantool.runs import Run

call = Command("eval", "features")
answer = call.answer


def refusal(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two Gaussian clouds, 3-D: samples that are off by one in a direction, real rows, and training rows."""
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(0)
    for name, offset in (("samples", (1, 0, 0)), ("data", (0, 0, 0)), ("train-data", (0, 0, 0))):
        np.save(folder / f"{name}.npy", (rng.normal(size=(400, 3)) + offset).astype(np.float32))
    return {name: folder / f"{name}.npy" for name in ("samples", "data", "train-data")}


def options(files: dict[str, Path], *names: str) -> list[object]:
    return [item for name in names for item in (f"--{name}", files[name])]


def test_a_run_is_measured_and_recorded(digits_run: Run, digits: Dataset) -> None:
    payload = answer("--runs-dir", digits_run.path.parent, "--seed", 5)
    assert (payload["measure"], payload["dataset"], payload["split"]) == ("features", "digits", "test")
    assert (payload["features"], payload["num_samples"], payload["step"]) == ("gantool classifier", 300, 7)
    assert payload["classifier_accuracy"] >= 0.95
    assert "not comparable with Inception FID" in payload["caveat"]
    assert "300 rows are few" in payload["warnings"][-1]
    # A generator that was never trained is far from the data, where real rows are not.
    assert payload["frechet_distance"] > 10 * payload["reference"]["frechet_distance"]
    assert payload["recall"] < 0.5 < payload["reference"]["recall"]
    assert payload["reference"]["how"] == "300 of 300 validation rows"
    assert digits_run.scores()[-1] == payload


def test_the_numbers_are_those_of_the_classifier_features(digits: Dataset, tmp_path: Path) -> None:
    samples = digits.values(digits.train.stored[:300]) * 0.9
    np.save(tmp_path / "s.npy", samples.numpy())
    payload = answer("--samples", tmp_path / "s.npy", "--dataset", "digits")
    classifier = train_classifier(digits)
    expected = feature_distances(digits.values(digits.test.stored), samples, features=classifier.features)
    for key in ("frechet_distance", "kernel_distance", "kernel_distance_sd", "precision", "recall", "density"):
        assert payload[key] == getattr(expected, key)


def test_rows_themselves(files: dict[str, Path]) -> None:
    payload = answer("--raw", *options(files, "samples", "data", "train-data"))
    assert (payload["features"], payload["dimension"], payload["num_samples"]) == ("rows", 3, 400)
    assert payload["frechet_distance"] == pytest.approx(1.0, abs=0.3)
    assert payload["reference"]["frechet_distance"] < 0.1
    assert payload["reference"]["how"] == "400 of 400 --train-data rows"
    assert (payload["run"], payload["step"], payload["warnings"]) == (None, None, [])


def test_both_sides_have_equal_n(files: dict[str, Path]) -> None:
    payload = answer("--raw", *options(files, "samples", "data"), "--num-samples", 120)
    assert payload["num_samples"] == payload["num_real"] == payload["num_fake"] == 120
    assert "120 of the 400 samples are used" in payload["notes"][0]
    assert payload["reference"] is None
    assert "--train-data" in payload["notes"][-1]


def test_points_are_their_own_features(files: dict[str, Path], tmp_path: Path) -> None:
    ring = load_dataset(DataConfig("ring2d"))
    np.save(tmp_path / "ring.npy", ring.train.stored[:500].numpy())
    payload = answer("--samples", tmp_path / "ring.npy", "--dataset", "ring2d")
    assert (payload["features"], payload["num_samples"]) == ("rows", 500)
    assert payload["coverage"] > 0.9


def test_what_a_reader_sees(files: dict[str, Path]) -> None:
    result = call("--raw", *options(files, "samples", "data", "train-data"))
    assert result.exit_code == 0
    for word in ("Fréchet", "precision", "real rows", "400 of 400 --train-data rows", "not comparable with Inception"):
        assert word in result.output


def test_numbers_of_any_scale_stay_whole_in_a_narrow_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    rng = np.random.default_rng(2)
    for scale in (1e-4, 1e5):
        for name, offset in (("samples", 1), ("data", 0), ("train-data", 0)):
            np.save(tmp_path / f"{name}.npy", (scale * (rng.normal(size=(60, 3)) + offset)).astype(np.float32))
        paths = {name: tmp_path / f"{name}.npy" for name in ("samples", "data", "train-data")}
        found = answer("--raw", *options(paths, *paths))
        shown = call("--raw", *options(paths, *paths)).output
        lines = {line[:18].strip(): line[18:].split() for line in shown.splitlines()}
        for title, key in (("kernel distance", "kernel_distance"), ("±", "kernel_distance_sd")):
            assert lines[title] == [f"{found[key]:.4g}", f"{found['reference'][key]:.4g}"]
            assert float(lines[title][0]) == pytest.approx(found[key], rel=1e-3)
        assert "…" not in shown


def test_a_reference_at_another_n_is_said(files: dict[str, Path], tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32))
    payload = answer("--raw", *options(files, "samples", "data"), "--train-data", tmp_path / "few.npy")
    assert "--num-samples 50 compares both" in payload["warnings"][-1]


def test_rows_without_labels_need_a_word(files: dict[str, Path]) -> None:
    assert "no features to compare data.npy by" in refusal(*options(files, "samples", "data"))
    assert "no features to compare data.npy by" in refusal(*options(files, "samples", "data", "train-data"))


def test_labels_of_the_users_own_training_rows_train_a_classifier(digits: Dataset, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.npz" for name in ("samples", "data", "train-data")}
    for name, split in (("samples", "validation"), ("data", "test"), ("train-data", "train")):
        part = digits.split(split)
        assert part.labels is not None
        images = digits.values(part.stored).reshape(-1, 8, 8)
        if name == "train-data":
            np.savez(paths[name], x=images.numpy(), labels=part.labels.numpy())
        else:
            np.savez(paths[name], x=images.numpy())
    found = answer(*options(paths, *paths))
    assert found["features"] == "gantool classifier"
    assert "on 1,078 rows of train-data" in found["about"]
    assert "of 119 validation rows" in found["about"]
    assert found["classifier_accuracy"] > 0.9
    # Both are real rows: the held-out ones are no further than the rows that the classifier has seen.
    assert found["frechet_distance"] < 2 * found["reference"]["frechet_distance"]
    assert answer("--raw", *options(paths, *paths))["features"] == "rows"
    np.savez(paths["train-data"], x=np.zeros((1, 8, 8), np.float32), labels=np.zeros(1, np.int64))
    assert "needs 2 rows or more" in refusal(*options(paths, *paths))


def test_a_run_on_images_without_labels_is_not_told_of_other_data(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(3).integers(0, 256, (40, 8, 8), np.uint8))
    dataset = load_dataset(DataConfig("array", path=str(tmp_path / "images.npy")))
    settings = FeatureSettings()
    real = real_of_dataset(dataset, "test", settings)
    with pytest.raises(UsageError, match=r"images\.npy have no labels") as caught:
        choose_features(real, dataset, settings, torch.device("cpu"), lambda stage, done, total: None)
    assert "--dataset" not in str(caught.value)


def test_what_does_not_go_together(files: dict[str, Path], digits_run: Run) -> None:
    arrays = options(files, "samples", "data")
    assert "exclude each other" in refusal(*arrays, "--raw", "--inception")
    assert "--neighbours must be a whole number" in refusal(*arrays, "--raw", "--neighbours", 0)
    assert "--data FILE, or --dataset NAME" in refusal(*options(files, "samples"), "--raw")
    assert "--data needs --samples" in refusal(*options(files, "data"))
    assert "ring2d has rows of 2 values" in refusal(*options(files, "samples"), "--dataset", "ring2d")
    assert "leave out --train-data" in refusal(*options(files, "samples", "train-data"), "--dataset", "ring2d")
    assert "--split chooses" in refusal(*arrays, "--raw", "--split", "validation")
    assert "--split must be" in refusal("--runs-dir", digits_run.path.parent, "--split", "train")
    assert "401 rows or more on both sides" in refusal(*arrays, "--raw", "--neighbours", 400)


def test_inception_needs_images_from_0_to_1(files: dict[str, Path]) -> None:
    assert "--inception takes images" in refusal(*options(files, "samples", "data"), "--inception")


@pytest.mark.skipif(importlib.util.find_spec("torch_fidelity") is not None, reason="torch-fidelity is here")
def test_inception_without_torch_fidelity(digits_run: Run) -> None:
    said = refusal("--runs-dir", digits_run.path.parent, "--inception")
    assert "pip install 'gantool[fidelity]'" in said


def test_samples_that_are_not_finite_are_refused(digits: Dataset, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    settings = FeatureSettings(raw=True)
    real = real_of_dataset(digits, "test", settings)
    kind = choose_features(real, digits, settings, cpu, lambda stage, done, total: None)
    with pytest.raises(UsageError, match="2 of the 9 samples hold NaN"):
        compare(torch.cat([torch.zeros(7, 64), torch.full((2, 64), torch.nan)]), real, kind, settings, device=cpu)


def test_rows_in_two_roles_are_named(files: dict[str, Path]) -> None:
    payload = answer("--raw", "--samples", files["data"], "--data", files["data"])
    assert any("400 of the 400 different samples are rows scored" in text for text in payload["warnings"])
    payload = answer("--raw", "--samples", files["train-data"], *options(files, "data", "train-data"))
    assert any("400 of the 400 different samples are training rows" in text for text in payload["warnings"])


def test_few_rows_are_told_beside_the_neighbours(tmp_path: Path) -> None:
    grey, uniform = np.full((6, 16), 0.5) + np.arange(6)[:, None] / 100, np.random.default_rng(0).random((6, 16))
    np.save(tmp_path / "s.npy", grey)
    np.save(tmp_path / "t.npy", uniform)
    warnings = answer("--raw", "--samples", tmp_path / "s.npy", "--data", tmp_path / "t.npy")["warnings"]
    assert any("6 rows are few beside 5 neighbours" in text and "take 100 rows or more" in text for text in warnings)


def test_a_classifier_checked_on_few_rows_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("s", "t", "train"):
        np.savez(tmp_path / f"{name}.npz", x=rng.random((12, 6)), labels=np.arange(12) % 2)
    files = {"samples": tmp_path / "s.npz", "data": tmp_path / "t.npz", "train-data": tmp_path / "train.npz"}
    payload = answer(*options(files, *files))
    assert re.search(r"right on [01] of 1 validation rows", payload["about"])
    assert any("checked on 1 validation row only" in text for text in payload["warnings"])


def test_bytes_take_their_full_scale(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 17, (2, 120, 9), dtype=np.uint8)
    for name, rows in zip("st", levels, strict=True):
        np.save(tmp_path / f"{name}.npy", rows)
    files = ("--raw", "--samples", tmp_path / "s.npy", "--data", tmp_path / "t.npy")
    truth = feature_distances(*(torch.from_numpy(rows / 16) for rows in levels[::-1])).frechet_distance
    assert answer(*files, "--scale", 16)["frechet_distance"] == pytest.approx(truth, rel=1e-5)
    assert sum("give --scale 16" in text for text in answer(*files)["warnings"]) == 2
    assert "must be a number above 0" in refusal(*files, "--scale", 0)
    np.save(tmp_path / "s.npy", levels[0] / 16)
    np.save(tmp_path / "t.npy", levels[1] / 16)
    assert "none of the files holds bytes" in refusal(*files, "--scale", 16)

"""TFD, in files of its format that are made here: conversion, folds, both stages of training, the score over folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from typer.testing import CliRunner, Result

import gantool
from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.training.engines.choose import build_step
from gantool.training.schedules import rates_at
from gantool.training.state import build_state

ROWS = 400


def database() -> dict[str, Any]:
    """400 faces, a third of them unlabelled in every fold; image i has the value i mod 200 and one bright corner."""
    rng = np.random.default_rng(0)
    images = np.repeat((np.arange(ROWS) % 200).astype(np.uint8), 48 * 48).reshape(ROWS, 48, 48)
    images[:, 0, 0] = 255
    images[:, 1:, 1:] += rng.integers(0, 50, (ROWS, 47, 47), np.uint8)
    folds = np.stack([rng.integers(1, 4, ROWS) for _ in range(5)], axis=1).astype(np.uint8)
    folds[: ROWS // 3] = 0
    labels = np.where(folds[:, 0] > 0, rng.integers(1, 8, ROWS), -1)
    return {"images": images, "folds": folds, "labs_ex": labels[:, None], "labs_id": labels[:, None]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the converted file."""
    folder = tmp_path_factory.mktemp("tfd")
    scipy.io.savemat(folder / "TFD_48x48.mat", database())
    result = call(folder, "data", "convert", "tfd", str(folder / "TFD_48x48.mat"))
    assert result.exit_code == 0, result.stderr
    return folder


def call(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(root)])


def answer(root: Path, *arguments: str) -> dict[str, Any]:
    result = call(root, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    return payload


@pytest.mark.parametrize("fold", range(5))
def test_folds_are_the_databases(fold: int, root: Path) -> None:
    known = database()
    data = load_dataset(DataConfig("tfd", fold=fold), root=root)
    assert (data.shape, data.divisor) == ((1, 48, 48), 255.0)
    for split, mark in ((data.train, 0), (data.validation, 2), (data.test, 3)):
        chosen = known["folds"][:, fold] == mark
        assert np.array_equal(split.stored.numpy(), known["images"][chosen].reshape(-1, 2_304))
        if mark:
            assert split.labels is not None
            assert split.labels.tolist() == (known["labs_ex"][chosen, 0] - 1).tolist()
    assert data.train.labels is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": np.zeros((ROWS, 96, 96), np.uint8)}, "images must be bytes of shape"),
        ({"images": np.zeros((ROWS, 48, 48))}, "images must be bytes of shape"),
        ({"folds": np.full((ROWS, 5), 7)}, "folds must be"),
        ({"folds": None}, "lacks the variable folds"),
    ],
)
def test_other_files_are_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    content = {name: value for name, value in (database() | changes).items() if value is not None}
    scipy.io.savemat(tmp_path / "other.mat", content)
    result = call(tmp_path, "data", "convert", "tfd", str(tmp_path / "other.mat"))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "tfd" / "tfd-48.npz").exists()


@pytest.mark.parametrize("content", [b"", b"not a MATLAB file at all, whatever its name says" * 9])
def test_what_is_no_matlab_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(content)
    result = call(tmp_path, "data", "convert", "tfd", str(tmp_path / "x.mat"))
    assert result.exit_code == 2
    assert "x.mat cannot be read as a MATLAB file" in result.stderr


def test_without_the_data_one_sentence_says_how_to_get_them(tmp_path: Path) -> None:
    result = call(tmp_path, "train", "--preset", "tfd-stage1-small", "--runs-dir", str(tmp_path / "runs"))
    assert result.exit_code == 2
    assert "ask its authors for TFD_48x48.mat, then run `gantool data convert tfd TFD_48x48.mat`" in result.stderr
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UsageError, match="TFD is not here"):
        load_dataset(DataConfig("tfd"), root=tmp_path)


SMALL = ("--batch-size", "50", "--set", "discriminator.layers.0.units=8", "--set", "discriminator.layers.1.units=8")


def test_both_stages_and_the_score_over_folds(root: Path, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    shrunk = ("--set", "generator.layers.0.units=12", "--set", "generator.layers.1.units=10")
    first = answer(root, "train", "--preset", "tfd-stage1-small", "--runs-dir", runs, "--steps", "3", *SMALL, *shrunk)
    below = ("--set", "generator.layers.0.units=14", "--set", "optimizer.learning_rate=1e-12")
    second = answer(root, "train", "--preset", "tfd-stage2-small", "--runs-dir", runs, "--steps", "3", *SMALL, *below)
    one, two = gantool.load_run(first["run"]), gantool.load_run(second["run"])
    assert [layer.kind for layer in two.config.generator.layers] == ["relu", "sigmoid", "relu", "sigmoid", "sigmoid"]
    assert (two.config.generator.on_top_of, two.config.generator.trained_before) == (str(one.path.absolute()), 3)
    # At a rate of nothing the whole of the first stage still stands on top.
    lower, whole = one.load_generator(), two.load_generator()
    z = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(whole(z), lower(whole.layers[1](whole.layers[0](z))), atol=1e-5, rtol=1e-4)
    resumed = answer(root, "train", "--resume", str(two.path), "--steps", "5")
    assert resumed["step"] == 5

    scores = answer(root, "eval", "parzen", str(two.path), "--folds", "--num-samples", "60", "--no-references")
    assert [record["fold"] for record in scores["folds"]] == [0, 1, 2, 3, 4]
    values = np.array([record["log_likelihood"] for record in scores["folds"]])
    assert scores["mean"] == pytest.approx(values.mean())
    assert scores["standard_error_across_folds"] == pytest.approx(values.std(ddof=1) / 5**0.5)
    sizes = [(database()["folds"][:, fold] == 3).sum() for fold in range(5)]
    assert [record["test_size"] for record in scores["folds"]] == sizes
    assert call(root, "eval", "parzen", str(two.path), "--folds", "--num-samples", "60").exit_code == 0


def test_layers_that_do_not_meet_are_refused(root: Path, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    answer(root, "train", "--preset", "tfd-stage1-small", "--runs-dir", runs, "--steps", "1", *SMALL)
    wrong = ("--set", "generator.layers.1.units=99")
    result = call(root, "train", "--preset", "tfd-stage2-small", "--runs-dir", runs, *wrong)
    assert result.exit_code == 2
    assert "takes 100 values, but the layers below give [99]" in result.stderr


def test_folds_are_for_tfd(tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    answer(tmp_path, "train", "--steps", "1", "--runs-dir", runs)
    result = call(tmp_path, "eval", "parzen", "--runs-dir", runs, "--folds")
    assert result.exit_code == 2
    assert "--folds is for a run on tfd" in result.stderr


def test_the_full_size_pair_begins_as_the_protocol_says(root: Path) -> None:
    """Parameter counts, sparse columns of 100 N(0, 1) weights, biases, and the bound that bites at the first update."""
    config = build_config(read_tree(preset_text("tfd-stage1"), "tfd-stage1"))
    dataset = load_dataset(config.data, root=root)
    config = replace(config, training=replace(config.training, batch_size=20))
    state = build_state(config, dataset, torch.device("cpu"))
    generator, discriminator = state.game.generator.network, state.game.discriminator.network
    sizes = [sum(p.numel() for p in network.parameters()) for network in (generator, discriminator)]
    assert sizes == [
        100 * 8000 + 8000 + 8000 * 8000 + 8000 + 8000 * 2304 + 2304,
        (2304 + 1) * 1200 * 5 + (1200 + 1) * 1200 * 5 + 1200 + 1,
    ]
    first, second, output = (layer.affine for layer in generator.layers)
    assert float(first.weight.detach().abs().max()) <= 0.05
    assert set(second.bias.tolist()) == {-2.0}
    weights = output.weight.detach()
    assert set((weights != 0).sum(dim=1).tolist()) == {100}
    assert float(weights[weights != 0].std()) == pytest.approx(1.0, rel=0.01)
    # The norm of 100 N(0, 1) weights: √2·Γ(50.5)/Γ(50) = 9.975.
    assert float(weights.norm(dim=1).mean()) == pytest.approx(9.975, rel=0.01)
    means = dataset.train.stored.double().mean(0) / 255
    logits = torch.logit(means.clamp(1e-7, 1 - 1e-7))
    torch.testing.assert_close(output.bias.detach().double(), logits, atol=1e-5, rtol=1e-5)
    build_step([state], config.training).play(0, [rates_at(config.optimizer, 0, 1)])
    assert float(output.weight.detach().norm(dim=1).max()) <= 1.9365 * (1 + 1e-5)

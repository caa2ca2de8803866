"""`gantool infer`, `eval labels`, `sample --class` and the studies, as a user types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calling import Command
from PIL import Image

from gantool import load_run
from gantool.inference import between, decode, encode

infer = Command("infer")
FEW = (
    "--set", "objective.name=k-plus-one", "--set", "objective.feature_matching=1.0", "--set", "data.labels=50",
    "--set", "discriminator.layers=[{kind='relu',units=32},{kind='linear',units=10}]",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs 1 a BiGAN, 2 conditional, 3 of few labels, 4 plain, all short."""
    path = tmp_path_factory.mktemp("runs")
    for preset, *more in (("digits-bigan",), ("digits-conditional",), ("digits", *FEW), ("digits",)):
        Command("train", "--preset", preset, "--steps", 30, "--runs-dir", path).answer(*more)
    return path


def test_figures_of_a_run_are_those_of_its_networks(folder: Path) -> None:
    found = infer.answer(1, "--runs-dir", folder, "--num-samples", 50, "--seed", 3)
    run = load_run(1, folder)
    assert run.scores("inference")[-1]["reconstruction"] == found["reconstruction"]
    assert found["num_samples"] == 50
    generator = run.load_generator()
    assert generator.encoder is not None
    # Too little is learned for good codes, and the figures say so: they are near what strangers are apart.
    assert 0.2 * found["codes_apart"] < found["code_error"] < 5 * found["codes_apart"]
    assert found["nearest_training"] < found["reconstruction"] < 2 * found["apart"]
    assert found["pixel_accuracy"] > 0.9
    assert 0 <= found["code_accuracy"] <= 1


def test_users_own_rows_come_back_as_pictures_and_codes(folder: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((6, 64)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    files = {
        name: tmp_path / f"{name}.{kind}" for name, kind in (("sheet", "png"), ("interpolate", "png"), ("out", "npz"))
    }
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    found = infer.answer(1, "--runs-dir", folder, "--data", tmp_path / "mine.npy", *options)
    run = load_run(1, folder)
    generator, values = run.load_generator(), torch.from_numpy(rows)
    codes = encode(generator, run.config.noise, values, "network")
    assert np.array_equal(np.load(files["out"])["codes"], codes.numpy())
    away = torch.linalg.vector_norm(values - decode(generator, codes), dim=1).mean()
    assert found["reconstruction"] == pytest.approx(float(away), rel=1e-5)
    for name in ("sheet", "interpolate"):
        with Image.open(files[name]) as picture:
            picture.verify()


def test_a_search_finds_what_the_generator_can_make_better_than_a_young_encoder(folder: Path) -> None:
    run = load_run(1, folder)
    generator = run.load_generator()
    rows = run.sample(12, seed=5)
    away = {
        method: torch.linalg.vector_norm(
            rows - decode(generator, encode(generator, run.config.noise, rows, method)), dim=1
        )
        for method in ("network", "optimise")
    }
    assert bool((away["optimise"] <= away["network"] + 1e-5).all())  # it begins at the encoder's code, among others
    assert away["optimise"].mean() < 0.5 * away["network"].mean()
    codes = encode(generator, run.config.noise, rows, "optimise")
    assert bool((codes.abs() <= 1).all())  # the prior's support
    way = between(run.config.noise, codes[:6], codes[6:], 5)
    torch.testing.assert_close(way[:, 2], (codes[:6] + codes[6:]) / 2)


def test_any_run_is_searched_through(folder: Path) -> None:
    found = infer.answer(4, "--runs-dir", folder, "--method", "optimise", "--n", 10)
    assert found["method"] == "optimise"
    assert found["code_accuracy"] is None


def test_mistakes_are_counted_and_the_split_is_named(folder: Path) -> None:
    found = Command("eval", "labels", 3, "--runs-dir", folder).answer()
    lines: dict[str, Any] = {line["classifier"]: line for line in found["mistakes"]}
    assert list(lines) == [
        "the run's discriminator",
        "a linear head on its features",
        "the same net on the labels alone",
    ]
    assert found["labels"] == 50
    assert len(found["split_hash"]) == 16
    run = load_run(3, folder)
    from gantool.data import load_dataset

    data = load_dataset(run.config.data)
    with torch.no_grad():
        predicted = run.load_discriminator().class_logits(data.values(data.test.stored)).argmax(dim=1)
    assert lines["the run's discriminator"]["test"] == int((predicted != data.test.labels).sum())
    assert lines["the same net on the labels alone"]["test"] < 150  # of 300; by chance 270
    again = Command("eval", "labels", 4, "--runs-dir", folder, "--labels", 50).answer()
    assert again["split_hash"] == found["split_hash"]  # of one seed
    assert len(again["mistakes"]) == 2


def test_any_preset_becomes_conditional(tmp_path: Path) -> None:
    told = Command("train", "--conditional", "--steps", 2, "--runs-dir", tmp_path).answer()
    preset = Command("train", "--preset", "digits-conditional", "--steps", 2, "--runs-dir", tmp_path).answer()
    configs = [load_run(answer["run"]).config for answer in (told, preset)]
    assert configs[0].generator == configs[1].generator
    assert configs[0].discriminator == configs[1].discriminator
    assert configs[0].data == configs[1].data
    refused = Command("train", "--resume", told["run"], "--conditional", "--steps", 3)()
    assert refused.exit_code == 2
    assert "cannot be given with --resume" in refused.stderr


def test_a_conditional_runs_samples_carry_their_classes(folder: Path, tmp_path: Path) -> None:
    Command("sample", 2, "--runs-dir", folder, "--n", 40, "--out", tmp_path / "s.npz").answer()
    held = np.load(tmp_path / "s.npz")
    assert held["labels"].shape == (40,)
    sevens = Command("sample", 2, "--runs-dir", folder, "--n", 5, "--class", 7, "--out", tmp_path / "7.npz").answer()
    assert sevens["num_samples"] == 5
    assert np.load(tmp_path / "7.npz")["labels"].tolist() == [7] * 5
    by_class = Command("eval", "parzen", 2, "--runs-dir", folder, "--num-samples", 500, "--no-references").answer()
    assert len(by_class["class_conditional"]["per_class"]) == 10


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("infer", 4), "This run has no encoder"),
        (("infer", 2), "Codes of a conditional run are not built"),
        (("infer", 1, "--method", "magic"), "--method must be one of network, optimise"),
        (("infer", 1, "--n", 1), "--num-samples must be 2 or more"),
        (("infer", 1, "--data", "wide.npy"), "The rows have 9 values, but digits"),
        (("infer", 1, "--sheet", "x.jpg"), "--sheet"),
        (("sample", 4, "--class", 1), "is not told a class"),
        (("sample", 2, "--class", 10), "The class must be from 0 to 9"),
        (("eval", "labels", 2), "Few labels need a discriminator of single rows"),
        (("eval", "labels", 4, "--labels", 7), "data.labels must be a multiple of 10"),
        (("eval", "labels", "--samples", "wide.npy", "--dataset", "digits"), "Few labels are told of a run"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[object, ...], sentence: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((3, 9), np.float32))
    where = () if "--samples" in arguments else ("--runs-dir", folder)
    found = Command(*arguments, *where)()
    assert found.exit_code == 2, found.stderr
    assert sentence in found.stderr
    assert len(found.stderr.strip().splitlines()) <= 3


@pytest.mark.parametrize(("name", "column"), [("conditional", "by class, nats"), ("inference", "1-NN by codes")])
def test_a_study_goes_from_runs_to_a_table(name: str, column: str, tmp_path: Path) -> None:
    study = Command("reproduce", name, "--quick", "--seeds", 1, "--workers", 1, "--out", tmp_path)
    found = study.answer()
    assert column in found["columns"]
    again = study()  # nothing is trained again
    assert again.exit_code == 0, again.stderr
    assert "published" in again.stdout
    assert len(list(tmp_path.glob("0*"))) == 1

"""`gantool sample`: what it writes, that it is whole, and every way to ask for it wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from gantool.cli.app import app
from gantool.data import load_dataset
from gantool.runs import Run
from gantool.sampling import generate


def call(run: Run, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["sample", "--runs-dir", str(run.path.parent), *map(str, arguments)])


def answer(run: Run, *arguments: object) -> dict[str, Any]:
    result = call(run, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    return payload


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def test_without_a_file_a_sheet_goes_into_the_run(digits_run: Run) -> None:
    result = call(digits_run, "--n", 9)
    assert result.exit_code == 0
    expected = digits_run.samples / "sample-step-0000007-seed-0.png"
    assert str(expected) in result.stdout.replace("\n", "")
    assert size(expected) == (3 * 50 + 2, 3 * 50 + 2)


def test_an_archive_holds_the_samples_in_the_datas_units(digits_run: Run, tmp_path: Path) -> None:
    payload = answer(digits_run, "--n", 30, "--seed", 4, "--out", tmp_path / "s.npz", "--step", 3)
    assert (payload["num_samples"], payload["seed"], payload["step"], payload["shape"]) == (30, 4, 3, [1, 8, 8])
    assert (payload["grid"], payload["out"]) == (None, str(tmp_path / "s.npz"))
    generator = digits_run.load_generator(step=3)
    expected = generate(generator, digits_run.config.noise, 30, seed=4, device="cpu")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {"samples", "seed", "shape"}
        assert archive["samples"].dtype == np.float32
        np.testing.assert_array_equal(archive["samples"], expected.numpy())
        assert archive["seed"] == 4
        assert archive["shape"].tolist() == [1, 8, 8]


def test_a_plain_array_holds_the_same(digits_run: Run, tmp_path: Path) -> None:
    answer(digits_run, "--n", 5, "--out", tmp_path / "s.npz")
    answer(digits_run, "--n", 5, "--out", tmp_path / "s.npy")
    with np.load(tmp_path / "s.npz") as archive:
        np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), archive["samples"])


def test_equal_requests_give_equal_files(digits_run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        answer(digits_run, "--n", 5, "--out", tmp_path / f"{name}.npz", "--grid", tmp_path / f"{name}.png")
    for suffix in (".npz", ".png"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_every_sheet_at_once(digits_run: Run, tmp_path: Path) -> None:
    outputs = {name: tmp_path / f"{name}.png" for name in ("grid", "interpolate", "neighbours")}
    arguments = [item for name, path in outputs.items() for item in (f"--{name}", path)]
    payload = answer(digits_run, "--n", 12, "--columns", 4, "--rows", 2, *arguments)
    assert {name: Path(payload[name]) for name in outputs} == outputs
    assert size(outputs["grid"]) == (4 * 50 + 2, 3 * 50 + 2)
    assert size(outputs["interpolate"]) == (4 * 50 + 2, 2 * 50 + 2)
    assert size(outputs["neighbours"]) == (4 * (2 * 54 + 10) + 10, 3 * (54 + 10) + 10)
    nearest = payload["nearest_training"]
    assert 0 < nearest["minimum"] <= nearest["median"] <= nearest["maximum"]


@pytest.mark.parametrize("preset", ["ring2d", "mixture1d"])
def test_toy_samples_are_drawn_as_points_or_bars(make_run: Any, tmp_path: Path, preset: str) -> None:
    run = make_run(preset)
    answer(run, "--n", 200, "--grid", tmp_path / "toy.png")
    with Image.open(tmp_path / "toy.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 16)}
    assert {(0, 90, 181), (200, 200, 200)} <= colours  # samples over data


def test_sheets_show_the_first_samples_and_distances_are_of_all(digits_run: Run, tmp_path: Path) -> None:
    count = 1_100
    out, grid, near = (tmp_path / name for name in ("s.npy", "grid.png", "near.png"))
    payload = answer(digits_run, "--n", count, "--out", out, "--grid", grid, "--neighbours", near)
    samples = np.load(out)
    assert samples.shape == (count, 64)
    assert size(grid) == (32 * 50 + 2, 32 * 50 + 2)
    assert size(near) == (6 * (2 * 54 + 10) + 10, 10 * (54 + 10) + 10)
    assert payload["notes"] == [
        "The sheet shows the first 1,024 of the 1,100 samples.",
        "The sheet of nearest training images shows the first 60 of the 1,100 samples.",
    ]
    dataset = load_dataset(digits_run.config.data)
    rows = dataset.values(dataset.train.stored).double().numpy()
    least = np.array([np.linalg.norm(rows - sample, axis=1).min() for sample in samples.astype(np.float64)])
    assert payload["nearest_training"]["minimum"] == pytest.approx(least.min(), rel=1e-9)
    assert payload["nearest_training"]["maximum"] == pytest.approx(least.max(), rel=1e-9)
    assert answer(digits_run, "--n", 60, "--neighbours", near)["notes"] == []


def test_other_rows_than_those_of_training_are_refused(make_run: Any, tmp_path: Path) -> None:
    for preset, flag in (("digits", "--neighbours"), ("ring2d", "--grid")):
        run = make_run(preset)
        facts = run.path / "dataset.json"
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"fingerprint": "0" * 64}), encoding="utf-8")
        result = call(run, flag, tmp_path / "x.png")
        assert result.exit_code == 2
        assert "was trained on other rows than those of" in result.stderr
        assert list(tmp_path.iterdir()) == []
        assert call(run, "--out", tmp_path / "x.npy").exit_code == 0  # samples alone need no data
        (tmp_path / "x.npy").unlink()


def test_toy_samples_have_no_neighbour_sheet(make_run: Any, tmp_path: Path) -> None:
    result = call(make_run("ring2d"), "--neighbours", tmp_path / "n.png")
    assert result.exit_code == 2
    assert "--neighbours draws images" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_walk_is_a_loop_of_frames(digits_run: Run, tmp_path: Path) -> None:
    payload = answer(digits_run, "--walk", tmp_path / "walk.gif", "--columns", 2)
    assert payload["walk"] == str(tmp_path / "walk.gif")
    assert payload["grid"] is None
    with Image.open(tmp_path / "walk.gif") as image:
        assert (image.format, image.n_frames, image.info["loop"]) == ("GIF", 60, 0)
        assert image.size == (2 * 50 + 2, 2 * 50 + 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", 0], "--n must be a whole number, 1 or more, but is 0"),
        (["--columns", 0], "--columns must be"),
        (["--rows", 0], "--rows must be"),
        (["--seed", -1], "--seed must be"),
        (["--columns", 1, "--interpolate", "x.png"], "--columns must be 2 or more for --interpolate"),
        (["--grid", "x.jpg"], "--grid writes .png, but is asked for x.jpg"),
        (["--walk", "x.png"], "--walk writes .gif, but is asked for x.png"),
        (["--out", "x.csv"], "--out writes .npz or .npy, but is asked for x.csv"),
        (["--grid", "nowhere/x.png"], "the folder nowhere is not there"),
        (["--grid", "/proc/x.png"], "no file can be made in /proc"),
        (["--grid", "x.png", "--interpolate", "./x.png"], "Two outputs name the same file"),
        (["--step", 5], "There is no checkpoint of step 5"),
        (["9"], "There is no run '9'"),
    ],
)
def test_wrong_requests_write_nothing(
    digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(digits_run, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_one_sentence(make_run: Any, tmp_path: Path) -> None:
    run = make_run("digits")
    (weights,) = run.checkpoints.glob("step-*/generator.safetensors")
    torn = bytearray(weights.read_bytes())
    torn[-1] ^= 1
    weights.write_bytes(torn)
    result = call(run, "--grid", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_outlives_a_failed_request(
    digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.npy"
    path.write_bytes(b"old")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        result = call(digits_run, "--out", path)
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_global_generator_does_not_matter(digits_run: Run, tmp_path: Path) -> None:
    for seed, name in ((1, "a"), (2, "b")):
        torch.manual_seed(seed)
        answer(digits_run, "--n", 5, "--out", tmp_path / f"{name}.npy")
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()

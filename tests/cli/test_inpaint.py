"""`gantool inpaint`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from calling import Command
from PIL import Image

from gantool import load_run

inpaint = Command("inpaint")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run 1 fills in, run 2 does not."""
    path = tmp_path_factory.mktemp("runs")
    for preset in ("digits-inpainting", "digits"):
        Command("train", "--preset", preset, "--steps", 20, "--runs-dir", path).answer()
    return path


def test_test_rows_are_filled_in_scored_and_recorded(folder: Path, tmp_path: Path) -> None:
    files = ("--sheet", tmp_path / "f.png", "--out", tmp_path / "f.npz")
    found = inpaint.answer(1, "--runs-dir", folder, "--num-samples", 40, "--draws", 3, "--mask", "half:top", *files)
    assert (found["mask"], found["missing"], found["num_samples"]) == ("half:top", 0.5, 40)
    assert found["fillings"][0]["name"] == "this run"
    assert load_run(1, folder).scores("inpainting")[-1]["fillings"] == found["fillings"]
    written = np.load(tmp_path / "f.npz")
    assert written["filled"].shape == (3, 40, 64)
    assert written["missing"].mean() == 0.5
    with Image.open(tmp_path / "f.png") as picture:
        picture.verify()
    shown = inpaint(1, "--runs-dir", folder, "--num-samples", 20, "--draws", 2)
    assert "the nearest training row" in " ".join(shown.stdout.split())
    assert "missing (half:right)" in shown.stdout


def test_users_images_with_holes_of_their_own(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, holes = rng.random((5, 64)).astype(np.float32), rng.random((5, 8, 8)) < 0.3
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "holes.npy", holes)
    data = ("--runs-dir", folder, "--data", tmp_path / "rows.npy", "--draws", 2, "--out", tmp_path / "f.npz")
    assert inpaint.answer(1, *data, "--mask", tmp_path / "holes.npy")["num_rows"] == 5
    filled, flat = np.load(tmp_path / "f.npz")["filled"], holes.reshape(5, 64)
    assert (filled[:, ~flat] == rows[~flat]).all()
    assert (filled[:, flat] != rows[flat]).all()
    for wrong, sentence in ((holes[:3], "3 masks"), (holes[:, :5], "has the shape")):
        np.save(tmp_path / "wrong.npy", wrong)
        refused = inpaint(1, *data, "--mask", tmp_path / "wrong.npy")
        assert refused.exit_code == 2
        assert sentence in refused.stderr


def test_a_table_is_filled_in_and_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 1)) * [1.0, 5.0, -2.0] + rng.normal(size=(40, 3)) * 0.1
    lines = ["a,b,c", *(",".join(map(str, row)) for row in values)]
    lines[3] = lines[3].rsplit(",", 1)[0] + ","  # the last cell of the second row is empty
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ("--data", tmp_path / "t.csv", "--runs-dir", tmp_path / "runs", "--steps", 20)
    found = inpaint.answer(*data, "--out", tmp_path / "f.csv")
    assert (found["rows"], found["columns"], found["missing"], found["share"]) == (40, 3, 1, 0.2)
    filled = np.genfromtxt(tmp_path / "f.csv", delimiter=",", names=True)
    assert filled["a"].tolist() == values[:, 0].tolist()
    assert np.isfinite(filled["c"]).all()
    assert "5 nearest rows" in inpaint(*data).stdout
    for wrong, sentence in (
        (("--mask", "half:left"), "random:SHARE"),
        (("--sheet", tmp_path / "s.png"), "--sheet belongs to a run"),
        (("--out", tmp_path / "f.png"), ".csv or .npz"),
        (("--mask", "random:0"), "between 0 and 1"),
    ):
        refused = inpaint(*data, *wrong)
        assert refused.exit_code == 2
        assert sentence in refused.stderr


def test_what_cannot_be_filled_in_is_refused(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((3, 10), np.float32))
    for arguments, sentence in (
        ((2,), "without data.condition = mask"),
        ((1, "--mask", "box:9"), "8 or less"),
        ((1, "--data", tmp_path / "rows.npy"), "have 10 values"),
        ((1, "--draws", 1), "--draws must be 2"),
    ):
        refused = inpaint(*arguments, "--runs-dir", folder)
        assert refused.exit_code == 2, refused.stderr
        assert sentence in refused.stderr

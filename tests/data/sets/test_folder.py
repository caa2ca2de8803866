"""Folders of images of any sizes: cropped, scaled, dealt out, cached; what is broken is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.data.dataset import fixed_permutation
from gantool.data.formats.images import decode_square
from gantool.data.sets import folder
from gantool.errors import UsageError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(path: Path, count: int, *, colour: bool = True) -> Path:
    """Images of `count` brightnesses and as many sizes, each in one colour."""
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        value = (number * 10 % 256, 255 - number, 30) if colour else number * 10 % 256
        size = (20 + number, 50 - number)
        Image.new("RGB" if colour else "L", size, value).save(path / f"{number:03d}.png")
    return path


def load(path: Path, **fields: object) -> Dataset:
    return load_dataset(DataConfig("array", str(path), **{"size": 8, **fields}))  # type: ignore[arg-type]


def test_every_image_is_there_in_the_order_of_the_splits(tmp_path: Path) -> None:
    data = load(fill(tmp_path / "pictures", 30))
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [24, 3, 3]
    assert (data.shape, data.divisor) == ((3, 8, 8), 255.0)
    everything = torch.cat([data.train.stored, data.validation.stored, data.test.stored]).view(30, 3, 64)
    for row, number in zip(everything, fixed_permutation(30).tolist(), strict=True):
        assert row.float().std(dim=1).max() == 0
        assert row[:, 0].tolist() == [number * 10 % 256, 255 - number, 30]
    assert data.warnings == ()


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    assert load(fill(tmp_path / "pictures", 12, colour=False)).shape == (1, 8, 8)


def test_the_middle_square_is_what_is_scaled(tmp_path: Path) -> None:
    """Halved by the mean of 2×2 blocks; Pillow rounds to whole bytes after each of its two passes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (16, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    middle = pixels[:, 12:28].astype(float).reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    found = decode_square(tmp_path / "wide.png", 8).reshape(3, 8, 8).transpose(1, 2, 0)
    np.testing.assert_allclose(found, middle, atol=1.0)


def test_broken_files_are_named_and_left_out(tmp_path: Path) -> None:
    path = fill(tmp_path / "pictures", 20)
    (path / "003.png").write_bytes(b"no image")
    (path / "011.png").write_bytes((path / "012.png").read_bytes()[:40])
    (path / "notes.txt").write_text("not one either")
    data = load(path)
    assert len(data.train) + len(data.validation) + len(data.test) == 18
    assert data.warnings[0].startswith("2 of 20 images are left out")
    assert "003.png" in data.warnings[0]
    assert "notes.txt" in data.warnings[1]
    values = {int(row[0]) for split in (data.train, data.validation, data.test) for row in split.stored}
    assert values == {number * 10 % 256 for number in range(20) if number not in (3, 11)}
    with pytest.raises(UsageError, match=r"0(03|11)\.png"):
        load(path, broken="refuse")


def test_a_changed_folder_is_read_anew_and_an_equal_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "pictures", 12)
    first = load(path)
    calls: list[int] = []
    monkeypatch.setattr(folder, "decode_squares", lambda job: calls.append(1) or decode(job))
    assert torch.equal(load(path).train.stored, first.train.stored)
    assert not calls
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path / "000.png")
    load(path)
    assert calls


decode = folder.decode_squares


def test_worker_processes_give_what_one_process_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "pictures", 25)
    alone = load(path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(folder, "_MANY", 5)
    monkeypatch.setattr(folder, "_CHUNK", 4)
    several = load(path)
    assert torch.equal(alone.train.stored, several.train.stored)
    assert torch.equal(alone.test.stored, several.test.stored)


def test_labels_from_subfolders_and_from_a_table(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        fill(tmp_path / "classes" / name, 6)
    labels = load(tmp_path / "classes").train.labels
    assert labels is not None
    assert set(labels.tolist()) == {0, 1}
    path = fill(tmp_path / "flat", 12)
    (path / "labels.csv").write_text("".join(f"{number:03d}.png,{'ab'[number % 2]}\n" for number in range(12)))
    data = load(path)
    assert data.train.labels is not None
    order = fixed_permutation(12).tolist()[: len(data.train)]
    assert data.train.labels.tolist() == [number % 2 for number in order]
    (path / "labels.csv").write_text("000.png,a\n")
    with pytest.raises(UsageError, match=r"labels\.csv has no label for 001\.png"):
        load(path)


def test_a_folder_trains_under_any_preset_of_its_size(tmp_path: Path) -> None:
    path = fill(tmp_path / "pictures", 40)
    arguments = ["train", "--preset", "dcgan-64", "--dataset", f"folder:{path}", "--steps", "1", "--batch-size", "8"]
    narrow = [f"generator.layers.{layer}.channels=8" for layer in (2, 3, 4)] + [
        "generator.layers.0.units=128",
        "generator.layers.1.shape=[8,4,4]",
        *(f"discriminator.layers.{layer}.channels=8" for layer in range(4)),
    ]
    sets = [word for setting in narrow for word in ("--set", setting)]
    result = CliRunner().invoke(app, [*arguments, *sets, "--runs-dir", str(tmp_path / "runs"), "--json"])
    assert result.exit_code == 0, result.stderr
    run = Path(json.loads(result.stdout)["run"])
    assert json.loads((run / "dataset.json").read_text())["shape"] == [3, 64, 64]
    drawn = CliRunner().invoke(app, ["sample", str(run), "--n", "20", "--out", str(tmp_path / "x.npz"), "--json"])
    assert drawn.exit_code == 0, drawn.stderr
    samples = np.load(tmp_path / "x.npz")["samples"]
    assert samples.min() >= 0.0
    assert samples.max() <= 1.0  # though the networks see [-1, 1]


@pytest.mark.parametrize(
    ("fields", "sentence"), [({"size": 0}, "data.size must be"), ({"size": 9}, "data.size = 9, but an example")]
)
def test_a_size_that_does_not_fit(fields: dict[str, int], sentence: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(UsageError, match=sentence):
        load(tmp_path / "a.npy", **fields)
    assert len(load(tmp_path / "a.npy").train) == 16

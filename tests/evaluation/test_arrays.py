"""The user's files: what is read, and every refusal, which names the option, the file and the shape."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gantool.errors import UsageError
from gantool.evaluation.arrays import labels_by_name, load_rows, require_alike
from gantool.pictures.gallery import _write_array


def saved(folder: Path, array: np.ndarray, name: str = "rows.npy") -> Path:
    path = folder / name
    np.save(path, array)
    return path


def test_floats_are_taken_as_they_are(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(5, 3))
    rows = load_rows(saved(tmp_path, array), "--samples")
    assert rows.scaling == "as given"
    assert rows.name == "rows.npy"
    np.testing.assert_array_equal(rows.values.numpy(), array)
    np.save(tmp_path / "short.npy", array.astype(np.float32).astype(np.float64))
    assert load_rows(tmp_path / "short.npy", "--samples").values.dtype == torch.float32


def test_bytes_are_divided_by_255(tmp_path: Path) -> None:
    array = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
    rows = load_rows(saved(tmp_path, array), "--data")
    assert rows.scaling == "bytes / 255"
    assert rows.shape == (1, 4, 4)
    # The float nearest to k/255, and nothing beside it.
    np.testing.assert_array_equal(rows.values.numpy().reshape(-1), (np.arange(256) / 255).astype(np.float32))


@pytest.mark.parametrize(
    ("flag", "member"),
    [("--samples", "samples"), ("--data", "test"), ("--validation", "validation"), ("--train-data", "train")],
)
def test_archives_hold_an_array_for_each_option(tmp_path: Path, flag: str, member: str) -> None:
    arrays = {
        name: np.full((2, 3), float(index)) for index, name in enumerate(("samples", "test", "validation", "train"))
    }
    path = tmp_path / "all.npz"
    np.savez(path, **arrays, seed=np.int64(3))
    np.testing.assert_array_equal(load_rows(path, flag).values.numpy(), arrays[member])


def test_the_only_array_of_an_archive_is_read_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, faces=np.zeros((2, 3)), seed=np.int64(0))
    assert load_rows(path, "--samples").values.shape == (2, 3)


def test_an_archive_with_several_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    with pytest.raises(UsageError, match=r"--samples .*two\.npz holds the arrays a, b.*`samples`"):
        load_rows(path, "--samples")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"--samples .*rows\.npy must have the shape .*\[5\]"),
        (np.zeros((2, 2, 2, 5, 5)), r"--samples .*rows\.npy must have the shape"),
        (np.zeros((0, 4)), r"--samples .*rows\.npy is empty.*\[0, 4\]"),
        (np.zeros((4, 0)), r"--samples .*rows\.npy is empty.*\[4, 0\]"),
        (np.array([[0.0], [np.nan], [np.inf]]), r"--samples .*rows\.npy must be finite.*2 rows.*first row 1"),
        (np.array([[1e300]]), r"--samples .*rows\.npy must be finite"),
        (np.array([["a"]]), r"--samples.*rows\.npy must hold numbers"),
        (np.zeros((2, 2), dtype=np.complex64), r"--samples.*rows\.npy must hold numbers"),
        (np.zeros((2, 2), dtype=np.int64), r"--samples .*rows\.npy must be uint8"),
    ],
    ids=["rank 1", "rank 5", "no rows", "no columns", "NaN", "beyond float32", "text", "complex", "whole numbers"],
)
def test_what_cannot_be_scored_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_rows(saved(tmp_path, array), "--samples")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([[object()]]), allow_pickle=True)
    with pytest.raises(UsageError, match=r"--data.*objects\.npy holds Python objects"):
        load_rows(path, "--data")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array at all", b"PK\x03\x04 broken"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npy"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"--data.*broken\.npy"):
        load_rows(path, "--data")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((100, 100)))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UsageError, match=r"--data.*rows\.npy.*cut short"):
        load_rows(path, "--data")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--validation: .*none\.npy does not exist"):
        load_rows(tmp_path / "none.npy", "--validation")


def test_other_dimensions_are_refused(tmp_path: Path) -> None:
    samples = load_rows(saved(tmp_path, np.zeros((3, 4)), "s.npy"), "--samples")
    data = load_rows(saved(tmp_path, np.zeros((3, 5)), "t.npy"), "--data")
    with pytest.raises(
        UsageError, match=r"--samples .*s\.npy has rows of 4 values \[4\] and --data .*t\.npy.* 5 \[5\]"
    ):
        require_alike(samples, data)


def test_images_of_another_layout_are_refused(tmp_path: Path) -> None:
    wide = load_rows(saved(tmp_path, np.zeros((3, 2, 8)), "s.npy"), "--samples")
    tall = load_rows(saved(tmp_path, np.zeros((3, 8, 2)), "t.npy"), "--data")
    with pytest.raises(UsageError, match="would not line up"):
        require_alike(wide, tall)


def test_rows_and_images_of_one_size_go_together(tmp_path: Path) -> None:
    flat = load_rows(saved(tmp_path, np.zeros((3, 16)), "s.npy"), "--samples")
    images = load_rows(saved(tmp_path, np.zeros((3, 4, 4)), "t.npy"), "--data")
    require_alike(flat, images)
    assert flat.values.shape == images.values.shape == (3, 16)


def test_colour_images_and_rows_whose_order_is_unknown_are_refused(tmp_path: Path) -> None:
    images = load_rows(saved(tmp_path, np.zeros((3, 4, 4, 3)), "s.npy"), "--samples")
    flat = load_rows(saved(tmp_path, np.zeros((3, 48)), "t.npy"), "--data")
    for pair in ((images, flat), (flat, images)):
        with pytest.raises(UsageError, match=r"s\.npy holds images .* order of channels is not known"):
            require_alike(*pair)


def test_channels_last_is_read_channels_first(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((2, 6, 5, 3)).astype(np.float32)
    rows = load_rows(saved(tmp_path, array), "--samples")
    assert rows.shape == (3, 6, 5)
    np.testing.assert_array_equal(rows.values, torch.from_numpy(array.transpose(0, 3, 1, 2).reshape(2, -1).copy()))


def test_safetensors_follow_the_rules_of_archives(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    values = {name: torch.full((2, 3), float(index)) for index, name in enumerate(("samples", "test"))}
    save_file(values | {"labels": torch.tensor([4, 1])}, path)
    for flag, name in (("--samples", "samples"), ("--data", "test")):
        rows = load_rows(path, flag)
        assert torch.equal(rows.values, values[name])
        assert rows.labels is not None
        assert rows.labels.tolist() == [4, 1]
    with pytest.raises(UsageError, match=r"--train-data .*all\.safetensors holds the arrays.*`train`"):
        load_rows(path, "--train-data")


def test_labels_belong_to_the_rows_of_their_name(tmp_path: Path) -> None:
    path = tmp_path / "all.npz"
    np.savez(path, samples=np.zeros((2, 3)), test=np.zeros((4, 3)), labels=[1, 2], test_labels=np.uint8([5, 6, 7, 8]))
    samples, data = load_rows(path, "--samples").labels, load_rows(path, "--data").labels
    assert samples is not None
    assert data is not None
    assert (samples.tolist(), samples.dtype) == ([1, 2], torch.int64)
    assert (data.tolist(), data.dtype) == ([5, 6, 7, 8], torch.int64)


@pytest.mark.parametrize("labels", [[1, 2, 3], [[1], [2]], [0.5, 1.0]], ids=["length", "rank", "fractions"])
def test_labels_that_do_not_fit_are_refused(labels: list[object], tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, samples=np.zeros((2, 3)), labels=np.array(labels))
    with pytest.raises(UsageError, match=r"--samples .*s\.npz \(labels\) must be 2 whole numbers, one a row"):
        load_rows(path, "--samples")


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 3), value, dtype=np.uint8)).save(path)


def test_an_image_folder_is_bytes_with_its_subfolders_as_labels(tmp_path: Path) -> None:
    picture(tmp_path / "faces" / "man" / "1.png", 51)
    picture(tmp_path / "faces" / "cat" / "1.png", 255)
    rows = load_rows(tmp_path / "faces", "--samples")
    assert (rows.shape, rows.scaling, rows.name) == ((1, 2, 3), "bytes / 255", "faces")
    np.testing.assert_array_equal(rows.values[:, 0].numpy(), np.float32([1, 51 / 255]))
    assert rows.labels is not None
    assert (rows.labels.tolist(), rows.classes) == ([0, 1], ("cat", "man"))
    with pytest.raises(UsageError, match=r"--samples .* has the classes cat, man and --data .* has dog"):
        labels_by_name(rows, ("dog",), "--data others")
    labels, notes = labels_by_name(rows, ("cat", "man"), "--data others")
    assert labels is not None
    assert (labels.tolist(), notes) == ([0, 1], [])


def test_names_and_numbers_are_not_matched_by_their_order(tmp_path: Path) -> None:
    picture(tmp_path / "named" / "one" / "1.png", 51)
    picture(tmp_path / "numbered" / "1" / "1.png", 51)
    named, numbered = (load_rows(tmp_path / name, "--samples") for name in ("named", "numbered"))
    for samples, classes in ((named, ()), (numbered, ("one",))):
        labels, (note,) = labels_by_name(samples, classes, "--data others")
        assert labels is None
        assert "have names (one)" in note
        assert "there is no score by own class" in note


def test_a_broken_image_names_the_option_too(tmp_path: Path) -> None:
    (tmp_path / "odd.jpg").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"--data: .*odd\.jpg is damaged"):
        load_rows(tmp_path, "--data")


@pytest.mark.parametrize(("largest", "odd"), [(1, True), (15, True), (16, True), (9, False), (61, False), (255, False)])
def test_bytes_that_are_no_pixels_are_told(largest: int, odd: bool, tmp_path: Path) -> None:
    rows = (np.arange(40).reshape(10, 4) % (largest + 1)).astype(np.uint8)
    rows[0, 0] = largest
    np.save(tmp_path / "x.npy", rows)
    warnings = load_rows(tmp_path / "x.npy", "--data").warnings
    assert len(warnings) == odd
    assert not odd or f"go from 0 to {largest} and are divided by 255" in warnings[0]
    assert not odd or f"give --scale {largest}, " in warnings[0]
    scaled = load_rows(tmp_path / "x.npy", "--data", scale=float(largest))
    assert (scaled.warnings, scaled.scaling) == ((), f"bytes / {largest}")
    np.testing.assert_array_equal(scaled.values.numpy(), (rows / largest).astype(np.float32))


def test_moments_of_features_are_no_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "stats.npz", mu=np.zeros(8), sigma=np.eye(8))
    with pytest.raises(UsageError, match="holds the mean and covariance of features"):
        load_rows(tmp_path / "stats.npz", "--data")


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (60,)])
def test_what_sample_writes_is_read_beside_the_data(shape: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    rows = torch.rand(12, math.prod(shape), generator=torch.Generator().manual_seed(0))
    _write_array(rows, shape, 0, tmp_path / f"samples{suffix}")
    np.save(tmp_path / "data.npy", rows.view(-1, *shape).numpy())
    samples, data = load_rows(tmp_path / f"samples{suffix}", "--samples"), load_rows(tmp_path / "data.npy", "--data")
    require_alike(samples, data)
    assert torch.equal(samples.values, data.values)

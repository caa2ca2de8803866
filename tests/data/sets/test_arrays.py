"""The user's own arrays: each accepted form, and a sentence for each thing that can be wrong with one."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.data.formats.npy import read_arrays
from gantool.errors import UsageError

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (50, 6), dtype=np.uint8)


def load(path: Path) -> Dataset:
    return load_dataset(DataConfig("array", str(path)), offline=True)


def load_saved(tmp_path: Path, array: np.ndarray) -> Dataset:
    np.save(tmp_path / "x.npy", array)
    return load(tmp_path / "x.npy")


def in_order(dataset: Dataset) -> np.ndarray:
    """All rows, put back into the file's order by the documented permutation."""
    rows = torch.cat([dataset.split(name).stored for name in ("train", "validation", "test")]).numpy()
    back = np.empty_like(rows)
    back[np.random.RandomState(2014).permutation(len(rows))] = rows
    return back


def test_bytes_stay_bytes_and_are_dealt_80_10_10(tmp_path: Path) -> None:
    dataset = load_saved(tmp_path, BYTES)
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [40, 5, 5]
    assert (dataset.divisor, dataset.shape, dataset.train.stored.dtype) == (255.0, (6,), torch.uint8)
    assert dataset.train.labels is None
    assert np.array_equal(in_order(dataset), BYTES)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floats_become_float32(tmp_path: Path, dtype: str) -> None:
    values = RNG.standard_normal((57, 3)).astype(dtype)
    dataset = load_saved(tmp_path, values)
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [47, 5, 5]
    assert dataset.divisor == 1.0
    assert np.array_equal(in_order(dataset), values.astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "example", "channels_last"),
    [
        ((12, 5, 4), (1, 5, 4), False),
        ((12, 1, 5, 4), (1, 5, 4), False),
        ((12, 3, 5, 4), (3, 5, 4), False),
        ((12, 3, 5, 3), (3, 5, 3), False),
        ((12, 5, 4, 1), (1, 5, 4), True),
        ((12, 5, 4, 3), (3, 5, 4), True),
    ],
)
def test_image_shapes(tmp_path: Path, shape: tuple[int, ...], example: tuple[int, ...], channels_last: bool) -> None:
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    dataset = load_saved(tmp_path, images)
    assert dataset.shape == example
    expected = np.moveaxis(images, 3, 1) if channels_last else images
    assert np.array_equal(in_order(dataset), expected.reshape(12, -1))


def test_fortran_order(tmp_path: Path) -> None:
    assert np.array_equal(in_order(load_saved(tmp_path, np.asfortranarray(BYTES))), BYTES)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["x", "data", "faces"])
def test_npz_of_one_array_with_labels(tmp_path: Path, save, name: str) -> None:
    save(tmp_path / "x.npz", **{name: BYTES, "labels": np.arange(50, dtype=np.int16)})
    dataset = load(tmp_path / "x.npz")
    assert dataset.train.labels.dtype == torch.int64
    assert np.array_equal(dataset.train.stored.numpy(), BYTES[dataset.train.labels.numpy()])
    assert np.array_equal(in_order(dataset), BYTES)


def test_npz_of_three_splits(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=BYTES[:40], validation=BYTES[40:47], test=BYTES[47:], test_labels=np.arange(3))
    dataset = load(tmp_path / "x.npz")
    assert np.array_equal(dataset.train.stored.numpy(), BYTES[:40])
    assert np.array_equal(dataset.validation.stored.numpy(), BYTES[40:47])
    assert np.array_equal(dataset.test.stored.numpy(), BYTES[47:])
    assert dataset.train.labels is None
    assert dataset.test.labels.tolist() == [0, 1, 2]


def changed(array: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


FLOATS = RNG.standard_normal((50, 6))
WRONG = {
    "objects": (np.array([[1, "a"]] * 20, dtype=object), "holds Python objects, which only pickle could read"),
    "text": (np.array([["a", "b"]] * 20), "must hold numbers, but its type is <U1"),
    "a structure": (np.zeros(20, dtype=[("a", "f4")]), "must hold numbers"),
    "complex": (np.zeros((20, 2), np.complex64), "must hold numbers, but its type is complex64"),
    "integers": (np.zeros((20, 2), np.int64), "must be uint8 .* but is int64"),
    "booleans": (np.zeros((20, 2), bool), "must be uint8 .* but is bool"),
    "NaN": (changed(FLOATS, (7, 2), np.nan), "must be finite as float32, but 1 rows are not, first row 7"),
    "infinity": (changed(FLOATS, (3, 0), np.inf), "first row 3"),
    "beyond float32": (changed(FLOATS, (9, 0), 1e300), "first row 9"),
    "no rows": (np.zeros((0, 6)), r"is empty: its shape is \[0, 6\]"),
    "no values": (np.zeros((20, 0)), r"is empty: its shape is \[20, 0\]"),
    "one dimension": (np.zeros(20), r"must have the shape \[N, D\], .* but it is \[20\]"),
    "five dimensions": (np.zeros((20, 1, 2, 2, 2)), r"but it is \[20, 1, 2, 2, 2\]"),
    "two channels": (np.zeros((20, 2, 8, 8)), r"but it is \[20, 2, 8, 8\]"),
    "nine rows": (np.zeros((9, 2)), "must have 10 rows or more to be split 80/10/10, but has 9"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_array_that_will_not_do(tmp_path: Path, case: str) -> None:
    array, said = WRONG[case]
    with pytest.raises(UsageError, match=said) as caught:
        load_saved(tmp_path, array)
    assert str(caught.value).startswith(str(tmp_path / "x.npy"))


ARCHIVES = {
    "two arrays": ({"a": BYTES, "b": BYTES}, "one array and perhaps labels, but it holds a, b"),
    "labels alone": ({"labels": BYTES}, "but it holds labels"),
    "nothing": ({}, "but it holds nothing"),
    "a split missing": ({"train": BYTES, "test": BYTES}, "must hold train, validation and test, .* holds train, test"),
    "an array too many": ({"train": BYTES, "validation": BYTES, "test": BYTES, "z": BYTES}, "holds .*, z"),
    "splits of two widths": (
        {"train": BYTES, "validation": BYTES, "test": BYTES[:, :5]},
        r"one shape and type, but an example is: train \[6\] of uint8, .*test \[5\] of uint8",
    ),
    "splits of two types": ({"train": BYTES, "validation": BYTES, "test": FLOATS}, r"test \[6\] of float64"),
    "too few labels": ({"x": BYTES, "labels": np.arange(49)}, r"\(labels\) must be 50 whole .* is \[49\] of int64"),
    "fractional labels": ({"x": BYTES, "labels": np.zeros(50)}, r"\(labels\) must be 50 whole numbers, .* of float64"),
    "objects inside": ({"x": WRONG["objects"][0]}, r"x\.npz \(x\) holds Python objects"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_will_not_do(tmp_path: Path, case: str) -> None:
    arrays, said = ARCHIVES[case]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UsageError, match=said) as caught:
        load(tmp_path / "x.npz")
    assert str(caught.value).startswith(str(tmp_path / "x.npz"))


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archived(compression: int, **members: bytes) -> bytes:
    """A zip archive; `compression` is the format's number: 0 stored, 8 deflated, 12 bzip2."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return stream.getvalue()


def header(shape: str, version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


GOOD = saved(BYTES)
DAMAGED = {
    "empty": (b"", "is not a .npy or .npz file"),
    "text": (b"1,2,3\n4,5,6\n", "is not a .npy or .npz file"),
    "truncated": (GOOD[:-1], r"cut short: its header says \(50, 6\) of uint8, 300 bytes, but 299 follow"),
    "half a header": (GOOD[:40], "is not a .npy or .npz file"),
    "trailing": (GOOD + b"\0", "too long"),
    "2^62 rows": (header("(4611686018427387904, 6)") + BYTES.tobytes(), "cut short"),
    "negative rows": (header("(-50, -6)") + BYTES.tobytes(), "too long"),
    "a header that is code": (header("__import__('os').getpid()"), "its header is unreadable"),
    "version 3": (header("(50, 6)", b"\x03\x00") + BYTES.tobytes(), r"of version \(3, 0\): expected version 1.0"),
    "a cut archive": (archived(0, x_npy=GOOD)[:-30], "is not a .npy or .npz file"),
    "a spoilt archive": (archived(0, x_npy=GOOD).replace(BYTES.tobytes()[:8], b"spoiled!"), "Bad CRC-32"),
    "another member": (archived(0, readme=b"hello"), "must hold .npy arrays alone, but holds 'readme'"),
    "another packing": (archived(12, x_npy=GOOD), "must be packed as numpy.savez does"),
    "a truncated member": (archived(8, x_npy=GOOD[:-1]), r"\(x\) is cut short"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file(tmp_path: Path, case: str) -> None:
    content, said = DAMAGED[case]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=said) as caught:
            load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert peak < 4 << 20


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "absent.npy")
    with pytest.raises(UsageError, match="holds no PNG or JPEG image"):
        load(tmp_path)


ARCHIVE = archived(8, x_npy=GOOD)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=3),
    end=st.integers(0, 2**16),
    packed=st.booleans(),
)
def test_fuzz_edited_files(tmp_path: Path, edits: list[tuple[int, int]], end: int, packed: bool) -> None:
    """Whatever is done to the bytes, the answer is an array no larger than the file allows, or a UsageError."""
    content = bytearray(ARCHIVE if packed else GOOD)
    for index, value in edits:
        content[index % (40 if index % 2 else len(content))] = value
    path = tmp_path / "fuzzed"
    path.write_bytes(content[: len(content) - end % 8])
    try:
        arrays = read_arrays(path)
    except UsageError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(GOOD)


def test_bytes_take_the_full_scale_that_they_are_given(tmp_path: Path) -> None:
    binary = (BYTES > 99).astype(np.uint8)
    (warning,) = load_saved(tmp_path, binary).warnings
    assert "go from 0 to 1 and are divided by 255" in warning
    assert "give --set data.scale=1, and if they are pixels, --set data.scale=255." in warning
    path = tmp_path / "x.npy"
    dataset = load_dataset(DataConfig("array", str(path), scale=1), offline=True)
    assert (dataset.divisor, dataset.warnings) == (1.0, ())
    assert load_dataset(DataConfig("array", str(path), scale=255), offline=True).warnings == ()
    np.save(path, binary / 2)
    with pytest.raises(UsageError, match=r"data\.scale says what bytes are divided by, but .* holds floats"):
        load_dataset(DataConfig("array", str(path), scale=1), offline=True)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), "half", True])
def test_a_scale_is_a_number_above_0(scale: object) -> None:
    with pytest.raises(UsageError, match=r"data\.scale must be auto, .*or a number above 0"):
        DataConfig("array", "x.npy", scale=scale)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"data\.scale must be no number unless data\.name = array"):
        DataConfig("digits", scale=16)


def test_folders_of_images_and_safetensors_are_dealt_as_arrays_are(tmp_path: Path) -> None:
    rows = RNG.integers(0, 256, (20, 6), dtype=np.uint8)
    for index, row in enumerate(rows):
        folder = tmp_path / "pictures" / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row.reshape(2, 3)).save(folder / f"{index:02d}.png")
    pictures = load(tmp_path / "pictures")
    labels = np.arange(20) % 2
    order = np.argsort(labels, kind="stable")
    assert (pictures.shape, pictures.divisor) == ((1, 2, 3), 255.0)
    assert np.array_equal(in_order(pictures), rows[order])
    assert pictures.train.labels is not None
    save_file({"x": torch.from_numpy(rows), "labels": torch.from_numpy(labels)}, tmp_path / "x.safetensors")
    tensors = load(tmp_path / "x.safetensors")
    assert np.array_equal(in_order(tensors), rows)
    assert tensors.train.labels is not None
    assert [len(tensors.split(name)) for name in ("train", "validation", "test")] == [16, 2, 2]


def test_a_file_that_the_system_does_not_give_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.symlink_to("/proc/self/mem")  # its first byte cannot be read
    with pytest.raises(UsageError, match=r"a\.npy cannot be read: Input/output error\.$"):
        read_arrays(path)


def test_too_little_memory_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(_stream: object) -> None:
        raise MemoryError

    np.save(tmp_path / "a.npy", np.zeros((20, 3)))
    monkeypatch.setattr("numpy.lib.format.read_array_header_1_0", reader)
    with pytest.raises(UsageError, match="holds more than this machine's memory"):
        read_arrays(tmp_path / "a.npy")

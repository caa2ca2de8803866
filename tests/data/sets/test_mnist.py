"""MNIST: the paper's splits of the real files, and what is said of a folder that lacks or spoils one."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.data.remote import FASHION_MNIST_FILES, MNIST_FILES
from gantool.data.sets.mnist import load_mnist
from gantool.errors import UsageError


@pytest.fixture(scope="module")
def mnist(mnist_root: Path) -> Dataset:
    return load_dataset(DataConfig("mnist"), root=mnist_root, offline=True)


@pytest.fixture
def copy(mnist_root: Path, tmp_path: Path) -> Path:
    """A data root of links to the real files, in which single files can be replaced."""
    (tmp_path / "mnist").mkdir()
    for file in MNIST_FILES.files:
        (tmp_path / "mnist" / file.name).symlink_to(mnist_root / "mnist" / file.name)
    return tmp_path


def content(mnist_root: Path, name: str) -> bytes:
    return gzip.decompress((mnist_root / "mnist" / name).read_bytes())


def test_splits_are_the_papers(mnist: Dataset, mnist_root: Path) -> None:
    """Against the raw bytes, whose headers take 16 and 8 of them."""
    assert [len(mnist.split(name)) for name in ("train", "validation", "test")] == [50_000, 10_000, 10_000]
    assert (mnist.shape, mnist.divisor, mnist.dimension) == ((1, 28, 28), 255.0, 784)
    images = content(mnist_root, "train-images-idx3-ubyte.gz")
    labels = content(mnist_root, "train-labels-idx1-ubyte.gz")
    assert mnist.train.stored.dtype == torch.uint8
    assert mnist.train.stored.numpy().tobytes() == images[16 : 16 + 50_000 * 784]
    assert mnist.validation.stored.numpy().tobytes() == images[16 + 50_000 * 784 :]
    assert mnist.test.stored.numpy().tobytes() == content(mnist_root, "t10k-images-idx3-ubyte.gz")[16:]
    assert mnist.train.labels.tolist() == list(labels[8:50_008])
    assert mnist.validation.labels.tolist() == list(labels[50_008:])
    assert mnist.test.labels.tolist() == list(content(mnist_root, "t10k-labels-idx1-ubyte.gz")[8:])


def test_values_are_bytes_over_255_exactly(mnist: Dataset) -> None:
    rows = mnist.train.stored[:50]
    values = mnist.values(rows)
    assert values.dtype == torch.float32
    assert torch.equal(values, (rows.double() / 255).float())
    assert torch.equal((values * 255).round().to(torch.uint8), rows)
    assert 0.130 < float(mnist.values(mnist.train.stored).mean()) < 0.132  # MNIST's known training mean, 0.1307


def test_unzipped_names_are_accepted(copy: Path, mnist: Dataset, mnist_root: Path) -> None:
    for file in MNIST_FILES.files:
        (copy / "mnist" / file.name).unlink()
        (copy / "mnist" / file.name.removesuffix(".gz")).write_bytes(content(mnist_root, file.name))
    again = load_mnist(copy)
    assert torch.equal(again.train.stored, mnist.train.stored)
    assert torch.equal(again.test.labels, mnist.test.labels)


def test_the_known_checksums_are_those_of_the_real_files(mnist_root: Path) -> None:
    paths = MNIST_FILES.require(mnist_root)
    for file, path, other in zip(MNIST_FILES.files, paths, [*paths[1:], paths[0]], strict=True):
        file.verify(path)
        with pytest.raises(UsageError, match="is not the known file"):
            file.verify(other)


def test_a_missing_folder_names_every_file_and_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `gantool data fetch mnist`") as caught:
        load_mnist(tmp_path)
    assert all(file.name in str(caught.value) for file in MNIST_FILES.files)


def test_an_incomplete_folder_names_what_is_missing_alone(copy: Path) -> None:
    (copy / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"mnist: t10k-labels-idx1-ubyte\.gz missing; run"):
        load_mnist(copy)


def test_a_damaged_file_says_how_to_replace_it(copy: Path, mnist_root: Path) -> None:
    path = copy / "mnist" / "t10k-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"cut short: its gzip stream has no end; run `gantool data fetch mnist` to"):
        load_mnist(copy)


def test_images_and_labels_that_changed_places(copy: Path, mnist_root: Path) -> None:
    path = copy / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.unlink()
    shutil.copy(mnist_root / "mnist" / "t10k-labels-idx1-ubyte.gz", path)
    with pytest.raises(UsageError, match=r"has another rank: .* with 3 dimensions .*, but it has 1; run"):
        load_mnist(copy)


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_other_values_under_an_official_name_are_refused(copy: Path, mnist_root: Path, name: str) -> None:
    other = bytearray(content(mnist_root, name))
    other[-1] ^= 1
    (copy / "mnist" / name).unlink()
    (copy / "mnist" / name).write_bytes(gzip.compress(bytes(other), 1))
    with pytest.raises(UsageError, match=rf"{name} holds other values than MNIST's file of that name"):
        load_mnist(copy)


def test_a_file_that_the_system_does_not_give_is_not_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for file in MNIST_FILES.files:
        (tmp_path / "mnist" / file.name).symlink_to("/proc/self/mem")  # its first byte cannot be read
    with pytest.raises(UsageError, match=r"cannot be read: Input/output error\.$"):
        load_mnist(tmp_path)


def test_sets_like_mnist_are_read_and_checked_by_their_compressed_files(tmp_path: Path) -> None:
    """Made here in the official layout, since the real ones are not at hand."""
    rng = np.random.default_rng(0)
    folder, known = tmp_path / "fashion-mnist", []
    folder.mkdir()
    for file in FASHION_MNIST_FILES.files:
        rows = 60_000 if file.name.startswith("train") else 10_000
        shape = (rows, 28, 28) if "images" in file.name else (rows,)
        header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        content = gzip.compress(header + rng.integers(0, 10, shape, np.uint8).tobytes(), compresslevel=1)
        (folder / file.name).write_bytes(content)
        known.append(replace(file, size=len(content), sha256=hashlib.sha256(content).hexdigest()))
    with pytest.raises(UsageError, match=r"is not the known file.*gantool data fetch fashion-mnist"):
        load_dataset(DataConfig("fashion-mnist"), root=tmp_path, offline=True)
    data = load_mnist(tmp_path, replace(FASHION_MNIST_FILES, files=tuple(known)))
    assert (data.name, len(data.train), len(data.validation), len(data.test)) == (
        "fashion-mnist",
        50_000,
        10_000,
        10_000,
    )
    assert data.source.startswith("the Fashion-MNIST IDX files")

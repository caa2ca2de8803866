"""CIFAR-10 from files of the official layout that are made here, and the real images where they are."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.data.formats.cifar import read_cifar
from gantool.data.remote import CIFAR10_BINARIES, CIFAR10_FILES
from gantool.data.sets import cifar10
from gantool.errors import UsageError

RECORD = 3_073


def contents() -> dict[str, bytes]:
    """Six files: the label of record i is i mod 10, its pixels are (i + file) mod 256."""
    files = {}
    for number, name in enumerate(CIFAR10_BINARIES):
        records = np.empty((10_000, RECORD), np.uint8)
        records[:, 0] = np.arange(10_000) % 10
        records[:, 1:] = ((np.arange(10_000) + number) % 256)[:, None]
        records[:, 1] = 7  # the first red value: the order within a record is seen
        files[name] = records.tobytes()
    return files


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return contents()


def unpacked(root: Path, files: dict[str, bytes]) -> Path:
    folder = root / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_unpacked_files_are_taken_and_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    unpacked(tmp_path, files)
    data = load_dataset(DataConfig("cifar10"), root=tmp_path, offline=True)
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [40_000, 10_000, 10_000]
    assert (data.shape, data.dimension, data.divisor) == ((3, 32, 32), 3_072, 255.0)
    assert "not the official files" in data.source
    assert data.train.stored[10_003, :3].tolist() == [7, 4, 4]  # record 3 of the second file
    assert data.test.stored[255, 1:3].tolist() == [4, 4]  # 255 + 5, modulo 256
    assert data.validation.labels is not None
    assert data.validation.labels[:11].tolist() == [*range(10), 0]


def test_the_archive_is_read_and_checked(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive(files)
    (tmp_path / "cifar10").mkdir()
    path = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not the known file"):
        load_dataset(DataConfig("cifar10"), root=tmp_path, offline=True)
    known = replace(CIFAR10_FILES.files[0], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar10, "CIFAR10_FILES", replace(CIFAR10_FILES, files=(known,)))
    data = cifar10.load_cifar10(tmp_path)
    assert data.source == "the official binary version of CIFAR-10"
    other = tmp_path / "other"
    unpacked(other, files)
    assert torch.equal(data.train.stored, load_dataset(DataConfig("cifar10"), root=other).train.stored)


@pytest.mark.parametrize("place", ["", "cifar10/cifar-10-batches-bin", "beside"])
def test_unpacked_files_are_found_where_people_put_them(place: str, tmp_path: Path, files: dict[str, bytes]) -> None:
    source = unpacked(tmp_path / "source", files).parent.parent
    root = tmp_path / "root"
    if place == "beside":
        shutil.copytree(source / "cifar10" / "cifar-10-batches-bin", root / "cifar-10-batches-bin")
    elif place:
        shutil.copytree(source / "cifar10" / "cifar-10-batches-bin", root / "cifar10")
    else:
        result = CliRunner().invoke(app, ["data", "fetch", "cifar10", "--from", str(source), "--data-dir", str(root)])
        assert result.exit_code == 0, result.stderr
    assert len(load_dataset(DataConfig("cifar10"), root=root, offline=True).test) == 10_000
    shown = CliRunner().invoke(app, ["data", "info", "cifar10", "--data-dir", str(root)])
    assert shown.exit_code == 0, shown.stderr
    assert "not the official files" in " ".join(shown.stdout.split())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cifar-10-binary\.tar\.gz"):
        load_dataset(DataConfig("cifar10"), root=tmp_path, offline=True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "expected 30,730,000 bytes, but it holds 0"),
        (bytes(RECORD * 10_000 + 5), "but it holds more"),
        (bytes([10]) * (RECORD * 10_000), "a label is 10, and the largest is 9"),
    ],
)
def test_files_that_are_none_are_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_cifar(io.BytesIO(content), "data_batch_1.bin")


def test_contrast_normalisation_is_the_protocols(tmp_path: Path, files: dict[str, bytes]) -> None:
    unpacked(tmp_path, files)
    data = load_dataset(DataConfig("cifar10", scale="norm:55"), root=tmp_path)
    stored = torch.randint(0, 256, (50, 3_072), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = stored.numpy() / 255.0
    expected = x - x.mean(axis=1, keepdims=True)
    expected *= 55.0 / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(data.values(stored, torch.float64), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(data.training_values(stored), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(data.values(torch.zeros(1, 3_072, dtype=torch.uint8)), torch.zeros(1, 3_072))


def test_real_images_have_real_statistics() -> None:
    root = os.environ.get("GANTOOL_DATA_DIR")
    if not root or not CIFAR10_FILES.files[0].find_unpacked(Path(root) / "cifar10"):
        pytest.skip("CIFAR-10 is not here: set GANTOOL_DATA_DIR to a folder that holds cifar10/cifar-10-batches-bin")
    data = load_dataset(DataConfig("cifar10"), root=Path(root))
    # Channel means that are quoted everywhere: 0.4914, 0.4822, 0.4465 over the 50,000 training images.
    means = data.train.stored.view(-1, 3, 1_024).double().mean(dim=(0, 2)) / 255
    assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.003)
    assert data.train.labels is not None
    assert torch.bincount(data.train.labels).tolist() == pytest.approx([4_000] * 10, abs=300)

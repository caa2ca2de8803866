"""What is kept in the cache is read back only where every value is the one that was kept."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gantool.evaluation.kept import keep, read_kept

TENSORS = {"weight": torch.arange(12.0).reshape(3, 4), "scale": torch.tensor(0.5)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "kept.safetensors"
    assert keep(path, "these rows", TENSORS) == ""
    return path


def one_value_changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-4:] = struct.pack("<f", 11.5)
    path.write_bytes(content)


def values_without_a_label(path: Path) -> None:
    save_file(TENSORS, path)


def label_of_no_kind(path: Path) -> None:
    save_file(TENSORS, path, {"gantool": "[]"})


def an_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros((3, 4)))


def a_folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def other_numbers(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (one_value_changed, "its checksum is another"),
    (other_numbers, "its checksum is another"),
    (values_without_a_label, "it is not of these rows"),
    (label_of_no_kind, "it is not of these rows"),
    (an_archive, "it is no safetensors file"),
    (lambda path: path.write_bytes(b""), "it is no safetensors file"),
    (lambda path: os.truncate(path, 100), "it is no safetensors file"),
    (a_folder, "it is not a file"),
    (a_pipe, "it is not a file"),
    (nowhere, "it is not a file"),
]


def test_what_was_kept_is_read(path: Path) -> None:
    kept = read_kept(path, "these rows")
    assert kept.tensors is not None
    assert kept.fault == ""
    assert all(torch.equal(kept.tensors[name], value) for name, value in TENSORS.items())
    assert torch.equal(load_file(path)["weight"], TENSORS["weight"])


def test_equal_tensors_are_equal_files(path: Path) -> None:
    first = path.read_bytes()
    for _ in range(5):
        keep(path, "these rows", dict(reversed(TENSORS.items())))
        assert path.read_bytes() == first


def test_nothing_there_is_no_fault(tmp_path: Path) -> None:
    assert read_kept(tmp_path / "kept.safetensors", "these rows") == (None, "")


def test_another_subject_is_told(path: Path) -> None:
    assert read_kept(path, "those rows") == (None, "it is not of these rows and settings")


@pytest.mark.parametrize(("damage", "fault"), DAMAGES, ids=lambda value: getattr(value, "__name__", None))
def test_anything_else_in_its_place_is_told(path: Path, damage: Callable[[Path], object], fault: str) -> None:
    damage(path)
    kept = read_kept(path, "these rows")
    assert kept.tensors is None
    assert kept.fault.startswith(fault)


def test_a_file_that_may_not_be_read_is_told_and_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert read_kept(path, "these rows") == (None, "it cannot be read: Permission denied")
    assert keep(path, "these rows", TENSORS) == ""


def test_where_nothing_can_be_kept_the_reason_comes_back(path: Path) -> None:
    a_folder(path)
    assert keep(path, "these rows", TENSORS) == "Is a directory"
    assert [found.name for found in path.parent.iterdir()] == [path.name]

"""Safetensors files of the user's: what is read, and damage of every kind."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from gantool.data.formats.tensors import read_tensors
from gantool.errors import UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.safetensors"
    save_file({"x": torch.arange(12.0).reshape(3, 4), "labels": torch.tensor([2, 0, 1])}, path)
    return path


def test_tensors_by_name(file: Path) -> None:
    found = read_tensors(file)
    assert list(found) == ["labels", "x"]
    np.testing.assert_array_equal(found["x"], np.arange(12, dtype=np.float32).reshape(3, 4))
    assert (found["labels"].dtype, found["labels"].tolist()) == (np.int64, [2, 0, 1])


def test_bfloat16_becomes_float32_without_loss(tmp_path: Path) -> None:
    values = torch.tensor([[1.5, -2.25]], dtype=torch.bfloat16)
    save_file({"x": values}, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(read_tensors(tmp_path / "x.safetensors")["x"], [[1.5, -2.25]])


def test_a_type_that_numpy_lacks_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2, 2).to(torch.float8_e5m2)}, tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match=r"x\.safetensors \(x\) has the type torch.float8_e5m2"):
        read_tensors(tmp_path / "x.safetensors")


def forged(header: dict[str, object], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        struct.pack("<Q", 10) + b"{}",
        forged({"x": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}, bytes(4)),
        forged({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
        forged({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(9)),
    ],
    ids=["empty", "header too large", "header cut short", "shape beyond the data", "data cut short", "data left over"],
)
def test_damage_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match=r"odd\.safetensors is damaged"):
        read_tensors(tmp_path / "odd.safetensors")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_tensors(tmp_path / "none.safetensors")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_arrays_or_one_sentence(file: Path, data: st.DataObject) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    other = file.with_name("changed.safetensors")
    other.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    refusal = None
    try:
        assert all(array.size * array.itemsize <= len(content) for array in read_tensors(other).values())
    except UsageError as error:
        refusal = str(error)
    assert refusal is None or "changed.safetensors" in refusal

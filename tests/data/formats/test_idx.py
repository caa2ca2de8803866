"""The IDX reader: what it accepts equals what was written, and everything else is one clear sentence."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gantool.data.formats.idx import read_idx
from gantool.errors import UsageError


def encode(values: np.ndarray, *, code: int = 8, dims: tuple[int, ...] | None = None) -> bytes:
    """IDX bytes by the format's definition; `dims` lets a header lie."""
    dims = values.shape if dims is None else dims
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, code, len(dims), *dims) + values.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_reads_what_was_written(tmp_path: Path, pack) -> None:
    path = tmp_path / "images"
    path.write_bytes(pack(encode(IMAGES)))
    read = read_idx(path, (5, 4, 3))
    assert read.dtype == np.uint8
    assert read.flags.writeable
    assert np.array_equal(read, IMAGES)


def test_reads_a_gzip_stream_of_several_members(tmp_path: Path) -> None:
    content = encode(IMAGES)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(content[:30]) + gzip.compress(content[30:]))
    assert np.array_equal(read_idx(path, (5, 4, 3)), IMAGES)


def flip(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 0x55]) + data[index + 1 :]


GOOD = encode(IMAGES)
PACKED = gzip.compress(GOOD)
BAD = {
    "empty": (b"", "cut short: expected an IDX file of unsigned bytes with 3 dimensions"),
    "half a magic number": (GOOD[:2], "it holds 2 bytes"),
    "half a header": (GOOD[:10], "expected 16 bytes of header, but it holds 10"),
    "truncated": (GOOD[:-1], "expected 60 bytes of values, but it holds 59"),
    "trailing": (GOOD + b"\0", "expected 60 bytes of values, but more follow"),
    "another format": (b"\x89PNG" + GOOD, "is not an IDX file"),
    "an unknown type": (encode(IMAGES, code=7), r"it starts 00 00 07 03"),
    "floats": (encode(IMAGES, code=13), "they are float32"),
    "another rank": (encode(IMAGES.reshape(20, 3)), r"it starts 00 00 08 03\), but it has 2"),
    "another shape": (encode(IMAGES.reshape(4, 5, 3)), "expected 5×4×3, but its header says 4×5×3"),
    "2^31 rows": (encode(IMAGES, dims=(2**31, 4, 3)), "but its header says 2147483648×4×3"),
    "gzip without its end": (PACKED[:-9], "its gzip stream has no end"),
    "gzip without its checksum": (PACKED[:-8], "its gzip stream has no end"),
    "gzip with a wrong checksum": (flip(PACKED, -8), "CRC check failed"),
    "gzip with a damaged body": (flip(PACKED, len(PACKED) // 2), "damaged|CRC"),
    "gzip with something after it": (PACKED + b"junk", "Not a gzipped file"),
    "gzip of too much": (gzip.compress(GOOD + b"\0"), "but more follow"),
    "gzip of too little": (gzip.compress(GOOD[:-1]), "it holds 59"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path: Path, case: str) -> None:
    content, said = BAD[case]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_idx(path, (5, 4, 3))
    assert str(caught.value).startswith(f"{path} ")
    assert str(caught.value).endswith(".")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_idx(tmp_path / "absent", (1,))
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_idx(tmp_path, (1,))


@pytest.mark.parametrize("rows", [2**31, 5], ids=["hostile header", "honest header"])
def test_a_gzip_bomb_takes_no_memory(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(encode(IMAGES, dims=(rows, 4, 3)))
        for _ in range(64):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=r"its header says|more follow"):
            read_idx(path, (5, 4, 3))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20  # 64 MiB lie behind the 60 bytes that were asked for


EDIT = st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDIT, max_size=4), end=st.integers(0, len(GOOD) + 8), packed=st.booleans())
def test_fuzz_edited_files(tmp_path: Path, edits: list[tuple[int, int]], end: int, packed: bool) -> None:
    content = bytearray(GOOD)
    for index, value in edits:
        content[index] = value
    content = (content + bytes(8))[:end]
    path = tmp_path / "fuzzed"
    path.write_bytes(gzip.compress(content) if packed else content)
    if end == len(GOOD) and content[:16] == GOOD[:16]:
        assert read_idx(path, (5, 4, 3)).tobytes() == content[16:]
    else:
        with pytest.raises(UsageError):
            read_idx(path, (5, 4, 3))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=120), gzip_magic=st.booleans(), index=st.integers(2, len(PACKED) - 1))
def test_fuzz_noise_and_damaged_gzip(tmp_path: Path, content: bytes, gzip_magic: bool, index: int) -> None:
    """Random bytes are never these images; a changed byte of the gzip file is caught, or it changes nothing."""
    path = tmp_path / "fuzzed"
    path.write_bytes((b"\x1f\x8b" if gzip_magic else b"") + content)
    with pytest.raises(UsageError):
        read_idx(path, (5, 4, 3))
    path.write_bytes(flip(PACKED, index))
    try:
        read = read_idx(path, (5, 4, 3))
    except UsageError:
        return
    assert np.array_equal(read, IMAGES)

"""IDX, the format of the MNIST files (http://yann.lecun.com/exdb/mnist): our own bounded reader.

A file is two zero bytes, a type code (8 for unsigned bytes), the rank, one big-endian uint32 for each dimension, and
the values, row-major. The caller says which shape it expects, so nothing is allocated on the word of a header.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gantool.data.formats.payload import open_payload
from gantool.errors import UsageError

_UNSIGNED_BYTE = 8
_TYPE_NAMES = {8: "unsigned byte", 9: "signed byte", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


def read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Reads the unsigned-byte IDX file `path`, plain or gzip, which must hold `shape` → uint8 array of that shape.

    Reads at most one byte more than `shape` needs, whatever the header claims or the gzip stream would expand to.
    Raises UsageError naming the file, what was expected and what came: missing, cut short, bytes after the end, another
    magic number, value type, rank or shape, a damaged gzip stream.
    """
    size = math.prod(shape)
    with open_payload(path) as stream:
        _check_magic(path, stream.read(4), len(shape))
        _check_dimensions(path, stream.read(4 * len(shape)), shape)
        values = stream.read(size + 1)
    if len(values) < size:
        raise UsageError(f"{path} is cut short: expected {size} bytes of values, but it holds {len(values)}.")
    if len(values) > size:
        raise UsageError(f"{path} is too long: expected {size} bytes of values, but more follow.")
    return np.frombuffer(values, np.uint8).reshape(shape).copy()


def _check_magic(path: Path, magic: bytes, rank: int) -> None:
    expected = f"expected an IDX file of unsigned bytes with {rank} dimensions (it starts {_hex(0, 0, 8, rank)})"
    if len(magic) < 4:
        raise UsageError(f"{path} is cut short: {expected}, but it holds {len(magic)} bytes.")
    if magic[:2] != b"\0\0" or magic[2] not in _TYPE_NAMES:
        raise UsageError(f"{path} is not an IDX file: {expected}, but it starts {_hex(*magic)}.")
    if magic[2] != _UNSIGNED_BYTE:
        raise UsageError(f"{path} holds values of another type: {expected}, but they are {_TYPE_NAMES[magic[2]]}.")
    if magic[3] != rank:
        raise UsageError(f"{path} has another rank: {expected}, but it has {magic[3]}.")


def _check_dimensions(path: Path, header: bytes, shape: tuple[int, ...]) -> None:
    if len(header) < 4 * len(shape):
        expected, held = 4 + 4 * len(shape), 4 + len(header)
        raise UsageError(f"{path} is cut short: expected {expected} bytes of header, but it holds {held}.")
    found = struct.unpack(f">{len(shape)}I", header)
    if found != shape:
        raise UsageError(f"{path} has another shape: expected {_times(shape)}, but its header says {_times(found)}.")


def _hex(*values: int) -> str:
    return bytes(values).hex(" ")


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))

"""NumPy's .npy and .npz files, read without pickle and with every size checked before memory is taken."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from gantool.errors import UsageError

Array = npt.NDArray[Any]
_ENCRYPTED = 1


def read_arrays(path: Path) -> dict[str, Array]:
    """Reads a .npy or .npz file, told apart by content → its arrays by name; the one of an .npy file is called "".

    Raises UsageError naming the file and the array: missing, neither format, cut short, damaged, too long, or not of
    numbers (numbers are bool, integers and floats; objects would need pickle, which is never used).
    """
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                stream.seek(0)
                return {"": _read_npy(stream, path.stat().st_size, str(path))}
            with zipfile.ZipFile(stream) as archive:
                return {_key(path, info): _read_member(path, archive, info) for info in archive.infolist()}
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise UsageError(f"{path} holds more than this machine's memory; save fewer rows or a smaller type.") from error
    except UsageError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError) as error:
        raise UsageError(f"{path} is damaged: expected an intact .npz archive, but {error}.") from error


def _key(path: Path, info: zipfile.ZipInfo) -> str:
    if not info.filename.endswith(".npy"):
        raise UsageError(f"{path} must hold .npy arrays alone, but holds {info.filename!r}.")
    return info.filename.removesuffix(".npy")


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UsageError(f"{path} must be packed as numpy.savez does, but its {info.filename!r} is not.")
    with archive.open(info) as stream:
        return _read_npy(stream, info.file_size, f"{path} ({_key(path, info)})")


def _read_npy(stream: IO[bytes], size: int, where: str) -> Array:
    """Reads one .npy of `size` bytes from the start of `stream`; `where` names it in errors."""
    shape, fortran_order, dtype = _read_header(stream, where)
    if dtype.hasobject:
        raise UsageError(f"{where} holds Python objects, which only pickle could read; save plain numbers instead.")
    if dtype.kind not in "buif":
        raise UsageError(f"{where} must hold numbers, but its type is {dtype}.")
    expected, held = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if held != expected or min(shape, default=0) < 0:
        what = "cut short" if held < expected else "too long"
        raise UsageError(f"{where} is {what}: its header says {shape} of {dtype}, {expected} bytes, but {held} follow.")
    data = stream.read(expected)
    if len(data) < expected:
        raise UsageError(f"{where} is cut short: expected {expected} bytes of values, but it holds {len(data)}.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")


def _read_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = npy_format.read_magic(stream)
        readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
        return readers[version](stream)
    except KeyError as error:
        raise UsageError(f"{where} is a .npy file of version {error}: expected version 1.0 or 2.0.") from error
    except (OSError, MemoryError):  # of the machine, not of the file
        raise
    except Exception as error:  # numpy evaluates the header as a Python literal, which can fail in any of many ways
        raise UsageError(f"{where} is not a .npy or .npz file: its header is unreadable ({error}).") from error

"""Reads the user's own rows from a .npy or .npz file, and refuses what cannot be scored.

Nothing is unpickled, and every refusal is one sentence that names the option, the file and the shape.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantool.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]

# What numpy.load raises for a file that is damaged, or whose header asks for more than there is.
_READ_ERRORS = (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Rows:
    """Examples as rows: `values` is [N, D] float32, finite.

    `shape` is one example's shape as it was stored; `scaling` says in words what was done to the values;
    `name` is the file's; `origin` names the option and the file, for messages.
    """

    values: torch.Tensor
    shape: tuple[int, ...]
    scaling: str
    name: str
    origin: str


def load_rows(path: Path, flag: str) -> Rows:
    """Reads [N, D], or images [N, …] that are flattened, from a .npy file or a .npz file.

    Byte arrays are divided by 255; other numbers are taken as they are. Of a .npz file with several arrays
    the one called `samples` or `data` is read. Raises UsageError for a file that is not there or not an
    array of numbers, for one value a row or less, for no rows, and for values that are not finite.
    """
    origin = f"{flag} {path}"
    array = _read(path, origin)
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{origin} holds {array.dtype} values; give an array of numbers.")
    if array.ndim < 2:
        raise UsageError(
            f"{origin} has shape {array.shape}; give one row for each example: [N, D] or images [N, H, W]."
        )
    if array.size == 0:
        raise UsageError(f"{origin} is empty: its shape is {array.shape}; give at least one row of one value.")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is refused below
        values = np.ascontiguousarray(array.reshape(array.shape[0], -1), dtype=np.float32)
    if array.dtype == np.uint8:
        # A true division: k/255 is then the float nearest to it, as in the registered data sets.
        values /= np.float32(255)
    _require_finite(values, array.shape, origin)
    scaling = "bytes / 255" if array.dtype == np.uint8 else "as given"
    return Rows(torch.from_numpy(values), array.shape[1:], scaling, path.name, origin)


def require_alike(first: Rows, second: Rows) -> None:
    """Raises UsageError where the rows of two files cannot be compared: another dimension or another layout."""
    if first.values.shape[1] != second.values.shape[1]:
        raise UsageError(
            f"{first.origin} has rows of {first.values.shape[1]} values {first.shape} and {second.origin} has "
            f"rows of {second.values.shape[1]} {second.shape}: give arrays of the same examples."
        )
    layouts = [tuple(size for size in rows.shape if size > 1) for rows in (first, second)]
    if all(len(layout) > 1 for layout in layouts) and layouts[0] != layouts[1]:
        raise UsageError(
            f"{first.origin} holds examples of shape {first.shape} and {second.origin} of shape "
            f"{second.shape}: flattened, their pixels would not line up; give both in one layout."
        )


def _read(path: Path, origin: str) -> Array:
    if path.suffix not in (".npy", ".npz"):
        raise UsageError(f"{origin} is not a .npy or .npz file; save the array with numpy.save or numpy.savez.")
    if not path.is_file():
        raise UsageError(f"{origin} is not there; check the path.")
    try:
        loaded = np.load(path, allow_pickle=False)
    except _READ_ERRORS as error:
        raise UsageError(f"{origin} cannot be read as a NumPy array: {_reason(error)}.") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        return np.asarray(loaded)
    with loaded:
        name = _member(loaded.files, origin)
        try:
            return np.asarray(loaded[name])
        except _READ_ERRORS as error:
            raise UsageError(f"{origin}: its array {name!r} cannot be read: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    if "allow_pickle" in str(error):
        return "it is no plain array of numbers, or damaged (pickled objects are never loaded)"
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _member(names: list[str], origin: str) -> str:
    """Which array of a .npz file holds the rows."""
    for name in ("samples", "data"):
        if name in names:
            return name
    if len(names) != 1:
        held = ", ".join(names) or "none"
        raise UsageError(f"{origin} holds several arrays or none ({held}); name the one to read `samples` or `data`.")
    return names[0]


def _require_finite(values: Array, shape: tuple[int, ...], origin: str) -> None:
    # A sum is finite where every value is (and costs no mask of the array's size); it may overflow, too.
    with np.errstate(all="ignore"):
        sums = values.sum(axis=1, dtype=np.float64)
    if math.isfinite(float(sums.sum())):
        return
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise UsageError(
            f"{origin} {shape} has NaN or infinity in {len(bad)} of its {len(values)} rows, the first in "
            f"row {bad[0]}; remove those rows."
        )

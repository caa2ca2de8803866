"""The user's own data: a NumPy .npy or .npz file, a .safetensors file of the same arrays, or a folder of images.

| an array of shape | is read as |
|---|---|
| [N, D] | N rows of D values |
| [N, H, W] | N grey images, shape (1, H, W) |
| [N, C, H, W] with C = 1 or 3 | N images, channels first |
| [N, H, W, C] with C = 1 or 3 | N images, channels last: read so where channels first does not fit, and transposed |

uint8 is kept as bytes with divisor 255, or what is given; float16, float32 and float64 become float32 with divisor 1
and must be finite.

An .npz file holds `train`, `validation` and `test`, with `train_labels`, `validation_labels` and `test_labels` or
without; or one array, called `x`, `data` or anything else, with `labels` or without. Such a single array is dealt out
80 / 10 / 10 in the order of `fixed_permutation`, the training rows first and the test rows last. So are the images of a
folder, whose subfolders are labels: see :mod:`gantool.data.formats.images`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gantool.data.dataset import Dataset, Split, fixed_permutation
from gantool.data.formats.images import read_image_folder
from gantool.data.formats.npy import Array, read_arrays
from gantool.data.formats.tensors import read_tensors
from gantool.data.units import PIXEL_LEVELS, odd_bytes
from gantool.errors import UsageError

_SPLITS = ("train", "validation", "test")
_CHANNELS = (1, 3)
_LEAST_ROWS = 10
_SHAPES = "[N, D], [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1 or 3"


def load_array(path: Path, scale: float | None = None) -> Dataset:
    """Reads the user's file or folder → its three splits. Bytes are divided by `scale` (None: 255).

    Raises UsageError naming the file and the array: missing, damaged or cut short; of objects, of another type or
    shape, empty, not finite, or of too few rows; splits that differ in shape or type; labels that do not fit; a scale
    for floats.
    """
    arrays = _arrays_of(path)
    splits, shape = _named_splits(path, arrays) if "train" in arrays else _dealt_splits(path, arrays)
    stored = splits["train"].stored
    if scale is not None and stored.dtype != torch.uint8:
        raise UsageError(
            f"data.scale says what bytes are divided by, but {path} holds floats, which are used as they are."
        )
    return Dataset(
        name="array",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        shape=shape,
        divisor=(scale or PIXEL_LEVELS) if stored.dtype == torch.uint8 else 1.0,
        source=str(path),
        warnings=odd_bytes(stored, scale, str(path), "--set data.scale="),
    )


def _arrays_of(path: Path) -> dict[str, Array]:
    if path.is_dir():
        folder = read_image_folder(path)
        return {"": folder.pixels} | ({} if folder.labels is None else {"labels": folder.labels})
    return read_tensors(path) if path.suffix == ".safetensors" else read_arrays(path)


def rows_of(array: Array, where: str, *, exact: bool = False) -> tuple[torch.Tensor, tuple[int, ...]]:
    """One of the arrays above → rows [N, D], uint8 or float32, and the shape of one example.

    With `exact`, float64 that float32 would round stays float64. `where` names the array in errors. Raises UsageError:
    another type or shape, empty, or not finite.
    """
    plain_float = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    if array.dtype != np.uint8 and not plain_float:
        raise UsageError(
            f"{where} must be uint8 (bytes, divided by 255) or float16, float32 or float64 (used as they are), "
            f"but is {array.dtype}."
        )
    if array.size == 0:
        raise UsageError(f"{where} is empty: its shape is {list(array.shape)}.")
    images = _channels_first(array, where)
    flat = images.reshape(len(images), -1)
    rows = _finite_float32(flat, where) if plain_float else flat.copy()
    if exact and flat.dtype.itemsize == 8 and bool((rows != flat).any()):
        rows = flat.astype(np.float64)
    return torch.from_numpy(rows), images.shape[1:]


def _channels_first(array: Array, where: str) -> Array:
    if array.ndim == 2:
        return array
    if array.ndim == 3:
        return array[:, np.newaxis]
    if array.ndim == 4 and array.shape[1] in _CHANNELS:
        return array
    if array.ndim == 4 and array.shape[3] in _CHANNELS:
        return array.transpose(0, 3, 1, 2)
    raise UsageError(f"{where} must have the shape {_SHAPES}, but it is {list(array.shape)}.")


def _finite_float32(rows: Array, where: str) -> Array:
    with np.errstate(over="ignore"):  # an overflow becomes an infinity, which is reported below
        rows = rows.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise UsageError(f"{where} must be finite as float32, but {len(bad)} rows are not, first row {bad[0]}.")
    return rows


def labels_of(arrays: dict[str, Array], key: str, rows: int, where: str) -> torch.Tensor | None:
    """The array called `key` as labels [rows] int64, or None where there is none.

    `where` names the file in errors. Raises UsageError: another length, or not whole numbers.
    """
    if key not in arrays:
        return None
    labels = arrays[key]
    if labels.dtype.kind not in "ui" or labels.shape != (rows,):
        raise UsageError(
            f"{where} ({key}) must be {rows} whole numbers, one a row, but is {list(labels.shape)} of {labels.dtype}."
        )
    return torch.from_numpy(labels.astype(np.int64))


def _named_splits(path: Path, arrays: dict[str, Array]) -> tuple[dict[str, Split], tuple[int, ...]]:
    known = {*_SPLITS, *(f"{name}_labels" for name in _SPLITS)}
    if set(_SPLITS) - arrays.keys() or arrays.keys() - known:
        raise UsageError(
            f"{path} must hold train, validation and test, and beside them only labels, as train_labels, "
            f"validation_labels and test_labels, but it holds {', '.join(arrays)}."
        )
    splits, shapes = {}, {}
    for name in _SPLITS:
        rows, shapes[name] = rows_of(arrays[name], f"{path} ({name})")
        splits[name] = Split(rows, labels_of(arrays, f"{name}_labels", len(rows), str(path)))
    kinds = {name: f"{list(shapes[name])} of {arrays[name].dtype}" for name in _SPLITS}
    if len({(shapes[name], splits[name].stored.dtype) for name in _SPLITS}) > 1:
        described = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise UsageError(f"{path} must hold splits of one shape and type, but an example is: {described}.")
    return splits, shapes["train"]


def _dealt_splits(path: Path, arrays: dict[str, Array]) -> tuple[dict[str, Split], tuple[int, ...]]:
    names = [name for name in arrays if name != "labels"]
    if len(names) != 1:
        raise UsageError(
            f"{path} must hold train, validation and test, or one array and perhaps labels, but it holds "
            f"{', '.join(arrays) or 'nothing'}."
        )
    where = f"{path} ({names[0]})" if names[0] else str(path)
    rows, shape = rows_of(arrays[names[0]], where)
    if len(rows) < _LEAST_ROWS:
        raise UsageError(f"{where} must have {_LEAST_ROWS} rows or more to be split 80/10/10, but has {len(rows)}.")
    labels = labels_of(arrays, "labels", len(rows), str(path))
    held_out = len(rows) // 10
    parts = np.split(fixed_permutation(len(rows)), [len(rows) - 2 * held_out, len(rows) - held_out])
    dealt = {
        name: Split(rows[part], None if labels is None else labels[part])
        for name, part in zip(_SPLITS, parts, strict=True)
    }
    return dealt, shape

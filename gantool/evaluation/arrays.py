"""The user's own files as rows to score, to choose sigma on, or to take references from.

Every refusal is one sentence that names the option, the file and the shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gantool.data.formats.images import read_image_folder
from gantool.data.formats.npy import Array, read_arrays
from gantool.data.formats.tensors import read_tensors
from gantool.data.sets.arrays import labels_of, rows_of
from gantool.data.units import PIXEL_LEVELS, odd_bytes
from gantool.errors import UsageError
from gantool.evaluation.features.statistics import are_statistics

# The arrays of an archive (.npz, .safetensors) that each option looks for, in this order; else the only one that can
# hold rows.
_MEMBERS = {
    "--samples": ("samples", "x", "data"),
    "--data": ("test", "data", "x"),
    "--validation": ("validation", "data", "x"),
    "--train-data": ("train", "data", "x"),
}


@dataclass(frozen=True)
class Rows:
    """Examples as rows: `values` is [N, D], finite, on the CPU; float64 where float32 would round them, else float32.

    `shape` is one example's shape, (channels, height, width) for images; `scaling` says in words what a value is;
    `name` is the file's; `origin` names the option and the file, for messages. `labels` is [N] int64 where the file has
    any; `classes` names them where they are the subfolders of an image folder. `warnings` say what looks wrong.
    """

    values: torch.Tensor
    shape: tuple[int, ...]
    scaling: str
    name: str
    origin: str
    labels: torch.Tensor | None = None
    classes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_rows(path: Path, flag: str, scale: float | None = None) -> Rows:
    """Reads what `flag` (--samples, --data, --validation or --train-data) gives: .npy, .npz, .safetensors, or a folder.

    Arrays are [N, D], [N, H, W], [N, C, H, W] or [N, H, W, C]; a folder holds PNG or JPEG images of one size, or a
    subfolder of them a class. Images are flattened, channels first. Bytes are divided by `scale` (None: 255), floats
    taken as they are. An archive's labels are called `labels`, or after the rows' own name, as in `test_labels`; its
    `shape` is that of one example, as `gantool sample --out` writes it. Nothing is unpickled.

    Raises UsageError for a file that is not there, damaged or without such an array, for another type or rank, for no
    rows, for values that are not finite, and for labels that do not fit.
    """
    origin = f"{flag} {path}"
    try:
        if path.is_dir():
            folder = read_image_folder(path)
            stored, shape = torch.from_numpy(folder.pixels).flatten(1), folder.pixels.shape[1:]
            labels = None if folder.labels is None else torch.from_numpy(folder.labels)
            return _as_rows(stored, shape, scale, path.resolve().name, origin, labels, folder.classes)
        arrays = read_tensors(path) if path.suffix == ".safetensors" else read_arrays(path)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from error
    name = _member(arrays, flag, origin)
    stored, shape = rows_of(arrays[name], origin, exact=True)
    shape = _recorded_shape(arrays, stored.shape[1]) or shape
    labels = labels_of(arrays, f"{name}_labels" if f"{name}_labels" in arrays else "labels", len(stored), origin)
    return _as_rows(stored, shape, scale, path.name, origin, labels)


def _as_rows(
    stored: torch.Tensor,
    shape: tuple[int, ...],
    scale: float | None,
    name: str,
    origin: str,
    labels: torch.Tensor | None,
    classes: tuple[str, ...] = (),
) -> Rows:
    """Bytes [N, D] are divided truly: k/255 is then the float nearest to it, as in registered data sets."""
    if stored.dtype != torch.uint8:
        return Rows(stored, shape, "as given", name, origin, labels, classes)
    divisor = scale or PIXEL_LEVELS
    odd = odd_bytes(stored, scale, origin, "--scale ")
    return Rows(stored.float().div_(divisor), shape, f"bytes / {divisor:g}", name, origin, labels, classes, odd)


def _recorded_shape(arrays: dict[str, Array], dimension: int) -> tuple[int, ...] | None:
    """The shape of one example that `gantool sample --out` writes beside flat rows; None where there is none."""
    shape = arrays.get("shape")
    if shape is None or shape.ndim != 1 or shape.dtype.kind not in "ui" or math.prod(shape.tolist()) != dimension:
        return None
    return tuple(shape.tolist())


def _member(arrays: dict[str, Array], flag: str, origin: str) -> str:
    """The name of the array that `flag` means."""
    if are_statistics(arrays):
        raise UsageError(
            f"{origin} holds the mean and covariance of features (mu and sigma), as FID tools save them, but no rows: "
            f"give the rows themselves; `gantool eval features` takes such a file as --data."
        )
    name = next((name for name in _MEMBERS[flag] if name in arrays), None)
    if name is not None:
        return name
    fitting = [name for name, array in arrays.items() if array.ndim >= 2 or name == ""]
    if len(fitting) != 1:
        raise UsageError(
            f"{origin} holds the arrays {', '.join(arrays) or '(none)'}, and it is not clear which one is meant; "
            f"call that one `{_MEMBERS[flag][0]}`."
        )
    return fitting[0]


def require_alike(first: Rows, second: Rows) -> None:
    """Raises UsageError where the rows of two files cannot be compared: another dimension or another image shape."""
    widths = [rows.values.shape[1] for rows in (first, second)]
    if widths[0] != widths[1]:
        raise UsageError(
            f"{first.origin} has rows of {widths[0]} values {list(first.shape)} and {second.origin} has rows of "
            f"{widths[1]} {list(second.shape)}: give arrays of the same kind of examples."
        )
    for image, flat in ((first, second), (second, first)):
        if len(image.shape) == 3 and image.shape[0] > 1 and len(flat.shape) != 3:
            raise UsageError(
                f"{image.origin} holds images of shape {list(image.shape)} and {flat.origin} rows of {widths[0]} "
                f"values, whose order of channels is not known: give both as images, or both as rows."
            )
    images = len(first.shape) == 3 and len(second.shape) == 3
    if images and first.shape != second.shape:
        raise UsageError(
            f"{first.origin} holds images of shape {list(first.shape)} and {second.origin} of {list(second.shape)}: "
            f"flattened, their pixels would not line up; give both in one layout."
        )


def scaling_notes(files: Sequence[Rows]) -> list[str]:
    """Says where bytes were divided, and by what, since the density depends on it."""
    divided = [rows for rows in files if rows.scaling != "as given"]
    return [f"Values are {divided[0].scaling} in {', '.join(rows.origin for rows in divided)}."] if divided else []


def labels_by_name(samples: Rows, classes: tuple[str, ...], origin: str) -> tuple[torch.Tensor | None, list[str]]:
    """The samples' labels where they mean what the data's do, and a note where they do not.

    `classes` are the names of the data's classes, empty where its labels are numbers of their own; `origin` names the
    data. A position in sorted names is no number: names meet names alone. Raises UsageError where the names differ.
    """
    if samples.labels is None or samples.classes == classes:
        return samples.labels, []
    if samples.classes and classes:
        raise UsageError(
            f"{samples.origin} has the classes {', '.join(samples.classes)} and {origin} has "
            f"{', '.join(classes)}: give both the same subfolders."
        )
    named, numbered = (samples.origin, origin) if samples.classes else (origin, samples.origin)
    return None, [
        f"The classes of {named} have names ({', '.join(samples.classes or classes)}) and those of {numbered} are "
        f"numbers: they were not matched, and there is no score by own class; call the subfolders by the numbers."
    ]

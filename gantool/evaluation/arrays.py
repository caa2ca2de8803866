"""The user's own arrays as rows to score, to choose sigma on, or to take references from.

Every refusal is one sentence that names the option, the file and the shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from gantool.data.arrays import rows_of
from gantool.data.npy import read_arrays
from gantool.errors import UsageError

# The arrays of a .npz file that each option looks for, in this order; else the only one that can hold rows.
_MEMBERS = {
    "--samples": ("samples", "x", "data"),
    "--data": ("test", "data", "x"),
    "--validation": ("validation", "data", "x"),
    "--train-data": ("train", "data", "x"),
}


@dataclass(frozen=True)
class Rows:
    """Examples as rows: `values` is [N, D] float32, finite, on the CPU.

    `shape` is one example's shape, (channels, height, width) for images; `scaling` says in words what a value is;
    `name` is the file's; `origin` names the option and the file, for messages.
    """

    values: torch.Tensor
    shape: tuple[int, ...]
    scaling: str
    name: str
    origin: str


def load_rows(path: Path, flag: str) -> Rows:
    """Reads the array that `flag` (--samples, --data, --validation or --train-data) gives: a .npy or .npz file.

    [N, D], [N, H, W], [N, C, H, W] or [N, H, W, C]; images are flattened, channels first. Bytes are divided by 255,
    floats taken as they are. Nothing is unpickled. Raises UsageError for a file that is not there, damaged or without
    such an array, for another type or rank, for no rows, and for values that are not finite.
    """
    origin = f"{flag} {path}"
    try:
        arrays = read_arrays(path)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from error
    name = next((name for name in _MEMBERS[flag] if name in arrays), None)
    if name is None:
        fitting = [name for name, array in arrays.items() if array.ndim >= 2 or name == ""]
        if len(fitting) != 1:
            raise UsageError(
                f"{origin} holds the arrays {', '.join(arrays) or '(none)'}, and it is not clear which one is meant; "
                f"call that one `{_MEMBERS[flag][0]}`."
            )
        name = fitting[0]
    stored, shape = rows_of(arrays[name], origin)
    is_bytes = stored.dtype == torch.uint8
    # A true division: k/255 is then the float nearest to it, as in the registered data sets.
    values = stored.float().div_(255.0) if is_bytes else stored
    return Rows(values, shape, "bytes / 255" if is_bytes else "as given", path.name, origin)


def require_alike(first: Rows, second: Rows) -> None:
    """Raises UsageError where the rows of two files cannot be compared: another dimension or another image shape."""
    widths = [rows.values.shape[1] for rows in (first, second)]
    if widths[0] != widths[1]:
        raise UsageError(
            f"{first.origin} has rows of {widths[0]} values {list(first.shape)} and {second.origin} has rows of "
            f"{widths[1]} {list(second.shape)}: give arrays of the same kind of examples."
        )
    images = len(first.shape) == 3 and len(second.shape) == 3
    if images and first.shape != second.shape:
        raise UsageError(
            f"{first.origin} holds images of shape {list(first.shape)} and {second.origin} of {list(second.shape)}: "
            f"flattened, their pixels would not line up; give both in one layout."
        )

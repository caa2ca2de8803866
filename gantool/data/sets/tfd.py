"""The Toronto Face Database at 48×48 pixels (Susskind et al. 2010), which its authors give to who asks them.

`gantool data convert tfd TFD_48x48.mat` writes <root>/tfd/tfd-48.npz once; a run reads that. Five official folds deal
the labelled images out; the unlabelled ones are the same in all, and train, as in the paper.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gantool.data.dataset import Dataset, Split
from gantool.data.formats.matlab import read_matlab
from gantool.data.formats.npy import Array, read_arrays
from gantool.errors import UsageError
from gantool.files import replacing

SIDE, FOLDS = 48, 5
# How the database's column of a fold marks an image.
_UNLABELLED, _VALIDATION, _TEST = 0, 2, 3


def converted(root: Path) -> Path:
    """Where the converted file lies under the data root."""
    return root / "tfd" / "tfd-48.npz"


def convert_tfd(source: Path, root: Path) -> Path:
    """Converts the database's MATLAB file → the file that runs read.

    Raises UsageError where it is not that file: it holds `images` [N, 48, 48] of bytes, `folds` [N, 5] with 0 to 3, and
    `labs_ex` [N] with 1 to 7.
    """
    found = read_matlab(source, ("images", "folds", "labs_ex"))
    images, folds, labels = found["images"], found["folds"], found["labs_ex"].reshape(-1)
    count = len(images)
    if images.dtype != np.uint8 or images.shape[1:] not in ((SIDE, SIDE), (SIDE * SIDE,)):
        raise UsageError(
            f"{source}: images must be bytes of shape [N, {SIDE}, {SIDE}], but are {images.dtype} of "
            f"{list(images.shape)}."
        )
    if folds.shape != (count, FOLDS) or not np.isin(folds, (0, 1, 2, 3)).all() or labels.shape != (count,):
        raise UsageError(f"{source}: folds must be [{count}, {FOLDS}] with 0 to 3, and labs_ex [{count}].")
    path = converted(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            images=images.reshape(count, -1),
            folds=folds.astype(np.uint8),
            labels=(labels.astype(np.int64) - 1),
        )
    return path


def load_tfd(root: Path, fold: int) -> Dataset:
    """The unlabelled images as training rows; the validation and the test images of `fold`, from 0 to 4, labelled.

    Raises UsageError where the converted file is not there or is damaged.
    """
    path = converted(root)
    if not path.is_file():
        raise UsageError(
            f"TFD is not here ({path}): ask its authors for TFD_48x48.mat, then run "
            "`gantool data convert tfd TFD_48x48.mat`."
        )
    arrays = read_arrays(path)
    if set(arrays) != {"images", "folds", "labels"} or arrays["folds"].shape != (len(arrays["images"]), FOLDS):
        raise UsageError(f"{path} is not a converted TFD: run `gantool data convert tfd TFD_48x48.mat` again.")
    marks = arrays["folds"][:, fold]
    return Dataset(
        "tfd",
        _split(arrays, marks == _UNLABELLED, labelled=False),
        _split(arrays, marks == _VALIDATION),
        _split(arrays, marks == _TEST),
        shape=(1, SIDE, SIDE),
        divisor=255.0,
        source=f"TFD, converted to {path}, fold {fold}",
    )


def _split(arrays: dict[str, Array], chosen: Array, *, labelled: bool = True) -> Split:
    labels = torch.from_numpy(arrays["labels"][chosen].astype(np.int64)) if labelled else None
    return Split(torch.from_numpy(arrays["images"][chosen]), labels)

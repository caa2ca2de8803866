"""MNIST (LeCun et al. 1998), in the paper's splits: train[0:50000], validation train[50000:60000], and the test set."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gantool.data.dataset import Dataset, Split
from gantool.data.formats.idx import read_idx
from gantool.data.remote import MNIST_FILES
from gantool.errors import UnreadableError, UsageError

_TRAINING_ROWS, _ALL_TRAINING_ROWS, _TEST_ROWS = 50_000, 60_000, 10_000
_SIDE = 28
_UNSIGNED_BYTES = 8  # IDX's code for the type


def load_mnist(root: Path) -> Dataset:
    """Reads <root>/mnist/ under the official names, gzip or unzipped → 50,000 / 10,000 / 10,000 images of 28×28 bytes.

    Raises UsageError: a file is missing, damaged, or not what its name says.
    """
    images_path, labels_path, test_images_path, test_labels_path = MNIST_FILES.require(root)
    try:
        images, labels = _read(images_path, labels_path, _ALL_TRAINING_ROWS)
        test_images, test_labels = _read(test_images_path, test_labels_path, _TEST_ROWS)
    except UnreadableError:  # another copy in its place is no remedy
        raise
    except UsageError as error:
        remedy = "run `gantool data fetch mnist` to replace it."
        raise UsageError(f"{str(error).rstrip('.')}; {remedy}") from error
    return Dataset(
        name="mnist",
        train=_split(images[:_TRAINING_ROWS], labels[:_TRAINING_ROWS]),
        validation=_split(images[_TRAINING_ROWS:], labels[_TRAINING_ROWS:]),
        test=_split(test_images, test_labels),
        shape=(1, _SIDE, _SIDE),
        divisor=255.0,
        source=f"the MNIST IDX files in {MNIST_FILES.folder(root)}",
    )


def _read(images_path: Path, labels_path: Path, rows: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    images, labels = read_idx(images_path, (rows, _SIDE, _SIDE)), read_idx(labels_path, (rows,))
    _require_genuine(images, images_path)
    _require_genuine(labels, labels_path)
    return images.reshape(rows, -1), labels


def _require_genuine(values: npt.NDArray[np.uint8], path: Path) -> None:
    """Raises UsageError for other bytes than MNIST's: pictures of another set would train and score under its name."""
    header = struct.pack(f">HBB{values.ndim}I", 0, _UNSIGNED_BYTES, values.ndim, *values.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(values).data)
    name = path.name.removesuffix(".gz")
    known = next(file.sha256 for file in MNIST_FILES.files if file.name.removesuffix(".gz") == name)
    if digest.hexdigest() != known:
        raise UsageError(f"{path} holds other values than MNIST's file of that name: your own data go through --array.")


def _split(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Split:
    return Split(torch.from_numpy(images), torch.from_numpy(labels).long())

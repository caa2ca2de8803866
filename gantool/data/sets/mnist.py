"""MNIST (LeCun et al. 1998) in the paper's splits: train[0:50000], validation train[50000:60000], and the test set.

Fashion-MNIST (Xiao et al. 2017) and KMNIST (Clanuwat et al. 2018) are files of the same names and sizes, split alike.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gantool.data.dataset import Dataset, Split
from gantool.data.formats.idx import read_idx
from gantool.data.remote import MNIST_FILES, RemoteSet
from gantool.errors import UnreadableError, UsageError

_TRAINING_ROWS, _ALL_TRAINING_ROWS, _TEST_ROWS = 50_000, 60_000, 10_000
_SIDE = 28
_UNSIGNED_BYTES = 8  # IDX's code for the type
_TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "kmnist": "KMNIST"}

Bytes = npt.NDArray[np.uint8]


def load_mnist(root: Path, remote: RemoteSet = MNIST_FILES) -> Dataset:
    """Reads <root>/mnist/ under the official names, gzip or unzipped → 50,000 / 10,000 / 10,000 images of 28×28 bytes.

    `remote` are the files of MNIST or of a set like it.

    Raises UsageError: a file is missing, damaged, or not what its name says.
    """
    images_path, labels_path, test_images_path, test_labels_path = remote.require(root)
    try:
        images, labels = _read(remote, images_path, labels_path, _ALL_TRAINING_ROWS)
        test_images, test_labels = _read(remote, test_images_path, test_labels_path, _TEST_ROWS)
    except UnreadableError:  # another copy in its place is no remedy
        raise
    except UsageError as error:
        remedy = f"run `gantool data fetch {remote.name}` to replace it."
        raise UsageError(f"{str(error).rstrip('.')}; {remedy}") from error
    return Dataset(
        name=remote.name,
        train=_split(images[:_TRAINING_ROWS], labels[:_TRAINING_ROWS]),
        validation=_split(images[_TRAINING_ROWS:], labels[_TRAINING_ROWS:]),
        test=_split(test_images, test_labels),
        shape=(1, _SIDE, _SIDE),
        divisor=255.0,
        source=f"the {_TITLES[remote.name]} IDX files in {remote.folder(root)}",
    )


def _read(remote: RemoteSet, images_path: Path, labels_path: Path, rows: int) -> tuple[Bytes, Bytes]:
    images, labels = read_idx(images_path, (rows, _SIDE, _SIDE)), read_idx(labels_path, (rows,))
    _require_genuine(remote, images, images_path)
    _require_genuine(remote, labels, labels_path)
    return images.reshape(rows, -1), labels


def _require_genuine(remote: RemoteSet, values: Bytes, path: Path) -> None:
    """Raises UsageError for other bytes than the set's: pictures of another would train and score under its name."""
    file = next(f for f in remote.files if f.name.removesuffix(".gz") == path.name.removesuffix(".gz"))
    if file.archive:  # what is known is the compressed file
        file.verify(path)
        return
    header = struct.pack(f">HBB{values.ndim}I", 0, _UNSIGNED_BYTES, values.ndim, *values.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(values).data)
    if digest.hexdigest() != file.sha256:
        title = _TITLES[remote.name]
        raise UsageError(
            f"{path} holds other values than {title}'s file of that name: your own data go through --array."
        )


def _split(images: Bytes, labels: Bytes) -> Split:
    return Split(torch.from_numpy(images), torch.from_numpy(labels).long())

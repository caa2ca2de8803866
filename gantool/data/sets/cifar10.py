"""CIFAR-10 in the released configuration's splits: 40,000 training rows, the other 10,000 for validation, 10,000 test.

It is read from the official archive, or from the files that were unpacked from it, in <root>/cifar10.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from gantool.data.dataset import Dataset, Split
from gantool.data.formats.cifar import SHAPE, Bytes, read_cifar
from gantool.data.remote import CIFAR10_BINARIES, CIFAR10_FILES
from gantool.errors import UsageError

_TRAINING_ROWS = 40_000


def load_cifar10(root: Path) -> Dataset:
    """Images of 3×32×32 as bytes with divisor 255, and labels from 0 to 9.

    Raises UsageError where a file is missing, damaged or cut short. Unpacked files are taken whatever they hold, and
    `source` then says that they are not known to be the official ones.
    """
    folder, archive = CIFAR10_FILES.folder(root), CIFAR10_FILES.files[0]
    path = archive.find(folder)
    if path is not None:
        archive.verify(path)
        parts, source = list(_from_archive(path)), "the official binary version of CIFAR-10"
    elif unpacked := archive.find_unpacked(folder):
        parts = [_from_file(path) for path in unpacked]
        source = f"{unpacked[0].parent}, not the official files: their checksums are not known"
    else:
        CIFAR10_FILES.require(root)
        raise AssertionError("require names what is missing")
    images = torch.from_numpy(np.concatenate([part[0] for part in parts]))
    labels = torch.from_numpy(np.concatenate([part[1] for part in parts])).long()
    ends = (0, _TRAINING_ROWS, 50_000, 60_000)
    train, validation, test = (Split(images[a:b], labels[a:b]) for a, b in pairwise(ends))
    return Dataset("cifar10", train, validation, test, shape=SHAPE, divisor=255.0, source=source)


def _from_file(path: Path) -> tuple[Bytes, Bytes]:
    try:
        with path.open("rb") as stream:
            return read_cifar(stream, str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error


def _from_archive(path: Path) -> Iterator[tuple[Bytes, Bytes]]:
    """The six files in order. Nothing is unpacked to the disk."""
    found = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if name in CIFAR10_BINARIES and (stream := archive.extractfile(member)) is not None:
                found[name] = read_cifar(stream, f"{path}: {name}")  # type: ignore[arg-type]
    for name in CIFAR10_BINARIES:
        if name not in found:
            raise UsageError(f"{path} lacks {name}.")
        yield found[name]

"""The binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): our own bounded reader.

A file is 10,000 records of 3,073 bytes: a label from 0 to 9, then 1,024 red, 1,024 green and 1,024 blue values, each
32 rows of 32. Nothing in it says how long it is, so that its length is all that can be checked.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from gantool.errors import UsageError

RECORDS, SHAPE = 10_000, (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32

Bytes = npt.NDArray[np.uint8]


def read_cifar(stream: BinaryIO, where: str) -> tuple[Bytes, Bytes]:
    """One file → images [10000, 3072] and labels [10000], both uint8. Reads one byte more than it must hold at most.

    Raises UsageError naming the file `where`: another length, or a label above 9.
    """
    size = RECORDS * _RECORD
    content = stream.read(size + 1)
    if len(content) != size:
        held = "more" if len(content) > size else f"{len(content):,}"
        raise UsageError(f"{where} is not a file of CIFAR-10: expected {size:,} bytes, but it holds {held}.")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, _RECORD)
    labels = records[:, 0].copy()
    if labels.max() > 9:
        raise UsageError(f"{where} is not a file of CIFAR-10: a label is {labels.max()}, and the largest is 9.")
    return records[:, 1:].copy(), labels

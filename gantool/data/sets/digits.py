"""The 1,797 real handwritten digits of 8×8 pixels that come with scikit-learn: the data set that needs no network.

They are the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998); a pixel counts the
set dots, 0 to 16, of a 4×4 block. Split 1,197 / 300 / 300 by a permutation that is fixed for good: rows in the order of
`fixed_permutation(1797)`, first the training rows, then validation, then test.
"""

from __future__ import annotations

import numpy as np
import torch

from gantool.data.dataset import Dataset, Split, fixed_permutation

_TRAINING_ROWS, _VALIDATION_ROWS = 1_197, 300


def load_digits() -> Dataset:
    """1,197 / 300 / 300 images of 1×8×8, stored as bytes 0 to 16 with divisor 16, and their labels."""
    from sklearn.datasets import load_digits as load_sklearn_digits  # here, since the import takes a second

    images, labels = load_sklearn_digits(return_X_y=True)
    order = fixed_permutation(len(images))
    stored = torch.from_numpy(images[order].astype(np.uint8))
    classes = torch.from_numpy(labels[order]).long()
    end = _TRAINING_ROWS + _VALIDATION_ROWS
    return Dataset(
        name="digits",
        train=Split(stored[:_TRAINING_ROWS], classes[:_TRAINING_ROWS]),
        validation=Split(stored[_TRAINING_ROWS:end], classes[_TRAINING_ROWS:end]),
        test=Split(stored[end:], classes[end:]),
        shape=(1, 8, 8),
        divisor=16.0,
        source="scikit-learn's embedded digits",
    )

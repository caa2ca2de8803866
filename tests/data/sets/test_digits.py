"""The embedded digits: every row once, in a split that never moves."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits as load_sklearn_digits

from gantool.config import DataConfig
from gantool.data import load_dataset


def test_splits_hold_every_row_once_with_its_label() -> None:
    digits = load_dataset(DataConfig("digits"))
    splits = (digits.train, digits.validation, digits.test)
    assert [len(split) for split in splits] == [1_197, 300, 300]
    assert (digits.shape, digits.divisor, digits.dimension) == ((1, 8, 8), 16.0, 64)
    stored = torch.cat([split.stored for split in splits])
    labels = torch.cat([split.labels for split in splits])
    assert stored.dtype == torch.uint8
    assert int(stored.max()) == 16
    images, classes = load_sklearn_digits(return_X_y=True)
    theirs = sorted((*image, label) for image, label in zip(images.astype(int).tolist(), classes.tolist(), strict=True))
    ours = sorted((*image, label) for image, label in zip(stored.tolist(), labels.tolist(), strict=True))
    assert ours == theirs


def test_the_split_is_the_documented_permutation() -> None:
    """Old scores stay comparable only while these rows stay where they are."""
    digits = load_dataset(DataConfig("digits"))
    images, _ = load_sklearn_digits(return_X_y=True)
    order = np.random.RandomState(2014).permutation(1_797)
    assert np.array_equal(digits.train.stored.numpy(), images[order[:1_197]])
    assert np.array_equal(digits.test.stored.numpy(), images[order[1_497:]])
    assert digits.train.labels[:9].tolist() == [3, 7, 5, 3, 1, 1, 4, 9, 4]


def test_every_class_is_in_every_split() -> None:
    digits = load_dataset(DataConfig("digits"))
    for split in (digits.train, digits.validation, digits.test):
        assert set(split.labels.tolist()) == set(range(10))


def test_values_leave_what_is_stored_alone() -> None:
    digits = load_dataset(DataConfig("digits"))
    as_floats = digits.train.stored[:3].float()
    before = as_floats.clone()
    values = digits.values(as_floats)
    assert torch.equal(as_floats, before)
    assert torch.equal(values, before / 16)

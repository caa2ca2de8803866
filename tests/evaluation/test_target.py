"""Which rows score, which choose sigma and which are references: never the same ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gantool.data import Dataset, Split
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows
from gantool.evaluation.parzen.target import target_of_arrays, target_of_dataset


def rows_of(count: int, flag: str, seed: int, dimension: int = 6) -> Rows:
    values = torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed))
    return Rows(values, (dimension,), "as given", "rows.npy", f"{flag} rows.npy")


def test_the_test_split_is_scored_and_the_first_validation_rows_choose_sigma(digits: Dataset) -> None:
    target = target_of_dataset(digits, "test", 100, references=True)
    assert (target.dataset, target.split, target.pixel_scaling) == ("digits", "test", "bytes / 16")
    assert torch.equal(target.scored, digits.test.stored / 16)
    assert target.selection is not None
    assert torch.equal(target.selection, digits.validation.stored[:100] / 16)
    assert target.reference is not None
    assert torch.equal(target.reference, digits.train.stored / 16)


def test_validation_rows_that_choose_sigma_are_not_scored(digits: Dataset) -> None:
    target = target_of_dataset(digits, "validation", 1_000, references=False)
    assert target.selection is not None
    assert torch.equal(torch.cat([target.selection, target.scored]), digits.validation.stored / 16)
    assert len(target.selection) == len(digits.validation) // 2
    assert target.reference is None
    assert "150" in target.notes[0]


@pytest.mark.parametrize("split", ["test", "validation"])
def test_labels_are_those_of_the_rows_scored(digits: Dataset, split: str) -> None:
    target = target_of_dataset(digits, split, 100, references=False)
    assert target.labels is not None
    whole = digits.split(split).labels
    assert whole is not None
    assert torch.equal(target.labels, whole[-len(target.scored) :])
    assert len(target.labels) == len(target.scored)


def test_training_rows_are_there_without_references(digits: Dataset) -> None:
    target = target_of_dataset(digits, "test", 100, references=False)
    assert target.train is not None
    assert torch.equal(target.train, digits.train.stored / 16)


def test_arrays_bring_their_labels_and_training_rows() -> None:
    data, train = rows_of(50, "--data", seed=0), rows_of(50, "--train-data", seed=2)
    labelled = replace(data, labels=torch.arange(50) % 4)
    target = target_of_arrays(labelled, None, train, 20, references=False)
    assert target.labels is labelled.labels
    assert target.train is train.values
    # Validation rows are no training rows, even where they serve as references.
    validation = rows_of(50, "--validation", seed=1)
    assert target_of_arrays(data, validation, None, 20, references=True).train is None


def test_another_split_is_refused(digits: Dataset) -> None:
    with pytest.raises(UsageError, match="--split must be test or validation, but is 'train'"):
        target_of_dataset(digits, "train", 1_000, references=False)


def test_a_split_without_rows_is_refused(digits: Dataset) -> None:
    empty = replace(digits, test=Split(digits.test.stored[:0]))
    with pytest.raises(UsageError, match="digits has no test rows to score"):
        target_of_dataset(empty, "test", 1_000, references=False)


def test_a_data_set_without_validation_rows_has_no_selection(digits: Dataset) -> None:
    bare = replace(digits, validation=Split(digits.validation.stored[:0]))
    assert target_of_dataset(bare, "test", 1_000, references=False).selection is None


def test_the_scored_rows_again_are_no_validation_rows() -> None:
    data = rows_of(50, "--data", seed=0)
    with pytest.raises(UsageError, match="sigma is never chosen on the rows that are scored"):
        target_of_arrays(data, replace(data, origin="--validation v.npy"), None, 20, references=True)


def test_some_scored_rows_among_the_validation_rows_are_said() -> None:
    data, validation = rows_of(50, "--data", seed=0), rows_of(50, "--validation", seed=1)
    mixed = replace(validation, values=torch.cat([validation.values, data.values[:5]]))
    target = target_of_arrays(data, mixed, None, 55, references=True)
    assert target.warnings[0].startswith("5 of the 55 rows that choose sigma")


def test_references_come_from_the_training_rows_where_given() -> None:
    train = rows_of(50, "--train-data", seed=2)
    target = target_of_arrays(rows_of(50, "--data", 0), rows_of(50, "--validation", 1), train, 20, references=True)
    assert target.reference is train.values
    assert target.notes == ()


def test_references_else_come_from_validation_rows_that_do_not_choose_sigma() -> None:
    validation = rows_of(50, "--validation", seed=1)
    target = target_of_arrays(rows_of(50, "--data", 0), validation, None, 20, references=True)
    assert target.selection is not None
    assert target.reference is not None
    assert torch.equal(torch.cat([target.selection, target.reference]), validation.values)
    assert "30 validation rows" in target.notes[1]


@pytest.mark.parametrize("validation", [None, rows_of(20, "--validation", seed=1)])
def test_references_else_are_half_of_the_rows_scored_and_scored_by_the_other(validation: Rows | None) -> None:
    data = rows_of(101, "--data", 0)
    target = target_of_arrays(data, validation, None, 20, references=True)
    assert target.reference is not None
    assert target.reference_scored is not None
    both = torch.cat([target.reference, target.reference_scored])
    assert torch.equal(both.sort(dim=0).values, data.values.sort(dim=0).values)
    assert target.scored is data.values
    assert "every second row of --data (50)" in target.notes[1]


def test_references_of_few_rows_are_left_out_and_that_is_said() -> None:
    target = target_of_arrays(rows_of(50, "--data", 0), None, None, 20, references=True)
    assert target.reference is None
    assert "cannot be seen" in target.notes[0]
    assert "There are no references: give --train-data" in target.notes[1]


def test_references_that_are_not_wanted_need_no_word() -> None:
    target = target_of_arrays(rows_of(50, "--data", 0), None, rows_of(50, "--train-data", 2), 20, references=False)
    assert (target.reference, target.notes, target.warnings) == (None, (), ())


def test_files_of_another_scale() -> None:
    data = rows_of(50, "--data", seed=0)
    bright = rows_of(50, "--validation", seed=1)
    target = target_of_arrays(data, replace(bright, values=bright.values * 255), None, 20, references=False)
    assert "scaled differently" in target.warnings[0]

"""More training data: few rows, generated ones beside them, and what a classifier makes of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from calling import Command

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.errors import UsageError
from gantool.evaluation.augmentation.score import AugmentationSettings, augmentation_of
from gantool.evaluation.subject import Place, Subject
from gantool.runs import find_run


def test_few_rows_are_as_many_of_each_class_and_others_at_another_seed(digits: Dataset) -> None:
    few = load_dataset(DataConfig("digits", rows=40))
    assert few.train.labels is not None
    assert torch.bincount(few.train.labels).tolist() == [4] * 10
    every = {row.numpy().tobytes() for row in digits.train.stored}
    assert all(row.numpy().tobytes() in every for row in few.train.stored)
    assert torch.equal(few.test.stored, digits.test.stored)
    assert few.fingerprint() == load_dataset(DataConfig("digits", rows=40)).fingerprint()
    assert few.fingerprint() != load_dataset(DataConfig("digits", rows=40, rows_seed=1)).fingerprint()
    toy = load_dataset(DataConfig("gaussian1d", rows=30))
    assert len(toy.train) == 30
    for rows, sentence in ((2_000, "1,197 or less"), (45, "multiple of 10")):
        with pytest.raises(UsageError, match=sentence):
            load_dataset(DataConfig("digits", rows=rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs")
    own = ("--set", "data.rows=50", "--set", "training.batch_size=50", "--set", "training.watch_every=0")
    Command("train", "--preset", "digits-conditional", "--steps", 5, "--runs-dir", path, *own).answer()
    Command("train", "--preset", "digits", "--steps", 5, "--runs-dir", path).answer()
    return path


def test_good_rows_help_and_bad_ones_teach_nothing(folder: Path, digits: Dataset, tmp_path: Path) -> None:
    """In the place of a generator: real rows that the run has not seen, with their labels, and with any labels."""
    few = load_dataset(DataConfig("digits", rows=50))
    rows, labels = digits.values(digits.train.stored[:600]), digits.train.labels
    assert labels is not None
    settings = AugmentationSettings(num_samples=600, classifiers=tmp_path)

    def wrong(told: torch.Tensor) -> dict[str, int]:
        run = find_run("1", folder)
        place = Place(torch.device("cpu"))
        subject = Subject(lambda n, s: rows, "test", place, few, labels=lambda n, s: told, run=run, step=5)
        result = augmentation_of(subject, settings)
        assert [(lesson.real, lesson.generated) for lesson in result.lessons] == [(50, 0), (50, 600), (0, 600)]
        return {lesson.name: lesson.wrong for lesson in result.lessons}

    good, bad = wrong(labels[:600]), wrong(labels[:600].roll(1))
    assert good["real rows"] == bad["real rows"]
    assert good["real and generated rows"] < 0.7 * good["real rows"]
    assert bad["generated rows"] > 0.6 * len(few.test)
    assert good["generated rows"] < good["real rows"]


def test_the_command_prints_and_records(folder: Path) -> None:
    evaluate = Command("eval", "augmentation")
    found = evaluate.answer(1, "--runs-dir", folder, "--num-samples", 200)
    assert find_run("1", folder).scores("augmentation")[-1]["lessons"] == found["lessons"]
    assert "real and generated rows" in evaluate(1, "--runs-dir", folder, "--num-samples", 200).stdout
    for arguments, sentence in (((2,), "--conditional"), ((1, "--num-samples", 5), "100 or more")):
        refused = evaluate(*arguments, "--runs-dir", folder)
        assert refused.exit_code == 2
        assert sentence in refused.stderr


def test_without_classes_there_is_nothing_to_learn(folder: Path, digits: Dataset) -> None:
    bare = replace(digits, test=replace(digits.test, labels=None))
    place = Place(torch.device("cpu"))
    subject = Subject(
        lambda n, s: torch.rand(n, 64), "test", place, bare, labels=lambda n, s: torch.arange(n) % 10,
        run=find_run("1", folder),
    )  # fmt: skip
    with pytest.raises(UsageError, match="no labelled test rows"):
        augmentation_of(subject, AugmentationSettings(num_samples=100))

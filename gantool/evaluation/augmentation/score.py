"""More training data: a classifier on a run's real rows, on these and generated ones, and on generated ones alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantool.data import Dataset, Split
from gantool.data.labels import require_classes
from gantool.errors import UsageError
from gantool.evaluation.classifier import classifier_cache, train_classifier
from gantool.evaluation.subject import Subject
from gantool.progress import Progress, silent
from gantool.seeds import check_seed


@dataclass(frozen=True)
class AugmentationSettings:
    """How many labelled samples are drawn; the classifiers of real rows are kept under `classifiers`."""

    num_samples: int = 10_000
    seed: int = 0
    classifiers: Path = field(default_factory=classifier_cache)

    def __post_init__(self) -> None:
        if self.num_samples < 100:
            raise UsageError(f"--num-samples must be 100 or more, but is {self.num_samples}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class Lesson:
    """A classifier's mistakes on the test rows, by what it was trained on: so many different rows of each kind."""

    name: str
    real: int
    generated: int
    wrong: int


@dataclass(frozen=True)
class AugmentationResult:
    """The `lessons` of one architecture and one seed. `error_error` is the standard error of a share of mistakes of the
    first one's size over test rows."""

    dataset: str
    split: str
    num_samples: int
    test_size: int
    lessons: tuple[Lesson, ...]
    error_error: float
    classifier: str
    seed: int
    device: str
    impl: str = "torch, float32"
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval augmentation --json` prints."""
        return {"measure": "augmentation", **asdict(self)}


def augmentation_of(
    subject: Subject, settings: AugmentationSettings, progress: Progress = silent
) -> AugmentationResult:
    """Trains the three classifiers. UsageError where the subject is no run that is told classes, or has no labels.

    Beside generated rows the real ones are repeated until there are as many, so that neither kind drowns the other.
    """
    run, dataset = subject.run, subject.dataset
    if run is None or dataset is None:
        raise UsageError("More training data come from a run: its generator is needed, and files do not hold one.")
    labels = subject.labels(settings.num_samples, settings.seed)
    if labels is None:
        raise UsageError("Generated rows need labels to train on: give a run that is told classes (--conditional).")
    require_classes(dataset)
    test = dataset.split(subject.split)
    if test.labels is None or len(test) == 0:
        raise UsageError(f"The data set {dataset.name} has no labelled {subject.split} rows to count mistakes on.")
    generated = Split(subject.draw(settings.num_samples, settings.seed), labels)
    assert dataset.train.labels is not None
    real = Split(dataset.values(dataset.train.stored), dataset.train.labels)
    times = max(1, round(len(generated) / len(real)))
    assert generated.labels is not None
    both = Split(
        torch.cat([real.stored.repeat(times, 1), generated.stored]),
        torch.cat([dataset.train.labels.repeat(times), generated.labels]),
    )
    lessons, about = [], ""
    for name, rows, counts in (
        ("real rows", real, (len(real), 0)),
        ("real and generated rows", both, (len(real), len(generated))),
        ("generated rows", generated, (0, len(generated))),
    ):
        kept = settings.classifiers if rows is real else None
        classifier = train_classifier(_with(dataset, rows), cache=kept, progress=progress, seed=settings.seed)
        wrong = int((classifier.predict(dataset.values(test.stored)) != test.labels).sum())
        lessons.append(Lesson(name, *counts, wrong))
        about = about or classifier.about
    share = lessons[0].wrong / len(test)
    return AugmentationResult(
        dataset=dataset.name,
        split=subject.split,
        num_samples=settings.num_samples,
        test_size=len(test),
        lessons=tuple(lessons),
        error_error=float((share * (1 - share) / len(test)) ** 0.5),
        classifier=about,
        seed=settings.seed,
        device="cpu",
    )


def _with(dataset: Dataset, train: Split) -> Dataset:
    """The data set in values, with other training rows."""

    def values(split: Split) -> Split:
        stored: Tensor = dataset.values(split.stored)
        return Split(stored, split.labels)

    validation, test = values(dataset.validation), values(dataset.test)
    return replace(dataset, train=train, validation=validation, test=test, divisor=1.0, norm=None, symmetric=False)

"""Bayes' rule: p(c | x) ∝ p(c) p(x | c), with a Parzen window on the samples of each class.

σ is chosen twice on validation rows: where the rows are most likely, Σ_c p(c) p(x | c), and where their classes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gantool.data import Dataset
from gantool.data.labels import require_classes
from gantool.errors import UsageError
from gantool.evaluation.classifier import train_classifier
from gantool.evaluation.subject import Subject
from gantool.numerics.density import PAPER_GRID, Window
from gantool.numerics.rows import subset_indices
from gantool.progress import Progress, silent
from gantool.seeds import check_seed

_BINS = 10
# Wider than the paper's grid: classes are likeliest at a σ that is far too wide for the density.
GRID = (*PAPER_GRID, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class BayesSettings:
    """`num_samples` in all; `validation_rows` choose σ; `classifier`: whether the small classifier stands beside."""

    num_samples: int = 10_000
    seed: int = 0
    validation_rows: int = 1_000
    classifier: bool = True

    def __post_init__(self) -> None:
        for flag, value in (("--num-samples", self.num_samples), ("--validation-rows", self.validation_rows)):
            if value < 1:
                raise UsageError(f"{flag} must be a whole number, 1 or more, but is {value}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose likeliest class has a probability in one tenth of [0, 1]."""

    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Prediction:
    """How classes are predicted by `name`: the share of mistakes, the mean −log p(class | x) in nats, and calibration.

    `chosen_by` says what σ was chosen for. `calibration_error` is the mean distance of confidence and accuracy over the
    bins, by rows (the expected calibration error).
    """

    name: str
    chosen_by: str
    sigma: float | None
    num_samples: int
    error: float
    error_error: float
    negative_log_likelihood: float
    negative_log_likelihood_error: float
    calibration_error: float
    calibration: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class BayesResult:
    """The samples' predictions, those of as many real training rows, and a classifier's."""

    dataset: str
    split: str
    test_size: int
    num_samples: int
    classes: int
    predictions: tuple[Prediction, ...]
    validation_size: int
    seed: int
    impl: str
    device: str
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval bayes --json` prints."""
        return {"measure": "bayes", **asdict(self)}


def bayes_of(subject: Subject, settings: BayesSettings, progress: Progress = silent) -> BayesResult:
    """Predicts the classes of a data set's rows. UsageError where samples or rows have no classes."""
    dataset = subject.dataset
    if dataset is None:
        raise UsageError("Bayes' rule needs a data set with labelled validation rows: give --dataset, not --data.")
    counts = require_classes(dataset)
    scored, validation = dataset.split(subject.split), dataset.validation
    if scored.labels is None or validation.labels is None or len(validation) == 0 or subject.split != "test":
        raise UsageError(f"Bayes' rule needs labelled validation rows of {dataset.name}, and scores its test rows.")
    samples, labels = _samples(subject, settings, len(counts))
    rows = dataset.values(scored.stored)
    selection = dataset.values(validation.stored[: settings.validation_rows])
    chosen_on = selection, validation.labels[: settings.validation_rows]
    prior = torch.tensor(counts, dtype=torch.float64, device="cpu").log() - torch.tensor(float(sum(counts))).log()
    sources = {
        "these samples": (samples, labels),
        "real training rows": _real_rows(dataset, len(samples), settings.seed),
    }
    predictions, ways, notes = list[Prediction](), "", list[str]()
    for name, (own, classes) in sources.items():
        parts = [own[classes == label].to(subject.place.device) for label in range(len(counts))]
        if not all(len(part) for part in parts):  # a small draw of training rows
            notes.append(f"As many {name} as samples do not have every class: they are left out.")
            continue
        windows = [Window(part, "auto", progress) for part in parts]
        predictions += _predict(name, windows, prior, chosen_on, (rows, scored.labels), len(own))
        ways = ways or " and ".join(dict.fromkeys(str(window.ways) for window in windows))
    if settings.classifier:
        probabilities = train_classifier(dataset, progress=progress).probabilities(rows)
        log_p = probabilities.double().clamp_min(1e-30).log()
        predictions.append(_judge("a small classifier", "–", None, len(dataset.train), log_p, scored.labels))
    return BayesResult(
        dataset=dataset.name,
        split=subject.split,
        test_size=len(rows),
        num_samples=len(samples),
        classes=len(counts),
        predictions=tuple(predictions),
        validation_size=len(selection),
        seed=settings.seed,
        impl=ways,
        device=str(subject.place.device),
        notes=tuple(notes),
    )


def _samples(subject: Subject, settings: BayesSettings, classes: int) -> tuple[Tensor, Tensor]:
    samples = subject.draw(settings.num_samples, settings.seed)
    labels = subject.labels(settings.num_samples, settings.seed) if subject.run else None
    if subject.files is not None:
        labels = subject.files.samples.labels
        if labels is not None and len(samples) > settings.num_samples:
            chosen = subset_indices(len(samples), settings.num_samples, settings.seed)
            samples, labels = samples[chosen], labels[chosen]
    if labels is None:
        raise UsageError(
            "Bayes' rule needs samples with classes: a conditional run, or --samples with labels, as gantool sample "
            "--out S.npz writes them for such a run."
        )
    there = set(labels.tolist())
    if lacking := [str(label) for label in range(classes) if label not in there]:
        raise UsageError(f"There are no samples of class {', '.join(lacking)}: p(x | class) needs some of each.")
    return samples, labels


def _real_rows(dataset: Dataset, count: int, seed: int) -> tuple[Tensor, Tensor]:
    assert dataset.train.labels is not None
    chosen = subset_indices(len(dataset.train), min(count, len(dataset.train)), seed)
    return dataset.values(dataset.train.stored[chosen]), dataset.train.labels[chosen]


def _log_joint(windows: Sequence[Window], prior: Tensor, rows: Tensor, sigmas: Sequence[float]) -> Tensor:
    """log p(c) + log p(x | c): [S, N, K] in float64."""
    parts = []
    for window, of_class in zip(windows, prior, strict=True):
        parts.append(window.log_densities(rows.to(window.samples.device), sigmas, "scoring a class") + of_class)
    return torch.stack(parts, dim=2)


def _predict(
    name: str,
    windows: Sequence[Window],
    prior: Tensor,
    chosen_on: tuple[Tensor, Tensor],
    scored: tuple[Tensor, Tensor],
    count: int,
) -> list[Prediction]:
    """The prediction at the σ where the validation rows are likeliest, and where their classes are."""
    joint = _log_joint(windows, prior, chosen_on[0], GRID)
    by_density = GRID[int(joint.logsumexp(dim=2).mean(dim=1).argmax())]
    of_class = joint.log_softmax(dim=2).gather(2, chosen_on[1].view(1, -1, 1).expand(len(GRID), -1, 1))
    by_class = GRID[int(of_class.mean(dim=1).argmax())]
    log_p = _log_joint(windows, prior, scored[0], (by_density, by_class)).log_softmax(dim=2)
    return [
        _judge(name, chosen_by, sigma, count, at_sigma, scored[1])
        for chosen_by, sigma, at_sigma in (("p(x)", by_density, log_p[0]), ("p(class | x)", by_class, log_p[1]))
    ]


def _judge(name: str, chosen_by: str, sigma: float | None, count: int, log_p: Tensor, labels: Tensor) -> Prediction:
    """What log p(c | x) [N, K] comes to on rows of these classes."""
    confidence, predicted = log_p.exp().max(dim=1)
    right = (predicted == labels).double()
    costs = -log_p.gather(1, labels[:, None]).squeeze(1)
    bins = (confidence * _BINS).long().clamp_max(_BINS - 1)
    calibration = []
    for number in range(_BINS):
        inside = bins == number
        if rows := int(inside.sum()):
            calibration.append(CalibrationBin(rows, float(confidence[inside].mean()), float(right[inside].mean())))
    distance = sum(each.rows * abs(each.confidence - each.accuracy) for each in calibration) / len(labels)
    error = 1 - float(right.mean())
    return Prediction(
        name,
        chosen_by,
        sigma,
        count,
        error,
        (error * (1 - error) / len(labels)) ** 0.5,
        float(costs.mean()),
        float(costs.std() / len(labels) ** 0.5),
        distance,
        tuple(calibration),
    )

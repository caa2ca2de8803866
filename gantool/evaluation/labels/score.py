"""Few labels: how often a trained discriminator mistakes a class, beside the same net that saw the labels alone."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import cross_entropy

from gantool.config import DenseConfig
from gantool.data import Dataset
from gantool.data.batches import KnownRows
from gantool.data.labels import few_labels, require_classes, split_hash
from gantool.errors import UsageError
from gantool.evaluation.subject import Subject
from gantool.models import Discriminator, build_discriminator
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.seeds import check_seed, derive_seed

_ROWS_AT_ONCE = 1_000
# The same net on the labels alone: so many updates, and after how many the validation rows are looked at.
_UPDATES, _LOOK = 2_000, 200
# Inverse strengths of the linear head's penalty, among which the validation rows choose.
_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class LabelsSettings:
    """`labels` are known in all, as many of each class (None: as many as the run was told, else all).

    `num_samples` is how many training rows a linear head is fitted to, at most.
    """

    num_samples: int = 10_000
    seed: int = 0
    labels: int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)


@dataclass(frozen=True)
class Mistakes:
    """A classifier's mistakes on validation and test rows. Nothing but validation rows chose anything of it."""

    classifier: str
    validation: int
    test: int


@dataclass(frozen=True)
class LabelsResult:
    """The mistakes of each classifier, and what they stand on: a linear head on at most `num_samples` known rows.

    `split_hash` is equal for equal sets of known rows.
    """

    dataset: str
    split: str
    num_samples: int
    labels: int
    classes: int
    split_hash: str
    validation_size: int
    test_size: int
    mistakes: tuple[Mistakes, ...]
    seed: int
    device: str
    impl: str = "torch, float32"
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval labels --json` prints."""
        return {"measure": "labels", **asdict(self)}


def labels_of(subject: Subject, settings: LabelsSettings, progress: Progress = silent) -> LabelsResult:
    """Classifies the rows of a run's data. UsageError where the subject is no run, or its data have no classes."""
    run, dataset = subject.run, subject.dataset
    if run is None or dataset is None:
        raise UsageError("Few labels are told of a run: its discriminator is needed, and files do not hold one.")
    classes = len(require_classes(dataset))
    if any(dataset.split(name).labels is None or len(dataset.split(name)) == 0 for name in ("validation", "test")):
        raise UsageError(f"{dataset.name} has no labelled validation and test rows to count mistakes on.")
    wanted = settings.labels if settings.labels is not None else run.config.data.labels
    known = few_labels(dataset, wanted, run.config.training.seed)
    device = subject.place.device
    discriminator = run.load_discriminator(device, subject.step)
    if discriminator.junction is not None or discriminator.pack > 1:
        raise UsageError("Few labels need a discriminator of single rows, which is told nothing beside them.")
    found = []
    if discriminator.classes > 1:
        progress("classifying", 0, 0)
        found.append(_count("the run's discriminator", discriminator, dataset, device))
    progress("fitting a linear head", 0, 0)
    found.append(_linear(discriminator, dataset, known[: settings.num_samples], device))
    found.append(_alone(run, dataset, known, classes, device, progress))
    return LabelsResult(
        dataset=dataset.name,
        split="test",
        num_samples=settings.num_samples,
        labels=len(known),
        classes=classes,
        split_hash=split_hash(known),
        validation_size=len(dataset.validation),
        test_size=len(dataset.test),
        mistakes=tuple(found),
        seed=settings.seed,
        device=str(device),
    )


def _logits(network: Discriminator, dataset: Dataset, stored: Tensor, device: torch.device) -> Tensor:
    with torch.no_grad():
        parts = [dataset.training_values(part).to(device) for part in torch.split(stored, _ROWS_AT_ONCE)]
        return torch.cat([network.class_logits(part).cpu() for part in parts])


def _wrong(predicted: Tensor, labels: Tensor | None) -> int:
    assert labels is not None
    return int((predicted != labels).sum())


def _count(name: str, network: Discriminator, dataset: Dataset, device: torch.device) -> Mistakes:
    wrong = []
    for split in (dataset.validation, dataset.test):
        predicted = _logits(network, dataset, split.stored, device).argmax(dim=1)
        wrong.append(_wrong(predicted, split.labels))
    return Mistakes(name, *wrong)


def _linear(network: Discriminator, dataset: Dataset, known: Tensor, device: torch.device) -> Mistakes:
    """Logistic regression on the last hidden layer."""
    assert dataset.train.labels is not None

    def features(stored: Tensor) -> Any:
        with torch.no_grad():
            parts = [dataset.training_values(part).to(device) for part in torch.split(stored, _ROWS_AT_ONCE)]
            return torch.cat([network.features(part).cpu() for part in parts]).numpy()

    rows, labels = features(dataset.train.stored[known]), dataset.train.labels[known].numpy()
    scale = max(float(rows.std()), 1e-12)
    checked, scored = (features(split.stored) / scale for split in (dataset.validation, dataset.test))
    best, least = None, math.inf
    for strength in _STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # its mistakes are counted all the same
            fitted = LogisticRegression(C=strength, max_iter=300).fit(rows / scale, labels)
        wrong = _wrong(torch.from_numpy(fitted.predict(checked)), dataset.validation.labels)
        if wrong < least:
            best, least = fitted, wrong
    assert best is not None
    test = _wrong(torch.from_numpy(best.predict(scored)), dataset.test.labels)
    return Mistakes("a linear head on its features", int(least), test)


def _alone(
    run: Run, dataset: Dataset, known: Tensor, classes: int, device: torch.device, progress: Progress
) -> Mistakes:
    """The same net with an output a class, trained on the known labels and nothing else, as it was at its best look."""
    config, training = run.config, run.config.training
    rng = torch.Generator().manual_seed(derive_seed(training.seed, "labels alone"))
    *body, last = config.discriminator.layers
    assert isinstance(last, DenseConfig)  # the configuration checks it
    layers = (*body, replace(last, kind="linear", units=classes))
    network = build_discriminator(replace(config.discriminator, layers=layers), dataset.shape, rng)
    network.to(device).train()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    like = torch.empty(0, dtype=torch.float32, device=device)
    batches = KnownRows(dataset, known, min(100, len(known)), seed=training.seed, like=like)
    masks = torch.Generator(device).manual_seed(derive_seed(training.seed, "masks of labels alone"))
    best = Mistakes("", len(dataset.validation) + 1, 0)
    for update in range(_UPDATES):
        rows, labels = batches.draw(update)
        with torch.enable_grad():
            loss = cross_entropy(network.class_logits(rows, masks), labels)
            gradients = torch.autograd.grad(loss, list(network.parameters()))
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        adam.step()
        if (update + 1) % _LOOK == 0:
            progress("training the same net on the labels alone", update + 1, _UPDATES)
            now = _count("the same net on the labels alone", network.eval(), dataset, device)
            best = min(best, now, key=lambda each: each.validation)
            network.train()
    return best

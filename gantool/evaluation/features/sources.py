"""What samples are compared by: the real rows, and the kind of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gantool.data import Dataset
from gantool.data.dataset import Split, fixed_permutation
from gantool.errors import UsageError
from gantool.evaluation import warnings as checks
from gantool.evaluation.arrays import Rows
from gantool.evaluation.classifier import classifier_cache, train_classifier
from gantool.evaluation.features.distances import NEIGHBOURS
from gantool.evaluation.features.inception import Inception
from gantool.progress import Progress
from gantool.seeds import check_seed


@dataclass(frozen=True)
class FeatureSettings:
    """How samples are compared: of the rows themselves (`raw`), of Inception's features, or of the classifier's."""

    num_samples: int = checks.PROTOCOL_SAMPLES
    neighbours: int = NEIGHBOURS
    seed: int = 0
    raw: bool = False
    inception: bool = False
    cache: Path = field(default_factory=classifier_cache)

    def __post_init__(self) -> None:
        for flag, value in (("--num-samples", self.num_samples), ("--neighbours", self.neighbours)):
            if value < 1:
                raise UsageError(f"{flag} must be a whole number, 1 or more, but is {value}.")
        check_seed(self.seed)
        if self.raw and self.inception:
            raise UsageError("--raw and --inception exclude each other: choose one kind of features.")


@dataclass(frozen=True)
class Features:
    """A kind of features: `extract` maps rows [N, D] in the data's units to [N, F]. `caveat` is always to be said.

    Where gantool's own classifier gives the features, `classifier` is its fingerprint, and `accuracy` its share of
    right answers among `checked_on` validation rows.
    """

    source: str
    about: str
    caveat: str
    extract: Callable[[Tensor], Tensor]
    accuracy: float | None = None
    checked_on: int | None = None
    classifier: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Real:
    """The real rows: `scored` [N, D] are compared with, `reference` [R, D] stand for a perfect model's samples.

    `train` [T, D] are the training rows, where they are known.
    """

    dataset: str
    split: str
    shape: tuple[int, ...]
    scored: Tensor
    reference: Tensor | None
    reference_name: str
    pixel_scaling: str
    train: Tensor | None = None
    warnings: tuple[str, ...] = ()


def real_of_dataset(dataset: Dataset, split: str, settings: FeatureSettings) -> Real:
    """The reference is made of validation rows where they suffice: neither scored nor known to the classifier."""
    if split not in ("test", "validation"):
        raise UsageError(f"--split must be test or validation, but is {split!r}.")
    scored = dataset.split(split)
    if len(scored) == 0:
        raise UsageError(f"The data set {dataset.name} has no {split} rows to compare with; choose another --split.")
    fresh = split == "test" and len(dataset.validation) >= min(settings.num_samples, len(scored))
    reference = dataset.validation if fresh else dataset.train
    return Real(
        dataset=dataset.name,
        split=split,
        shape=dataset.shape,
        scored=dataset.values(scored.stored),
        reference=dataset.values(reference.stored),
        reference_name=f"{'validation' if fresh else 'training'} rows",
        pixel_scaling="as given" if dataset.divisor == 1 else f"bytes / {dataset.divisor:g}",
        train=dataset.values(dataset.train.stored),
        warnings=dataset.warnings,
    )


def labelled_dataset(train: Rows) -> Dataset | None:
    """The user's training rows as data for a classifier, a tenth of them held out to check it on; None without labels.

    Raises UsageError for fewer than two rows.
    """
    labels = train.labels
    if labels is None:
        return None
    if len(labels) < 2:
        raise UsageError(f"{train.origin} needs 2 rows or more: one trains a classifier and another checks it.")
    order = torch.from_numpy(fixed_permutation(len(labels)))
    held_out, kept = (
        Split(train.values[part], labels[part]) for part in order.tensor_split([max(1, len(order) // 10)])
    )
    nothing = Split(train.values[:0], labels[:0])
    return Dataset("train-data", kept, held_out, nothing, train.shape, 1.0, train.origin)


def choose_features(
    real: Real,
    dataset: Dataset | None,
    settings: FeatureSettings,
    device: torch.device,
    progress: Progress,
    labelled: Dataset | None = None,
) -> Features:
    """The kind that was asked for; else the rows themselves for points, and a classifier's features for images.

    Where the real rows are a file, `dataset` is None and the classifier is trained on `labelled`.
    """
    if settings.inception:
        return inception_features(real.scored, real.shape, real.dataset, device, progress)
    if settings.raw or (dataset is not None and not dataset.is_image):
        return raw_features(real.scored.shape[1])
    dataset = dataset or labelled
    if dataset is None:
        raise UsageError(
            f"There are no features to compare {real.dataset} by: give --train-data with labels to train a classifier "
            f"on, compare the rows themselves with --raw (they may be features of your own), take --inception, or "
            f"--dataset NAME."
        )
    if dataset.train.labels is None:
        raise UsageError(
            f"The training rows of {dataset.source} have no labels to train a classifier on: compare the rows "
            f"themselves with --raw, or take --inception."
        )
    classifier = train_classifier(dataset, cache=settings.cache, progress=progress)
    caveat = (
        "Distances in features of gantool's own classifier: not comparable with Inception FID, and only at equal N."
    )
    return Features(
        "gantool classifier",
        classifier.about,
        caveat,
        classifier.features,
        classifier.accuracy,
        len(dataset.validation),
        classifier.fingerprint,
        classifier.notes,
    )


def raw_features(dimension: int) -> Features:
    """The `dimension` values of a row themselves."""
    caveat = "Distances between the rows themselves: not comparable with Inception FID, and only at equal N."
    return Features("rows", f"the {dimension} values of a row", caveat, lambda rows: rows)


def inception_features(
    images: Tensor, shape: tuple[int, ...], name: str, device: torch.device, progress: Progress
) -> Features:
    """Inception's features of images of `shape`, such as the rows [N, D] of `name`.

    Raises UsageError where those are no images with values from 0 to 1, or where torch-fidelity is missing.
    """
    low, high = (float(bound) for bound in images.aminmax())
    if len(shape) != 3 or low < 0 or high > 1:
        raise UsageError(
            f"--inception takes images with values from 0 to 1, but an example of {name} has the shape "
            f"{list(shape)} and values from {low:.4g} to {high:.4g}."
        )
    network = Inception(device)
    caveat = (
        "Inception features: comparable with published FIDs only at the same N, rows and image size; most of those "
        "stand on 50,000 samples."
    )
    return Features(
        "inception",
        network.about,
        caveat,
        lambda rows: network.features(rows.reshape(len(rows), *shape), "Inception features", progress),
    )

"""Feature distances of a run's samples, or of an array's, with what a perfect model would get beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.evaluation import warnings as checks
from gantool.evaluation.array_files import ArrayFiles
from gantool.evaluation.arrays import Rows, load_rows
from gantool.evaluation.features.distances import FeatureDistances, distance_from_statistics, feature_distances
from gantool.evaluation.features.sources import (
    Features,
    FeatureSettings,
    Real,
    choose_features,
    inception_features,
    labelled_dataset,
    raw_features,
    real_of_dataset,
)
from gantool.evaluation.features.statistics import Statistics, read_statistics
from gantool.evaluation.roles import shared_roles
from gantool.evaluation.subject import Place, Subject
from gantool.isolation import own_modes
from gantool.numerics.rows import random_subset
from gantool.progress import Progress, silent

# Below this many rows a feature the covariance that the Fréchet distance stands on is mostly noise.
ROWS_PER_FEATURE = 5
# Below this many rows a neighbour the balls of precision and its kin reach far over the data.
ROWS_PER_NEIGHBOUR = 20
# Below this many rows that a classifier was checked on, its accuracy says nothing.
LEAST_CHECKED = 30
# Below this accuracy the features of a classifier do not separate the classes.
LEAST_ACCURACY = 0.9


@dataclass(frozen=True)
class FeaturesResult:
    """Distances and everything that they depend on. `reference` is the same between real rows and the rows scored."""

    dataset: str
    split: str
    num_samples: int
    features: str
    about: str
    caveat: str
    classifier_accuracy: float | None
    classifier: str | None
    distances: FeatureDistances
    reference: FeatureDistances | None
    reference_how: str | None
    pixel_scaling: str
    seed: int
    impl: str
    device: str
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool eval features --json` prints: the distances beside the rest, not below it."""
        plain = asdict(self)
        distances, reference, how = (plain.pop(name) for name in ("distances", "reference", "reference_how"))
        return {"measure": "features", **plain, **distances, "reference": reference and {**reference, "how": how}}


def features_of(subject: Subject, settings: FeatureSettings, progress: Progress = silent) -> FeaturesResult:
    """Compares a subject's samples with its real rows.

    Raises UsageError where there is nothing to take features from, and as :func:`compare` does.
    """
    dataset, labelled = subject.dataset, None
    if dataset is not None:
        real = real_of_dataset(dataset, subject.split, settings)
    else:
        files, data = subject.given()
        real, labelled = _real_of_files(data, files.train)
    real = replace(real, warnings=(*subject.warnings, *real.warnings))
    features = choose_features(real, dataset, settings, subject.place.device, progress, labelled)
    samples = subject.draw(min(settings.num_samples, len(real.scored)), settings.seed)
    return compare(samples, real, features, settings, device=subject.place.device, progress=progress)


def _real_of_files(data: Rows, train: Rows | None) -> tuple[Real, Dataset | None]:
    """The real rows, and the training rows to train a classifier on, where they have labels."""
    reference, labelled = (train.values, labelled_dataset(train)) if train else (None, None)
    name = "--train-data rows"
    return Real(data.name, "data", data.shape, data.values, reference, name, data.scaling, reference), labelled


def statistics_of(files: ArrayFiles) -> Statistics | None:
    """The mean and covariance of features that --data holds in the place of rows; None where it holds rows."""
    return read_statistics(files.data) if files.data is not None and files.dataset is None else None


@own_modes()
def beside_statistics(
    files: ArrayFiles, statistics: Statistics, settings: FeatureSettings, place: Place, progress: Progress = silent
) -> FeaturesResult:
    """The Fréchet distance of a file's samples from features that are known by mean and covariance alone."""
    started = time.monotonic()
    if settings.raw == settings.inception or files.train is not None:
        raise UsageError(
            f"--data {files.data} holds the mean and covariance of features: give --raw where the samples are features "
            f"of the same kind, or --inception where they are images, and no --train-data."
        )
    samples = load_rows(files.samples, "--samples", files.scale)
    rows, notes = samples.values, []
    if len(rows) > settings.num_samples:
        notes.append(f"{settings.num_samples:,} of the {len(rows):,} samples are used, a random subset.")
        rows = random_subset(rows, settings.num_samples, settings.seed)
    features = (
        inception_features(rows, samples.shape, samples.origin, place.device, progress)
        if settings.inception
        else raw_features(rows.shape[1])
    )
    found = distance_from_statistics(statistics.mean, statistics.covariance, features.extract(rows))
    notes.append(
        f"{statistics.name} holds a mean and a covariance: of how many rows is not known, and the kernel distance, "
        f"precision, recall, density and coverage need the rows themselves."
    )
    warnings = (*samples.warnings, *checks.duplicates(rows), *_warnings(found, None, features))
    result = _result(features, found, settings, place.device, statistics.name, "data", samples.scaling, warnings, notes)
    return replace(result, seconds=time.monotonic() - started)


def compare(
    samples: Tensor,
    real: Real,
    features: Features,
    settings: FeatureSettings,
    *,
    device: torch.device,
    progress: Progress = silent,
) -> FeaturesResult:
    """Compares samples [M, D] with the real rows at one N, the smallest of `num_samples`, M and the rows there are.

    Raises UsageError where the dimensions differ, or where a sample is not finite.
    """
    _check(samples, real)
    count = min(settings.num_samples, len(samples), len(real.scored))
    notes, warnings = list(features.notes), list(real.warnings)
    for name, rows in (("samples", samples), (f"rows of {real.dataset}", real.scored)):
        if len(rows) > count:
            notes.append(f"{count:,} of the {len(rows):,} {name} are used, a random subset: both sides have equal N.")
    samples, scored = (random_subset(rows, count, settings.seed) for rows in (samples, real.scored))
    warnings += shared_roles({"samples": samples, "rows scored": real.scored, "training rows": real.train})
    warnings += checks.scaling(samples, "samples", scored, "data") + checks.duplicates(samples)
    true, fake = features.extract(scored), features.extract(samples)
    progress("measuring distances", 0, 0)
    found = feature_distances(true, fake, neighbours=settings.neighbours, seed=settings.seed)
    reference, how = None, None
    if real.reference is not None:
        rows = random_subset(real.reference, count, settings.seed)
        progress("measuring distances of real rows", 0, 0)
        how = f"{len(rows):,} of {len(real.reference):,} {real.reference_name}"
        reference = feature_distances(true, features.extract(rows), neighbours=settings.neighbours, seed=settings.seed)
    warnings += _warnings(found, reference, features)
    if reference is None:
        notes.append("There is no reference: give --train-data FILE with real rows to see what a perfect model gets.")
    result = _result(
        features, found, settings, device, real.dataset, real.split, real.pixel_scaling, tuple(warnings), notes
    )
    return replace(result, reference=reference, reference_how=how)


def _result(
    features: Features,
    found: FeatureDistances,
    settings: FeatureSettings,
    device: torch.device,
    dataset: str,
    split: str,
    pixel_scaling: str,
    warnings: tuple[str, ...],
    notes: Sequence[str],
) -> FeaturesResult:
    return FeaturesResult(
        dataset=dataset,
        split=split,
        num_samples=found.num_fake,
        features=features.source,
        about=features.about,
        caveat=features.caveat,
        classifier_accuracy=features.accuracy,
        classifier=features.classifier,
        distances=found,
        reference=None,
        reference_how=None,
        pixel_scaling=pixel_scaling,
        seed=settings.seed,
        impl="torch (float64, cpu)",
        device=str(device),
        warnings=warnings,
        notes=tuple(notes),
    )


def _check(samples: Tensor, real: Real) -> None:
    dimension = real.scored.shape[1]
    if samples.ndim != 2 or samples.shape[1] != dimension:
        raise UsageError(
            f"The samples have shape {list(samples.shape)}, but {real.dataset} has rows of {dimension} values: give "
            f"samples [N, {dimension}] of the same data."
        )
    if bad := int((~samples.isfinite().all(dim=1)).sum()):
        raise UsageError(
            f"{bad:,} of the {len(samples):,} samples hold NaN or infinity: the generator has diverged; take an "
            f"earlier checkpoint with --step."
        )


def _warnings(found: FeatureDistances, reference: FeatureDistances | None, features: Features) -> list[str]:
    said = []
    rows, width = found.num_fake, found.dimension
    if found.neighbours is not None and rows < ROWS_PER_NEIGHBOUR * found.neighbours:
        said.append(
            f"{rows:,} rows are few beside {found.neighbours} neighbours: the balls of precision, recall, density and "
            f"coverage hold much of the data, and even unlike samples come near 1; take "
            f"{ROWS_PER_NEIGHBOUR * found.neighbours:,} rows or more."
        )
    if rows < ROWS_PER_FEATURE * width:
        said.append(
            f"{rows:,} rows are few for a covariance of {width:,} features: the Fréchet distance is biased upwards, "
            f"and only the reference beside it says how much; take {ROWS_PER_FEATURE * width:,} rows or more."
        )
    if reference is not None and reference.num_fake != rows:
        said.append(
            f"The reference stands on {reference.num_fake:,} rows and the samples on {rows:,}: never compare distances "
            f"at different N; --num-samples {min(reference.num_fake, rows)} compares both."
        )
    if features.checked_on is not None and features.checked_on < LEAST_CHECKED:
        said.append(
            f"The classifier was checked on {features.checked_on} validation row{'s' * (features.checked_on > 1)} "
            f"only: how good its features are is not known; {LEAST_CHECKED} or more would tell."
        )
    elif features.accuracy is not None and features.accuracy < LEAST_ACCURACY:
        said.append(
            f"The classifier is right on only {features.accuracy:.1%} of the validation rows: distances in its "
            f"features say little; take --inception or features of your own."
        )
    return said

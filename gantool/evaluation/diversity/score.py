"""Memorisation and collapse, "the Helvetica scenario": what samples are beside training rows and held-out rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gantool.data.dataset import Dataset
from gantool.data.sets.toy import MIXTURES
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows
from gantool.evaluation.classifier import classifier_cache, train_classifier
from gantool.evaluation.diversity.bins import BinsResult, compare_bins
from gantool.evaluation.diversity.copies import DuplicatesResult, MemorisationResult, find_duplicates, find_memorisation
from gantool.evaluation.diversity.modes import ModesResult, class_modes, mixture_modes
from gantool.evaluation.diversity.verdict import Alarm, find_alarms, find_differences, verdict_of
from gantool.evaluation.references import centroid_cache
from gantool.evaluation.roles import repeats_itself, shared_roles
from gantool.evaluation.subject import Subject
from gantool.evaluation.warnings import overlap, scaling
from gantool.numerics.rows import random_subset
from gantool.progress import Progress, silent
from gantool.seeds import check_seed

# Fewer samples, or rows of either kind, say next to nothing about a distribution.
LEAST_ROWS = 20
# Below this, shares of a few per cent are chance.
_FEW_SAMPLES = 300


class CountedModes(NamedTuple):
    """Modes of samples, by what they were told, the classifier's fingerprint where it was one, and its notes."""

    modes: ModesResult | None = None
    by: str | None = None
    classifier: str | None = None
    notes: tuple[str, ...] = ()


# Samples [N, D] → the modes they show, and who says so.
ModeCounter = Callable[[torch.Tensor], CountedModes]


@dataclass(frozen=True)
class DiversitySettings:
    """How many samples are looked at, at most; `classes`: whether labelled data get a classifier; `cache`: for bins."""

    num_samples: int = 10_000
    seed: int = 0
    classes: bool = True
    cache: Path = field(default_factory=centroid_cache)
    classifiers: Path = field(default_factory=classifier_cache)

    def __post_init__(self) -> None:
        if self.num_samples < LEAST_ROWS:
            raise UsageError(f"--num-samples must be {LEAST_ROWS} or more, but is {self.num_samples}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class RealRows:
    """The real rows: `training` [M, D], which the generator may have seen, and `held_out` [H, D], which it has not.

    `training_is_own` is False where no training rows were given and a part of the held-out rows stands in for them:
    memorisation cannot be told then. `count_modes` is None where the data have no known modes.
    """

    dataset: str
    split: str
    training: torch.Tensor
    held_out: torch.Tensor
    pixel_scaling: str
    training_is_own: bool = True
    count_modes: ModeCounter | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DiversityResult:
    """Every measure with its own N, the alarms they raise, what differs besides, and a verdict in words.

    Distances are in the data's units.
    """

    dataset: str
    split: str
    num_samples: int
    dimension: int
    verdict: str
    alarms: tuple[Alarm, ...]
    differences: tuple[str, ...]
    duplicates: DuplicatesResult
    memorisation: MemorisationResult | None
    bins: BinsResult
    modes: ModesResult | None
    modes_by: str | None
    classifier: str | None
    pixel_scaling: str
    seed: int
    device: str = "cpu"
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    measure: str = "diversity"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers: the object that `gantool eval diversity --json` prints."""
        return asdict(self)


def measure_diversity(
    samples: torch.Tensor, real: RealRows, settings: DiversitySettings, *, progress: Progress = silent
) -> DiversityResult:
    """Looks at samples [N, D] float32 on the CPU; of more than `num_samples` a random subset is taken.

    Raises UsageError where the widths differ, a value is not finite, or there are fewer than 20 rows of any kind.
    """
    started = time.monotonic()
    _check(samples, real)
    notes = list(real.notes)
    if len(samples) > settings.num_samples:
        notes.append(f"{settings.num_samples:,} of the {len(samples):,} samples are looked at, a random subset.")
        samples = random_subset(samples, settings.num_samples, settings.seed)
    held_out = random_subset(real.held_out, settings.num_samples, settings.seed)
    progress("duplicates among the samples", 0, 0)
    duplicates = find_duplicates(samples, real.training, settings.seed)
    memorisation = None
    if real.training_is_own:
        progress("nearest training rows", 0, 0)
        memorisation = find_memorisation(samples, real.training, held_out, settings.seed)
    progress("bins of the data", 0, 0)
    bins, said = compare_bins(samples, real.training, held_out, settings.cache, progress)
    counted = real.count_modes(samples) if real.count_modes else CountedModes()
    found = duplicates, memorisation, bins, counted.modes
    alarms, differences = find_alarms(*found), find_differences(*found)
    return DiversityResult(
        dataset=real.dataset,
        split=real.split,
        num_samples=len(samples),
        dimension=samples.shape[1],
        verdict=verdict_of(alarms, differences, copying=memorisation is not None),
        alarms=alarms,
        differences=differences,
        duplicates=duplicates,
        memorisation=memorisation,
        bins=bins,
        modes=counted.modes,
        modes_by=counted.by,
        classifier=counted.classifier,
        pixel_scaling=real.pixel_scaling,
        seed=settings.seed,
        warnings=(*_warnings(samples, real), *real.warnings),
        notes=(*notes, *said, *counted.notes),
        seconds=time.monotonic() - started,
    )


def diversity_of(subject: Subject, settings: DiversitySettings, progress: Progress = silent) -> DiversityResult:
    """Looks at a subject's samples beside its real rows. Raises UsageError as :func:`measure_diversity` does."""
    if subject.dataset is not None:
        real = real_rows_of_dataset(subject.dataset, subject.split, settings, progress)
    else:
        files, data = subject.given()
        real = real_rows_of_arrays(data, files.train, settings.seed)
    real = replace(real, warnings=(*subject.warnings, *real.warnings))
    return measure_diversity(subject.draw(settings.num_samples, settings.seed), real, settings, progress=progress)


def real_rows_of_dataset(
    dataset: Dataset, split: str, settings: DiversitySettings, progress: Progress = silent
) -> RealRows:
    """The data set's training rows, and its `split`, test or validation, held out.

    Modes are exact for the toy mixtures; for labelled data they are the classes, by a classifier trained here.
    Raises UsageError for another split.
    """
    if split not in ("test", "validation"):
        raise UsageError(f"--split must be test or validation, but is {split!r}.")
    held_out = dataset.values(dataset.split(split).stored)
    lacking = _lacking_for_classes(dataset) if settings.classes else None
    return RealRows(
        dataset=dataset.name,
        split=split,
        training=dataset.values(dataset.train.stored),
        held_out=held_out,
        pixel_scaling="as given" if dataset.divisor == 1 else f"bytes / {dataset.divisor:g}",
        count_modes=_mode_counter(dataset, held_out, settings, progress) if lacking is None else None,
        notes=() if lacking is None else (lacking,),
        warnings=dataset.warnings,
    )


def real_rows_of_arrays(data: Rows, training: Rows | None, seed: int) -> RealRows:
    """The user's own rows: `data` are held out, `training` are what the generator was trained on.

    Without `training` a random half of `data` places the bins, the other half is held out, and memorisation cannot be
    told. Raises UsageError where `data` are training rows, or cannot be halved.
    """
    if training is not None:
        said = scaling(training.values, f"values of {training.origin}", data.values, f"values of {data.origin}")
        if not repeats_itself(data.values) and overlap(data.values, training.values) == len(data.values):
            raise UsageError(
                f"Every row of {data.origin} is also among the training rows of {training.origin}: copying shows only "
                f"beside rows that no generator has seen; give --data of their own."
            )
        said += shared_roles({"rows scored": data.values, "training rows": training.values})
        return RealRows(data.name, "data", training.values, data.values, data.scaling, warnings=tuple(said))
    if len(data.values) < 2 * LEAST_ROWS:
        raise UsageError(
            f"Without --train-data half of the rows of {data.origin} stand in for training rows, and {2 * LEAST_ROWS} "
            f"are needed, but there are {len(data.values)}: give more of them, or --train-data."
        )
    order = torch.randperm(len(data.values), generator=torch.Generator().manual_seed(seed), device="cpu")
    half = len(order) // 2
    note = (
        f"No training rows were given (--train-data): memorisation is not measured, and a random half of {data.origin} "
        f"stands in for them elsewhere."
    )
    first, second = data.values[order[:half]], data.values[order[half:]]
    return RealRows(data.name, "data", first, second, data.scaling, training_is_own=False, notes=(note,))


def _lacking_for_classes(dataset: Dataset) -> str | None:
    """A note on what labelled data lack for a classifier; None where nothing is, or where they are not labelled."""
    if dataset.name in MIXTURES or dataset.train.labels is None:
        return None
    if len(torch.unique(dataset.train.labels)) < 2:
        return f"The training rows of {dataset.name} have fewer than two classes: modes are not counted."
    if dataset.validation.labels is None or len(dataset.validation) == 0:
        return f"{dataset.name} has no labelled validation rows to check a classifier on: modes are not counted."
    return None


def _mode_counter(
    dataset: Dataset, held_out: torch.Tensor, settings: DiversitySettings, progress: Progress
) -> ModeCounter | None:
    if dataset.name in MIXTURES:
        mixture = MIXTURES[dataset.name]
        by = f"exact: the components of {dataset.name}"
        return lambda samples: CountedModes(mixture_modes(samples, mixture), by)
    if not settings.classes or dataset.train.labels is None:
        return None

    def count(samples: torch.Tensor) -> CountedModes:
        classifier = train_classifier(dataset, cache=settings.classifiers, progress=progress)
        labels = classifier.predict(samples), classifier.predict(held_out)
        modes = class_modes(*labels, classifier.classes)
        return CountedModes(modes, classifier.about, classifier.fingerprint, classifier.notes)

    return count


def _check(samples: torch.Tensor, real: RealRows) -> None:
    width = real.held_out.shape[1]
    if samples.ndim != 2 or samples.shape[1] != width:
        raise UsageError(
            f"The samples have shape {list(samples.shape)}, but {real.dataset} has rows of {width} values: give "
            f"samples [N, {width}] of the same data."
        )
    for rows, name in ((samples, "samples"), (real.training, "training rows"), (real.held_out, "held-out rows")):
        if len(rows) < LEAST_ROWS:
            raise UsageError(f"Diversity needs {LEAST_ROWS} {name} at least, but there are {len(rows)}.")
    if not bool(samples.isfinite().all()):
        raise UsageError(
            "Some samples hold NaN or infinity: the generator has diverged; take an earlier checkpoint with --step."
        )


def _warnings(samples: torch.Tensor, real: RealRows) -> list[str]:
    said = scaling(samples, "samples", real.held_out, "data")
    if len(samples) < _FEW_SAMPLES:
        said.append(
            f"{len(samples):,} samples are few: shares of a few per cent are chance; give {_FEW_SAMPLES:,} or more."
        )
    return said

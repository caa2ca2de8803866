"""Whose samples are scored: a run's, several runs', or an array's; and by what: a registered data set, or arrays."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows, load_rows, require_alike, require_same_classes
from gantool.evaluation.density import Progress, silent
from gantool.evaluation.parzen import ParzenResult, ParzenSettings, evaluate
from gantool.evaluation.seeds import SeedScores, require_one_configuration, summarise
from gantool.evaluation.target import Target, target_of_arrays, target_of_dataset
from gantool.isolation import own_modes
from gantool.runs import Run
from gantool.sampling import generate


@dataclass(frozen=True)
class Place:
    """Where the work is done: the device, the data root (None: the default one), and whether downloads are barred."""

    device: torch.device
    data_root: Path | None = None
    offline: bool = False


@dataclass(frozen=True)
class ArrayFiles:
    """The user's files: `samples` are scored by `data`, or by the registered `dataset`."""

    samples: Path
    data: Path | None = None
    validation: Path | None = None
    train: Path | None = None
    dataset: str | None = None


@own_modes()
def evaluate_run(
    run: Run,
    settings: ParzenSettings,
    place: Place,
    *,
    split: str = "test",
    step: int | None = None,
    progress: Progress = silent,
) -> ParzenResult:
    """Scores a run's generator at `step` (None: its newest checkpoint) by its own data set.

    The result is recorded in the run. Raises UsageError where the run has no such checkpoint or its data are missing.
    """
    started = time.monotonic()
    generator = run.load_generator(place.device, step)
    dataset = load_dataset(run.config.data, root=place.data_root, offline=place.offline)
    target = target_of_dataset(dataset, split, settings.validation_rows, settings.references)
    if dataset.fingerprint() != run.data.fingerprint:
        other = f"The training rows of {dataset.name} are not those that {run.path.name} was trained on."
        target = replace(target, warnings=(*target.warnings, other))
    samples = generate(generator, run.config.noise, settings.num_samples, seed=settings.seed, device=place.device)
    result = evaluate(samples.cpu(), target, settings, device=place.device, progress=progress)
    result = replace(
        result,
        data_fingerprint=fingerprint(target.scored),
        run=str(run.path),
        step=run.latest_step() if step is None else step,
        seconds=time.monotonic() - started,
    )
    run.append_score(result.to_dict())
    return result


def evaluate_runs(
    runs: Sequence[Run],
    settings: ParzenSettings,
    place: Place,
    *,
    split: str = "test",
    step: int | None = None,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> SeedScores:
    """Scores runs of one configuration that differ in the seed alone; each score is recorded in its own run.

    Raises UsageError, before anything is scored, where the runs differ in anything else.
    """
    require_one_configuration(runs, step)
    results = [evaluate_run(run, settings, place, split=split, step=step, progress=progress) for run in runs]
    records = [result.to_dict() for result in results]
    return summarise(records, [run.config.training.seed for run in runs], notes)


@own_modes()
def evaluate_arrays(
    files: ArrayFiles, settings: ParzenSettings, place: Place, *, split: str = "test", progress: Progress = silent
) -> ParzenResult:
    """Scores the rows of a file by those of another, or by a registered data set.

    Raises UsageError where both or neither are given, or where the files do not match.
    """
    started = time.monotonic()
    samples = load_rows(files.samples, "--samples")
    if files.dataset is not None and files.data is None:
        target = _registered(files, files.dataset, split, settings, place)
    elif files.data is not None and files.dataset is None:
        target = _own(files, files.data, samples, split, settings)
    else:
        raise UsageError("--samples needs what to score by: --data FILE, or --dataset NAME, and not both.")
    notes, warnings = (*_scaling_notes(samples, target), *target.notes), (*samples.warnings, *target.warnings)
    target = replace(target, notes=notes, warnings=warnings)
    result = evaluate(
        samples.values, target, settings, sample_labels=samples.labels, device=place.device, progress=progress
    )
    return replace(result, data_fingerprint=fingerprint(target.scored), seconds=time.monotonic() - started)


def fingerprint(rows: torch.Tensor) -> str:
    """SHA-256 of the values of rows [N, D] float32: scores of one fingerprint were measured on the same rows."""
    return hashlib.sha256(rows.contiguous().numpy().data).hexdigest()


def _registered(files: ArrayFiles, name: str, split: str, settings: ParzenSettings, place: Place) -> Target:
    if files.validation or files.train:
        raise UsageError("--dataset has its own validation and training rows: leave out --validation and --train-data.")
    dataset = load_dataset(DataConfig(name), root=place.data_root, offline=place.offline)
    return target_of_dataset(dataset, split, settings.validation_rows, settings.references)


def _own(files: ArrayFiles, path: Path, samples: Rows, split: str, settings: ParzenSettings) -> Target:
    if split != "test":
        raise UsageError("--split chooses a part of a registered data set: with --data, give the rows to score there.")
    data = load_rows(path, "--data")
    require_alike(samples, data)
    require_same_classes(samples, data)
    validation = load_rows(files.validation, "--validation") if files.validation else None
    train = load_rows(files.train, "--train-data") if files.train else None
    target = target_of_arrays(data, validation, train, settings.validation_rows, settings.references)
    named = ", ".join(f"{label} is {name}" for label, name in enumerate(data.classes))
    return replace(target, notes=(*target.notes, f"The classes of {data.origin}: {named}.")) if named else target


def _scaling_notes(samples: Rows, target: Target) -> list[str]:
    """Says where bytes were divided, since the density depends on it."""
    divided = [samples.origin] if samples.scaling != "as given" else []
    if target.split == "data" and target.pixel_scaling != "as given":
        divided.append("--data")
    return [f"Bytes were divided by 255: {' and '.join(divided)}."] if divided else []

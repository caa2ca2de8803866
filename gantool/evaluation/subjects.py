"""Whose samples are scored: a run's, several runs', or an array's; and by what: a registered data set, or arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.evaluation.array_files import ArrayFiles, load_files
from gantool.evaluation.arrays import Rows, labels_by_name
from gantool.evaluation.parzen import ParzenResult, ParzenSettings, evaluate
from gantool.evaluation.recording import record
from gantool.evaluation.seeds import SeedScores, require_one_configuration, summarise
from gantool.evaluation.target import target_of_arrays, target_of_dataset
from gantool.isolation import own_modes
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.runs.data import load_data
from gantool.sampling import generate


@dataclass(frozen=True)
class Place:
    """Where the work is done: the device, the data root (None: the default one), whether downloads are barred, and the
    present place of the file that a run was trained on, where that has moved.
    """

    device: torch.device
    data_root: Path | None = None
    offline: bool = False
    array: Path | None = None


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

    Raises UsageError where the run has no such checkpoint or its data are missing.
    """
    started = time.monotonic()
    generator = run.load_generator(place.device, step)
    dataset = load_data(run, root=place.data_root, offline=place.offline, array=place.array)
    target = target_of_dataset(dataset, split, settings.validation_rows, settings.references)
    samples = generate(generator, run.config.noise, settings.num_samples, seed=settings.seed, device=place.device)
    result = evaluate(samples.cpu(), target, settings, device=place.device, progress=progress)
    return replace(
        result,
        run=str(run.path),
        step=run.latest_step() if step is None else step,
        seconds=time.monotonic() - started,
    )


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
    records, said = [], [*notes]
    for run in runs:
        records.append(evaluate_run(run, settings, place, split=split, step=step, progress=progress).to_dict())
        said += record(run, records[-1])
    return summarise(records, [run.config.training.seed for run in runs], said)


@own_modes()
def evaluate_arrays(
    files: ArrayFiles, settings: ParzenSettings, place: Place, *, split: str = "test", progress: Progress = silent
) -> ParzenResult:
    """Scores the rows of a file by those of another, or by a registered data set.

    Raises UsageError where both or neither are given, or where the files do not match.
    """
    started = time.monotonic()
    loaded = load_files(files, split)
    samples = loaded.samples
    if loaded.data is None:
        assert files.dataset is not None  # one of the two is given
        dataset = load_dataset(DataConfig(files.dataset), root=place.data_root, offline=place.offline)
        target = target_of_dataset(dataset, split, settings.validation_rows, settings.references)
    else:
        target = target_of_arrays(
            loaded.data, loaded.validation, loaded.train, settings.validation_rows, settings.references
        )
    labels = samples.labels
    said: list[str] = []
    if target.labels is not None:
        labels, said = labels_by_name(samples, target.classes, loaded.data.origin if loaded.data else target.dataset)
    target = replace(
        target,
        notes=(*_scaling_notes(loaded.rows), *target.notes, *said),
        warnings=(*loaded.warnings, *target.warnings),
    )
    result = evaluate(samples.values, target, settings, sample_labels=labels, device=place.device, progress=progress)
    return replace(result, seconds=time.monotonic() - started)


def _scaling_notes(files: Sequence[Rows]) -> list[str]:
    """Says where bytes were divided, and by what, since the density depends on it."""
    divided = [rows for rows in files if rows.scaling != "as given"]
    return [f"Values are {divided[0].scaling} in {', '.join(rows.origin for rows in divided)}."] if divided else []

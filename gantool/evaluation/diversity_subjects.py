"""Whose diversity is measured: a run's, or an array's; and beside which rows: a registered data set's, or arrays."""

from __future__ import annotations

import time
from dataclasses import replace

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.evaluation.array_files import ArrayFiles, load_files
from gantool.evaluation.diversity import (
    DiversityResult,
    DiversitySettings,
    measure_diversity,
    real_rows_of_arrays,
    real_rows_of_dataset,
)
from gantool.evaluation.subjects import Place
from gantool.isolation import own_modes
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.runs.data import load_data
from gantool.sampling import generate


@own_modes()
def diversity_of_run(
    run: Run,
    settings: DiversitySettings,
    place: Place,
    *,
    split: str = "test",
    step: int | None = None,
    progress: Progress = silent,
) -> DiversityResult:
    """A run's generator at `step` (None: its newest checkpoint) beside its own data set.

    Raises UsageError where the run has no such checkpoint or its data are missing.
    """
    started = time.monotonic()
    generator = run.load_generator(place.device, step)
    dataset = load_data(run, root=place.data_root, offline=place.offline, array=place.array)
    real = real_rows_of_dataset(dataset, split, settings, progress)
    samples = generate(generator, run.config.noise, settings.num_samples, seed=settings.seed, device=place.device)
    return replace(
        measure_diversity(samples.cpu(), real, settings, progress=progress),
        run=str(run.path),
        step=run.latest_step() if step is None else step,
        seconds=time.monotonic() - started,
    )


@own_modes()
def diversity_of_arrays(
    files: ArrayFiles,
    settings: DiversitySettings,
    place: Place,
    *,
    split: str = "test",
    progress: Progress = silent,
) -> DiversityResult:
    """The rows of a file beside those of others, or beside a registered data set.

    Raises UsageError where both or neither are given, or where the files do not match.
    """
    started = time.monotonic()
    loaded = load_files(files, split)
    if loaded.data is None:
        assert files.dataset is not None  # one of the two is given
        dataset = load_dataset(DataConfig(files.dataset), root=place.data_root, offline=place.offline)
        real = real_rows_of_dataset(dataset, split, settings, progress)
    else:
        real = real_rows_of_arrays(loaded.data, loaded.train, settings.seed)
    real = replace(real, warnings=(*loaded.warnings, *real.warnings))
    result = measure_diversity(loaded.samples.values, real, settings, progress=progress)
    return replace(result, seconds=time.monotonic() - started)

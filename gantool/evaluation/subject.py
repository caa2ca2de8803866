"""Whose samples are judged, beside which real rows: a run's beside its own data, or the user's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gantool.config import DataConfig
from gantool.data import Dataset, load_dataset
from gantool.evaluation.array_files import ArrayFiles, Loaded, load_files
from gantool.evaluation.arrays import Rows
from gantool.runs import Run
from gantool.runs.data import load_data
from gantool.sampling import generate, sample_labels


@dataclass(frozen=True)
class Place:
    """Where the work is done: the device, the data root (None: the default one), whether downloads are barred, and the
    present place of the file that a run was trained on, where that has moved.
    """

    device: torch.device
    data_root: Path | None = None
    offline: bool = False
    array: Path | None = None


@dataclass(frozen=True)
class Subject:
    """Samples, and the real rows beside which they are judged.

    `draw(count, seed)` gives samples [n, D] on the CPU: `count` of a run, all of a file; `labels(count, seed)` are the
    classes [n] that a run's generator was told for them, None where it is told none. The real rows are those of
    `dataset`, or, where that is None, of `files`. `run` and `step` are None for files.
    """

    draw: Callable[[int, int], torch.Tensor]
    split: str
    place: Place
    dataset: Dataset | None
    files: Loaded | None = None
    labels: Callable[[int, int], torch.Tensor | None] = lambda count, seed: None
    run: Run | None = None
    step: int | None = None

    def given(self) -> tuple[Loaded, Rows]:
        """The user's files, and the real rows among them: for a subject without a data set."""
        assert self.files is not None
        assert self.files.data is not None
        return self.files, self.files.data

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong with the user's files."""
        return self.files.warnings if self.files else ()


def subject_of_run(run: Run, place: Place, split: str, step: int | None = None) -> Subject:
    """A run's generator at `step` (None: its newest checkpoint) beside the run's own data.

    Raises UsageError where the run has no such checkpoint or its data are missing.
    """
    generator = run.load_generator(place.device, step)
    dataset = load_data(run, root=place.data_root, offline=place.offline, array=place.array)

    def draw(count: int, seed: int) -> torch.Tensor:
        return generate(generator, run.config.noise, count, seed=seed, device=place.device).cpu()

    def labels(count: int, seed: int) -> torch.Tensor | None:
        return sample_labels(generator, count, seed)

    judged = run.latest_step() if step is None else step
    return Subject(draw, split, place, dataset, labels=labels, run=run, step=judged)


def subject_of_files(files: ArrayFiles, place: Place, split: str = "test") -> Subject:
    """The rows of a file beside those of others, or beside a registered data set.

    Raises UsageError where both or neither are given, or where the files do not match.
    """
    loaded = load_files(files, split)
    dataset = None
    if loaded.data is None:
        assert files.dataset is not None  # one of the two is given
        dataset = load_dataset(DataConfig(files.dataset), root=place.data_root, offline=place.offline)
    return Subject(lambda count, seed: loaded.samples.values, split, place, dataset, loaded)

"""A run's own data: read again, and held against what it was trained on before anything is made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.data import Dataset
    from gantool.runs.directory import Run


def load_data(run: Run, *, root: Path | None = None, offline: bool = False, array: Path | None = None) -> Dataset:
    """The data set that a run was trained on; `array` is the place that its file has now, where it has moved.

    Raises UsageError where the data are missing or are others, and where `array` is given for a registered data set;
    GantoolError where a download failed.
    """
    from gantool.data import load_dataset

    config = run.config.data
    if array is not None:
        if config.path is None:
            raise UsageError(f"--array is for a run that was trained on a file, but {run.path} was on {config.name}.")
        config = replace(config, path=str(array))
    try:
        dataset = load_dataset(config, root=root, offline=offline)
    except UsageError as error:
        if config.path is None or Path(config.path).exists():
            raise
        raise UsageError(f"The data of the run {run.path} are gone: {error} {_REMEDY}") from error
    require_same_rows(run, dataset)
    return dataset


def moved(run: Run, array: Path) -> Run:
    """The run with its file's new place in its configuration."""
    return replace(run, config=replace(run.config, data=replace(run.config.data, path=str(array.absolute()))))


_REMEDY = "Give --array FILE if the file has another place now."


def require_same_rows(run: Run, dataset: Dataset) -> None:
    """Raises UsageError where the data are not those that the run was trained on."""
    if dataset.fingerprint() == run.data.fingerprint:
        return
    moved = f" {_REMEDY}" if run.config.data.path else ""
    raise UsageError(f"The run {run.path} was trained on other rows than those of {dataset.source}.{moved}")

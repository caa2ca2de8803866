"""The run of a configuration, among those of a folder."""

from __future__ import annotations

from pathlib import Path

from gantool.config import RunConfig
from gantool.config.compare import config_differences
from gantool.errors import UsageError
from gantool.runs import Run, list_runs


def find_matching(folder: Path, config: RunConfig) -> Run | None:
    """The run of this configuration and seed that has come farthest; None where none has a checkpoint.

    A run is a configuration's whatever its name and description are. Raises UsageError where another process is at one
    of them: it would be trained twice.
    """
    matching = all_matching(folder, config)
    for run in matching:
        if holder := run.status().holder:
            raise UsageError(f"The run {run.path} is being trained by {holder}; wait, or stop it.")
    started = [run for run in matching if run.latest_step() is not None]
    return max(started, key=lambda run: run.latest_step() or 0, default=None)


def all_matching(folder: Path, config: RunConfig) -> list[Run]:
    """Every run of this configuration and seed, one that never came to a checkpoint among them."""
    return [run for run in list_runs(folder) if _is_of(run, config)]


def _is_of(run: Run, config: RunConfig) -> bool:
    return run.config.training.seed == config.training.seed and not config_differences(run.config, config)

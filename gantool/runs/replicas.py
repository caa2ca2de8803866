"""Replicas: runs of one configuration that differ in their seeds alone and are trained side by side.

Each has a run directory of its own, and in it replicas.json, which names them all. A replica is the run that training
its seed alone would make: it draws the same weights, batches, noise and masks; only rounding differs, since products
are computed for all at once. (A module of the user's own that draws from torch's default generator shares it with the
others.)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.files import write_json
from gantool.runs.directory import Run, create_run
from gantool.runs.find import open_run

FILE_NAME = "replicas.json"


def replica_configs(config: RunConfig, count: int) -> list[RunConfig]:
    """The configuration at `count` seeds, from its own upwards, each with its seed in its name.

    Raises UsageError for fewer than two: one run is no replica.
    """
    if count < 2:
        raise UsageError(f"--replicas must be 2 or more, but is {count}; leave it out to train one run.")
    seeds = range(config.training.seed, config.training.seed + count)
    return [
        replace(config, name=f"{config.name}-seed{seed}", training=replace(config.training, seed=seed))
        for seed in seeds
    ]


def create_replicas(
    runs_dir: Path, configs: Sequence[RunConfig], dataset: Dataset, environment: dict[str, Any]
) -> list[Run]:
    """Makes a run directory for each configuration, and writes into each which runs were begun together.

    Raises UsageError where one of them cannot be made; none is left behind then.
    """
    runs: list[Run] = []
    try:
        for config in configs:
            runs.append(create_run(runs_dir, config, dataset, environment))
        names = [run.path.name for run in runs]
        for run in runs:
            write_json(run.path / FILE_NAME, {"runs": names})
    except (UsageError, OSError) as error:
        for run in runs:
            shutil.rmtree(run.path)
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"The replicas cannot be made in {runs_dir} ({error.strerror or error}).") from error
    return runs


def find_replicas(run: Run) -> list[Run]:
    """The runs that were begun together with this one, itself among them, in the order of their seeds.

    Raises UsageError where it was begun alone, or where one of them is gone.
    """
    file = run.path / FILE_NAME
    if not file.is_file():
        raise UsageError(f"The run {run.path} was not trained with --replicas; name single runs without that option.")
    paths = [run.path.parent / name for name in _names(file)]
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"The replica {path} is gone; name the others one by one, without --replicas.")
    return [open_run(path) for path in paths]


def _names(file: Path) -> list[str]:
    """The directories that a replicas.json names. UsageError where it is not what was written."""
    try:
        names = json.loads(file.read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); name the runs one by one instead.") from error
    plain = isinstance(names, list) and all(isinstance(name, str) and Path(name).name == name for name in names)
    if not plain or len(set(names)) != len(names) or len(names) < 2 or file.parent.resolve().name not in names:
        raise UsageError(f"{file} does not name this run and others beside it; name the runs one by one instead.")
    return list(names)

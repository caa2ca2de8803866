"""Replicas: runs of one configuration that differ in their seeds alone and are trained side by side.

Each has a run directory of its own, and in it replicas.json, which names them all. A replica is the run that training
its seed alone would make: it draws the same weights, batches, noise and masks; only rounding differs, since products
are computed for all at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from gantool.config import RunConfig
from gantool.errors import UsageError
from gantool.files import write_json
from gantool.runs import Run, open_run

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


def join_replicas(runs: Sequence[Run]) -> None:
    """Writes into each run's directory which runs were begun together; they lie in one folder."""
    names = [run.path.name for run in runs]
    for run in runs:
        write_json(run.path / FILE_NAME, {"runs": names})


def find_replicas(run: Run) -> list[Run]:
    """The runs that were begun together with this one, itself among them, in the order of their seeds.

    Raises UsageError where it was begun alone, or where one of them is gone.
    """
    file = run.path / FILE_NAME
    if not file.is_file():
        raise UsageError(f"The run {run.path} was not trained with --replicas; name single runs without that option.")
    try:
        names = [str(name) for name in json.loads(file.read_text(encoding="utf-8"))["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); name the runs one by one instead.") from error
    return [open_run(run.path.parent / name) for name in names]

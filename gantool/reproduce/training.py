"""One configuration trained at several seeds into one folder, going on wherever an earlier command stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gantool.config import RunConfig
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.runs import Run
from gantool.runs.matching import find_matching
from gantool.training.record.member import Observer
from gantool.training.session import Outcome, resume_run, start_run, with_length

# What is trained for a column of the table, where that is not the preset of the data set's name.
PRESETS = {"mnist": "mnist-average"}

# Opens a display for one run of so many steps, and closes it when that run ends.
Watch = Callable[[Run, int], AbstractContextManager[Observer]]


@dataclass(frozen=True)
class Plan:
    """The preset for `dataset` (see PRESETS) at the seeds 0 … `seeds` − 1, in `folder`; its own length unless one is
    given."""

    dataset: str
    folder: Path
    seeds: int = 3
    epochs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"--seeds must be a whole number, 1 or more, but is {self.seeds}.")
        if self.epochs is not None and self.steps is not None:
            raise UsageError("--epochs and --steps exclude each other: both give the length of a run.")

    @property
    def column(self) -> str:
        """The data set's name, by which the paper's table has a column or has none."""
        return self.config(seed=0).data.name

    @property
    def has_own_length(self) -> bool:
        """Whether the runs' length is another than the preset's."""
        return self.epochs is not None or self.steps is not None

    def config(self, seed: int) -> RunConfig:
        """The configuration of one seed. UsageError where there is no such preset."""
        name = PRESETS.get(self.dataset, self.dataset)
        preset = build_config(read_tree(preset_text(name), f"the preset {name}"))
        seeded = replace(preset, training=replace(preset.training, seed=seed))
        return with_length(seeded, self.steps, self.epochs)


@dataclass(frozen=True)
class Trained:
    """The finished runs in the seeds' order, and the outcome of the one that a signal stopped, if any."""

    runs: tuple[Run, ...]
    stopped: Outcome | None = None


def train_seeds(plan: Plan, dataset: Dataset, device: torch.device, watch: Watch) -> Trained:
    """Trains each seed to its end. A run that is finished is left as it is; one that is not goes on in its directory.

    A run belongs to a seed by its whole configuration, its name and description apart. Raises what training raises:
    UsageError where a run is being trained by another process or its data are others, Diverged where a loss is not
    finite.
    """
    runs: list[Run] = []
    for seed in range(plan.seeds):
        outcome = train_one(plan.config(seed), plan.folder, dataset, device, watch)
        if outcome.signal_number is not None:
            return Trained(tuple(runs), outcome)
        runs.append(outcome.run)
    return Trained(tuple(runs))


def train_one(config: RunConfig, folder: Path, dataset: Dataset, device: torch.device, watch: Watch) -> Outcome:
    """The run of this configuration in `folder`, trained to its end or gone on with; as it is where it is finished."""
    run = find_matching(folder, config)
    if run is not None and run.status().state == "finished":
        step = run.latest_step() or 0
        return Outcome(run, step, step, None, "")
    return _train(run, config, folder, dataset, device, watch)


def _train(
    run: Run | None, config: RunConfig, folder: Path, dataset: Dataset, device: torch.device, watch: Watch
) -> Outcome:
    with ExitStack() as stack:

        def observe(run: Run, total_steps: int) -> Observer:
            return stack.enter_context(watch(run, total_steps))

        if run is not None:
            return resume_run(run, dataset, device, observe)
        return start_run(config, dataset, device, folder, observe)

"""Starting a run, or replicas side by side, and going on with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.errors import GantoolError, UsageError
from gantool.files import clear_partials
from gantool.isolation import own_modes
from gantool.locks import Holder, acquire
from gantool.pictures.sheets import as_pixels, sheet
from gantool.runs import Run, create_run
from gantool.runs.checkpoint import drop_checkpoints_after, find_checkpoint
from gantool.runs.data import require_same_rows
from gantool.runs.environment import describe_environment
from gantool.runs.replicas import create_replicas
from gantool.runs.status import Ending, clear_ending, write_ending
from gantool.sampling import generate
from gantool.seeds import derive_seed
from gantool.training.cohort import Cohort
from gantool.training.engines.choose import build_step
from gantool.training.engines.step import Step
from gantool.training.loop import train
from gantool.training.record.health import Health
from gantool.training.record.member import Member, Observer
from gantool.training.record.metrics import read_distinct_samples, read_last_overfit, truncate_records
from gantool.training.rejoining import common_step
from gantool.training.signals import stop_on_signal
from gantool.training.stages import on_top, take_trained_layers
from gantool.training.state import TrainingState, build_states

SHEET_IMAGES = 100


# Called with each run and its total number of steps, once its directory is there.
Observe = Callable[[Run, int], Observer]


@dataclass(frozen=True)
class Outcome:
    """How a session ended for a run: at its last step, by a signal, or where it could not go on (`failure`: why).

    `notes` say what went wrong beside the run.
    """

    run: Run
    step: int
    total_steps: int
    signal_number: int | None
    step_impl: str
    failure: GantoolError | None = None
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """`finished`, `stopped` or `failed`."""
        if self.failure:
            return "failed"
        return "finished" if self.signal_number is None else "stopped"

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": str(self.run.path),
            "state": self.state,
            "step": self.step,
            "total_steps": self.total_steps,
            "step_impl": self.step_impl,
            "alarms": self.run.alarms(),
            "metrics": str(self.run.metrics),
            "samples": str(self.run.samples),
            "reason": str(self.failure) if self.failure else None,
        }


def start_run(config: RunConfig, dataset: Dataset, device: torch.device, runs_dir: Path, observe: Observe) -> Outcome:
    """Trains from step 0 in a new run directory, which is made only once everything else has proved sound.

    Raises UsageError where configuration, data and directory do not fit, Diverged where the loss did.
    """
    return start_runs([config], dataset, device, runs_dir, observe)[0]


@own_modes()
def start_runs(
    configs: Sequence[RunConfig], dataset: Dataset, device: torch.device, runs_dir: Path, observe: Observe
) -> list[Outcome]:
    """As :func:`start_run`, for replicas: configurations that differ in their seeds alone, a run directory each.

    One that diverges is left behind by the others; Diverged is raised where all do.
    """
    configs = [on_top(config, runs_dir) for config in configs]
    states = build_states(configs, dataset, device)
    take_trained_layers(states, configs[0])
    step = build_step(states, configs[0].training)
    environment = describe_environment(device)
    if len(configs) == 1:
        runs = [create_run(runs_dir, configs[0], dataset, environment)]
    else:
        runs = create_replicas(runs_dir, configs, dataset, environment)
    with _locked(runs):
        return _play(runs, states, step, dataset, observe)


def resume_run(
    run: Run,
    dataset: Dataset,
    device: torch.device,
    observe: Observe,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    take_over: bool = False,
) -> Outcome:
    """Goes on from the newest checkpoint, in the same directory, to a total of `steps` or `epochs` where given.

    `take_over` takes the run from whoever trains it, as when that is known to have ended on a machine that is gone.
    Raises UsageError where the run is being trained elsewhere, has other data, or is already there; GantoolError where
    its checkpoint is damaged.
    """
    return resume_runs([run], dataset, device, observe, steps=steps, epochs=epochs, take_over=take_over)[0]


@own_modes()
def resume_runs(
    runs: Sequence[Run],
    dataset: Dataset,
    device: torch.device,
    observe: Observe,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    take_over: bool = False,
) -> list[Outcome]:
    """As :func:`resume_run`, for replicas: from the newest checkpoint that all of them have.

    Raises UsageError, too, where they are no longer of one length or lie farther apart than a kill leaves them.
    """
    for run in runs:
        require_same_rows(run, dataset)
    runs = [replace(run, config=with_length(run.config, steps, epochs)) for run in runs]
    with _locked(runs, take_over=take_over):
        states = build_states([run.config for run in runs], dataset, device)
        start = common_step(runs)
        for run, state in zip(runs, states, strict=True):
            state.restore(find_checkpoint(run.checkpoints, start))
        if states[0].step >= runs[0].total_steps:
            raise UsageError(
                f"The run {runs[0].path} is at step {states[0].step} of {runs[0].total_steps} already; "
                "give a larger total with --steps or --epochs."
            )
        step = build_step(states, runs[0].config.training)
        seconds = [_prepare(run, state) for run, state in zip(runs, states, strict=True)]
        return _play(runs, states, step, dataset, observe, seconds)


def _prepare(run: Run, state: TrainingState) -> float:
    """Makes a directory as it was at the state's step; returns the seconds that were trained until then."""
    run.write_config()
    run.samples.mkdir(exist_ok=True)  # copies of a run may have been made without its pictures
    clear_ending(run.path)
    clear_partials(run.path)
    drop_checkpoints_after(run.checkpoints, state.step)
    return truncate_records(run, state.step, run.config.training.log_every)


@contextmanager
def _locked(runs: Sequence[Run], *, take_over: bool = False) -> Iterator[None]:
    """Holds the locks of the runs: nobody else trains them meanwhile.

    Raises UsageError where somebody does, or where a directory cannot be written.
    """
    with ExitStack() as stack:
        for run in runs:
            try:
                lock = acquire(run.path, take_over=take_over)
            except OSError as error:
                raise UsageError(
                    f"The run directory {run.path} cannot be written: {error.strerror or error}."
                ) from error
            if isinstance(lock, Holder):
                raise UsageError(
                    f"The run {run.path} is being trained by {lock}; stop that one first, or give --take-over if it is "
                    f"known to have ended."
                )
            stack.callback(lock.release)
        yield


def with_length(config: RunConfig, steps: int | None, epochs: int | None) -> RunConfig:
    """The configuration with another total length, where one is given; `steps` wins over `epochs`."""
    if steps is not None:
        return replace(config, training=replace(config.training, steps=steps))
    if epochs is not None:
        return replace(config, training=replace(config.training, epochs=epochs, steps=None))
    return config


def _play(
    runs: Sequence[Run],
    states: Sequence[TrainingState],
    step: Step,
    dataset: Dataset,
    observe: Observe,
    seconds_before: Sequence[float] | None = None,
) -> list[Outcome]:
    total = runs[0].total_steps
    with stop_on_signal() as stop:
        observers = [observe(run, total) for run in runs]
        try:
            members = [
                Member(
                    run,
                    state,
                    total,
                    _sheet_drawer(run, state, dataset),
                    observer,
                    _health(run, state, dataset),
                    seconds,
                )
                for run, state, observer, seconds in zip(
                    runs, states, observers, seconds_before or [0.0] * len(runs), strict=True
                )
            ]
        except GantoolError as error:
            for run, state in zip(runs, states, strict=True):
                write_ending(run.path, Ending("failed", state.step, str(error)))
            raise
        train(Cohort(members), step, stop)
    failures = [member.failure for member in members if member.failure]
    if len(failures) == len(members):
        raise failures[0]
    return [_outcome(member, stop.signal_number, step) for member in members]


def _outcome(member: Member, signal_number: int | None, step: Step) -> Outcome:
    done = member.state.step >= member.total
    return Outcome(
        member.run,
        member.state.step,
        member.total,
        None if done else signal_number,
        step.describe(),
        member.failure,
        tuple(member.notes),
    )


def _health(run: Run, state: TrainingState, dataset: Dataset) -> Health | None:
    """What looks at the samples, unless `training.watch_every` is 0 or one row leaves nothing to compare with."""
    if run.config.training.watch_every == 0 or len(dataset.train) < 2:
        return None
    return Health(run.config, dataset, state, read_distinct_samples(run), read_last_overfit(run))


def _sheet_drawer(run: Run, state: TrainingState, dataset: Dataset) -> Callable[[int], Path]:
    """Draws the same noise at every call, so that successive sheets show one set of samples growing."""
    generator = state.sampler
    seed = derive_seed(run.config.training.seed, "sheet")

    def draw(step: int) -> Path:
        generator.eval()
        images = generate(generator, run.config.noise, SHEET_IMAGES, seed=seed, device=state.game.rng.device)
        generator.train()
        path = run.samples / f"step-{step:07d}.png"
        sheet(as_pixels(images, dataset.norm), dataset.shape, 10, path)
        return path

    return draw

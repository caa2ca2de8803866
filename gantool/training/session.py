"""Starting a run, and going on with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gantool.checkpoint import clear_partial_checkpoints, find_checkpoint
from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.environment import describe_environment
from gantool.errors import GantoolError, UsageError
from gantool.plotting import sheet
from gantool.runs import DataFacts, Run, create_run
from gantool.sampling import generate
from gantool.seeds import derive_seed
from gantool.training.health import Health
from gantool.training.loop import Observer, total_steps, train
from gantool.training.metrics import read_distinct_samples, truncate_records
from gantool.training.signals import stop_on_signal
from gantool.training.state import TrainingState, build_state
from gantool.training.step import Step, build_step

SHEET_IMAGES = 100


@dataclass(frozen=True)
class Outcome:
    """How a session ended: at its last step, or by a signal."""

    run: Run
    step: int
    total_steps: int
    signal_number: int | None
    step_impl: str

    def to_dict(self) -> dict[str, Any]:
        state = "finished" if self.signal_number is None else "stopped"
        return {
            "run": str(self.run.path),
            "state": state,
            "step": self.step,
            "total_steps": self.total_steps,
            "step_impl": self.step_impl,
            "alarms": self.run.alarms(),
            "metrics": str(self.run.metrics),
            "samples": str(self.run.samples),
        }


def start_run(
    config: RunConfig, dataset: Dataset, device: torch.device, runs_dir: Path, observe: Callable[[Run, int], Observer]
) -> Outcome:
    """Trains from step 0 in a new run directory, which is made only once everything else has proved sound.

    `observe(run, total_steps)` gives the observer. Raises UsageError where configuration, data and directory do not
    fit, Diverged where the loss did.
    """
    state = build_state(config, dataset, device)
    step = build_step(state.game, config.training)
    total = total_steps(config.training, state)
    run = create_run(runs_dir, config, dataset, describe_environment(device))
    return _play(run, state, step, dataset, observe(run, total))


def resume_run(
    run: Run,
    dataset: Dataset,
    device: torch.device,
    observe: Callable[[Run, int], Observer],
    *,
    steps: int | None = None,
    epochs: int | None = None,
) -> Outcome:
    """Goes on from the newest checkpoint, in the same directory, to a total of `steps` or `epochs` where given.

    Raises UsageError where the run is being trained elsewhere, has other data, or is already there; GantoolError where
    its checkpoint is damaged.
    """
    if run.is_being_trained(status := run.status()):
        raise UsageError(f"The run {run.path} is being trained by process {status['process']}; stop that one first.")
    if DataFacts.of(dataset).fingerprint != run.data.fingerprint:
        raise UsageError(f"The run {run.path} was trained on other rows than those at {dataset.source}.")
    run = replace(run, config=with_length(run.config, steps, epochs))
    state = build_state(run.config, dataset, device)
    state.restore(find_checkpoint(run.checkpoints))
    total = total_steps(run.config.training, state)
    if state.step >= total:
        raise UsageError(
            f"The run {run.path} is at step {state.step} of {total} already; "
            "give a larger total with --steps or --epochs."
        )
    step = build_step(state.game, run.config.training)
    run.write_config()
    clear_partial_checkpoints(run.checkpoints)
    seconds = truncate_records(run.metrics, state.step, run.config.training.log_every)
    return _play(run, state, step, dataset, observe(run, total), seconds)


def with_length(config: RunConfig, steps: int | None, epochs: int | None) -> RunConfig:
    """The configuration with another total length, where one is given; `steps` wins over `epochs`."""
    if steps is not None:
        return replace(config, training=replace(config.training, steps=steps))
    if epochs is not None:
        return replace(config, training=replace(config.training, epochs=epochs, steps=None))
    return config


def _play(
    run: Run,
    state: TrainingState,
    step: Step,
    dataset: Dataset,
    observer: Observer,
    seconds_before: float = 0.0,
) -> Outcome:
    total = total_steps(run.config.training, state)
    run.write_status("running", state.step, total)
    try:
        with stop_on_signal() as stop:
            draw_sheet, health = _sheet_drawer(run, state, dataset), _health(run, state, dataset)
            done = train(run, state, step, draw_sheet, observer, stop, health, seconds_before)
    except GantoolError as error:
        run.write_status("failed", state.step, total, str(error))
        raise
    run.write_status("finished" if done else "stopped", state.step, total)
    return Outcome(run, state.step, total, None if done else stop.signal_number, step.about)


def _health(run: Run, state: TrainingState, dataset: Dataset) -> Health | None:
    """What looks at the samples, unless `training.watch_every` is 0 or one row leaves nothing to compare with."""
    if run.config.training.watch_every == 0 or len(dataset.train) < 2:
        return None
    return Health(run.config, dataset, state, read_distinct_samples(run.metrics))


def _sheet_drawer(run: Run, state: TrainingState, dataset: Dataset) -> Callable[[int], Path]:
    """Draws the same noise at every call, so that successive sheets show one set of samples growing."""
    generator = state.sampler
    seed = derive_seed(run.config.training.seed, "sheet")

    def draw(step: int) -> Path:
        generator.eval()
        images = generate(generator, run.config.noise, SHEET_IMAGES, seed=seed, device=state.game.rng.device)
        generator.train()
        path = run.samples / f"step-{step:07d}.png"
        sheet(images, dataset.shape, 10, path)
        return path

    return draw

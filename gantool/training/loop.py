"""The training loop: play an iteration, look at it, write it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gantool.checkpoint import prune_checkpoints
from gantool.config import TrainingConfig
from gantool.runs import Run
from gantool.training.divergence import Diverged, DivergenceWatch
from gantool.training.health import Health
from gantool.training.metrics import Record, append_record, build_record, measure
from gantool.training.schedules import rates_at
from gantool.training.state import TrainingState
from gantool.training.step import Step


class Observer(Protocol):
    """Who watches a run: the terminal, TensorBoard, a test."""

    def on_record(self, record: Record) -> None: ...

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


def train(
    run: Run,
    state: TrainingState,
    step: Step,
    draw_sheet: Callable[[int], Path],
    observer: Observer,
    stop_requested: Callable[[], bool],
    health: Health | None = None,
    seconds_before: float = 0.0,
) -> bool:
    """Plays until the configured number of iterations; True when it got there, False when it was asked to stop.

    Either way a checkpoint of the last iteration is there. Raises Diverged as soon as a loss is not finite; the last
    checkpoint is then a good one, since a state is checked before it is saved.
    """
    training = run.config.training
    total = total_steps(training, state)
    watch = DivergenceWatch(state.game.rng.device)
    started = last_time = time.perf_counter()
    last_step = saved_step = state.step

    while state.step < total and not stop_requested():
        epoch = state.epoch_at(state.step)
        rates = rates_at(run.config.optimizer, state.step, epoch)
        iteration = step.play(state.step, rates)
        state.advance()
        watch.see(iteration, state.step)

        if _is_due(state.step, training.log_every) or state.step == total:
            watch.check()
            figures = measure(iteration)  # both synchronise with the device
            now = time.perf_counter()
            images = (state.step - last_step) * training.k * training.batch_size
            record = build_record(
                state.step, epoch, rates, figures, images, now - last_time, seconds_before + now - started
            )
            record = health.see(record) if health else record
            append_record(run.metrics, record)
            observer.on_record(record)
            last_time, last_step = now, state.step
        if _is_due(state.step, training.sample_every or state.steps_for(1)) or state.step == total:
            observer.on_samples(state.step, draw_sheet(state.step))
        if _is_due(state.step, training.checkpoint_every or state.steps_for(1)):
            saved_step = _save(run, state, watch, observer, total)

    if saved_step < state.step:
        _save(run, state, watch, observer, total)
    return state.step >= total


def total_steps(training: TrainingConfig, state: TrainingState) -> int:
    """The run's length in iterations: `steps` where it is set, else `epochs` passes over the data."""
    return training.steps if training.steps is not None else state.steps_for(training.epochs)


def _is_due(step: int, interval: int) -> bool:
    return step % interval == 0


def _save(run: Run, state: TrainingState, watch: DivergenceWatch, observer: Observer, total: int) -> int:
    watch.check()
    if not state.parameters_are_finite():  # synchronises with the device
        raise Diverged(state.step, "value of a weight")
    path = state.save(run.checkpoints)
    prune_checkpoints(run.checkpoints, run.config.training.keep_checkpoints)
    run.write_status("running", state.step, total)
    observer.on_checkpoint(state.step, path)
    return state.step

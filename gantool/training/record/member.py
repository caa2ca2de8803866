"""One run in training, and all that is written down of it: metrics, sheets of samples, checkpoints, where it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gantool.config import TrainingConfig
from gantool.errors import GantoolError
from gantool.files import append_json_line, sync
from gantool.runs import Run
from gantool.runs.checkpoint import Groups, prune_checkpoints
from gantool.runs.status import Ending, write_ending
from gantool.training.game import Iteration
from gantool.training.record.divergence import Diverged, DivergenceWatch
from gantool.training.record.health import Health
from gantool.training.record.metrics import Record, build_record, measure
from gantool.training.schedules import Rates
from gantool.training.state import TrainingState


class Observer(Protocol):
    """Who watches a run: the terminal, TensorBoard, a test."""

    def on_record(self, record: Record) -> None: ...

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


class Silent:
    """Watches, and says nothing."""

    def on_record(self, record: Record) -> None: ...

    def on_samples(self, step: int, sheet: Path) -> None: ...

    def on_checkpoint(self, step: int, checkpoint: Path) -> None: ...


@dataclass(frozen=True)
class Intervals:
    """How many iterations lie between two lines of metrics, two sheets and two checkpoints."""

    log: int
    samples: int
    checkpoint: int

    @classmethod
    def of(cls, training: TrainingConfig, rows: int) -> Intervals:
        """The intervals for `rows` training rows."""
        epoch = training.iterations(1, rows)
        return cls(training.log_every, training.sample_every or epoch, training.checkpoint_every or epoch)


class Member:
    """Takes in the iterations that its run has made, and writes what is due.

    A run that cannot go on, since a loss or a weight is not finite or its directory cannot be written, is recorded as
    failed and takes in nothing more; `failure` says why. Its last checkpoint is then a good one, since a state is
    checked before it is saved. An observer that fails is left out from then on, and `notes` says so: nobody's display
    ends a run.
    """

    def __init__(
        self,
        run: Run,
        state: TrainingState,
        total: int,
        draw_sheet: Callable[[int], Path],
        observer: Observer,
        health: Health | None = None,
        seconds_before: float = 0.0,
    ) -> None:
        self.run, self.state, self.total = run, state, total
        self.draw_sheet, self.observer, self.health = draw_sheet, observer, health
        self.intervals = Intervals.of(run.config.training, run.data.rows["train"])
        self.failure: GantoolError | None = None
        self.notes: list[str] = []
        self._start: Groups | None = None
        self._watch = DivergenceWatch(state.game.rng.device)
        self._last_time = time.perf_counter()
        self._started = self._last_time - seconds_before
        self._last_step = state.step
        self._saved_step = state.step if run.latest_step() is not None else -1
        self._best_step = run.best_step() if run.config.training.keep_best == "parzen" else None
        self._silent = False

    def see(self, iteration: Iteration, rates: Rates, count: int) -> None:
        """Takes in `count` iterations by what the last one saw, and the rates that it used."""
        if self.failure:
            return
        try:
            epoch = self.state.epoch_at(self.state.step + count - 1)
            self.state.advance(count)
            step = self.state.step
            self._watch.see(iteration, step)
            if step % self.intervals.log == 0 or step == self.total:
                self._log(iteration, rates, epoch)
            if step % self.intervals.samples == 0 or step == self.total:
                sheet = self.draw_sheet(step)
                self._tell(lambda observer: observer.on_samples(step, sheet))
            if step % self.intervals.checkpoint == 0 and self._saved_step != step:
                self._save()
        except (GantoolError, OSError) as error:
            self._fail(error)

    def stop(self) -> None:
        """Saves the last iteration, and records whether the run has finished or was stopped."""
        if self.failure:
            return
        try:
            if self._saved_step < self.state.step:
                self._save()
            if self.state.step < self.total:
                write_ending(self.run.path, Ending("stopped", self.state.step, None))
        except (GantoolError, OSError) as error:
            self._fail(error)

    def save(self) -> None:
        """Saves now, where that has not been done since the last iteration."""
        if self.failure or self._saved_step == self.state.step:
            return
        try:
            self._save()
        except (GantoolError, OSError) as error:
            self._fail(error)

    def keep_start(self) -> None:
        """Keeps what an iteration changes, as it is before one."""
        self._start = None if self.failure else self.state.copy()

    def go_back(self) -> None:
        """Drops what an unfinished iteration has done."""
        if self._start is not None:
            self.state.put_back(self._start)

    def save_start(self) -> None:
        """Saves the run as it was before the iteration in hand."""
        if self.failure or self._start is None or self._saved_step == self.state.step:
            return
        try:
            self._wrote(self.state.save(self.run.checkpoints, self._start))
        except OSError as error:
            self._fail(error)

    def _log(self, iteration: Iteration, rates: Rates, epoch: int) -> None:
        step, training = self.state.step, self.run.config.training
        self._watch.check()
        figures = measure(iteration, self.state.game.objective)  # both synchronise with the device
        now = time.perf_counter()
        rows_before = self.state.batches.rows_before
        batches_before = training.discriminator_steps.before
        images = rows_before(batches_before(step)) - rows_before(batches_before(self._last_step))
        record = build_record(step, epoch, rates, figures, images, now - self._last_time, now - self._started)
        record = self.health.see(record) if self.health else record
        append_json_line(self.run.metrics, record.to_dict())
        self._tell(lambda observer: observer.on_record(record))
        if training.keep_best == "parzen" and record.look and self.run.best_step() == step:
            self._best_step = step
            self._save()
        self._last_time, self._last_step = now, step

    def _save(self) -> None:
        self._watch.check()
        if not self.state.parameters_are_finite():  # synchronises with the device
            raise Diverged(self.state.step, "value of a weight")
        if self.run.metrics.exists():
            sync(self.run.metrics)  # the lines up to a checkpoint are there whenever it is
        self._wrote(self.state.save(self.run.checkpoints))

    def _wrote(self, path: Path) -> None:
        prune_checkpoints(self.run.checkpoints, self.run.config.training.keep_checkpoints, self._best_step)
        step = self._saved_step = self.state.step
        self._tell(lambda observer: observer.on_checkpoint(step, path))

    def _tell(self, news: Callable[[Observer], None]) -> None:
        if self._silent:
            return
        try:
            news(self.observer)
        except Exception as error:  # whatever goes wrong in a display, a full log or a closed pipe
            self._silent = True
            self.notes.append(f"The display failed and was left out ({str(error) or type(error).__name__}).")

    def _fail(self, error: GantoolError | OSError) -> None:
        if isinstance(error, GantoolError):
            self.failure = error
        else:
            why = error.strerror or str(error)
            said = f"The run directory {self.run.path} cannot be written at step {self.state.step:,}: {why}."
            self.failure = GantoolError(said)
            self.failure.__cause__ = error
        with suppress(OSError):  # what cannot be written cannot be recorded either
            write_ending(self.run.path, Ending("failed", self.state.step, str(self.failure)))

"""What `gantool train` does once its options are read: data and display, the training itself, the closing lines."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gantool.cli.processors import ProcessorWatch, busy_sentence, own_cores
from gantool.cli.terminal import note, print_json, say, tell, warn
from gantool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from gantool.cli.replicas import ReplicaDisplay
    from gantool.config import RunConfig
    from gantool.data.dataset import Dataset
    from gantool.runs import Run
    from gantool.training.record.member import Observer
    from gantool.training.session import Outcome


@dataclass(frozen=True)
class Trainer:
    """The machine's side of a training command. Of a dry run the summary is printed, and nothing comes back.

    `array` is the present place of the file that a run was trained on, where that has moved; `take_over` takes a run
    from whoever trains it.
    """

    console: Console
    device: Any
    data_dir: Path | None
    offline: bool
    tensorboard: bool
    dry_run: bool
    as_json: bool
    take_over: bool = False
    array: Path | None = None
    load: ProcessorWatch = field(default_factory=ProcessorWatch, kw_only=True)

    def start(self, config: RunConfig, runs_dir: Path, replicas: int | None) -> list[Outcome]:
        """Trains one new run, or as many as there are to be replicas."""
        from gantool.runs.replicas import replica_configs
        from gantool.training.session import start_runs
        from gantool.training.stages import on_top

        config = on_top(config, runs_dir)
        configs = [config] if replicas is None else replica_configs(config, replicas)
        if self.dry_run:
            self._summarise(configs, None)
            return []
        dataset = self._load_data(config)
        with _Watch(self.console, self.tensorboard, len(configs), self._warn_if_busy) as watch:
            return start_runs(configs, dataset, self.device, runs_dir, watch)

    def resume(
        self, reference: str, runs_dir: Path, steps: int | None, epochs: int | None, replicas: int | None
    ) -> list[Outcome]:
        """Goes on with a run; with `replicas`, the number of them, with all that were begun together with it."""
        from gantool.runs import find_run
        from gantool.runs.data import moved
        from gantool.training.session import resume_runs, with_length

        run = find_run(reference, runs_dir)
        runs = [run] if replicas is None else self._replicas_of(run, replicas)
        if self.dry_run:
            self._summarise([with_length(each.config, steps, epochs) for each in runs], run)
            return []
        dataset = self._load_data(run.config, run)
        if self.array is not None:
            runs = [moved(run, self.array) for run in runs]
        for sentence in (sentence for run in runs for sentence in run.damage(run.metrics)):
            warn(sentence)
        with _Watch(self.console, self.tensorboard, len(runs), self._warn_if_busy) as watch:
            return resume_runs(runs, dataset, self.device, watch, steps=steps, epochs=epochs, take_over=self.take_over)

    def _replicas_of(self, run: Run, count: int) -> list[Run]:
        """The replicas that can go on: one that failed would fail again, and is left out."""
        from gantool.runs.replicas import find_replicas

        runs = find_replicas(run)
        if len(runs) != count:
            raise UsageError(f"The run {run.path} has {len(runs)} replicas: resume them with --replicas {len(runs)}.")
        sound = [run for run in runs if run.status().state != "failed"]
        for failed in (run for run in runs if run not in sound):
            tell(f"{failed.path} has failed and is left out.")
        if not sound:
            raise UsageError(f"All replicas of {run.path} have failed: none can go on.")
        return sound

    def _load_data(self, config: RunConfig, run: Run | None = None) -> Dataset:
        """The data of a new run, or of one that goes on."""
        from gantool.data import load_dataset
        from gantool.runs.data import load_data

        if run is None:
            dataset = load_dataset(config.data, root=self.data_dir, offline=self.offline)
        else:
            dataset = load_data(run, root=self.data_dir, offline=self.offline, array=self.array)
        for warning in dataset.warnings:
            warn(warning)
        return dataset

    def _warn_if_busy(self) -> None:
        """One sentence where other programs leave the training's threads no room."""
        import torch

        if self.device.type == "cpu" and (
            said := busy_sentence(self.load.cores_taken(), len(own_cores()), torch.get_num_threads())
        ):
            warn(said)

    def _summarise(self, configs: Sequence[RunConfig], run: Run | None) -> None:
        """Prints what would be done. Files that would be downloaded first are named, and not downloaded."""
        from gantool.cli.summary import print_missing, print_summary
        from gantool.data.registry import data_root, find_entry

        remote, root = find_entry(configs[0].data.name).remote, data_root(self.data_dir)
        if remote is not None and (missing := remote.missing(root)):
            print_missing(configs, missing, root, self.as_json)
        else:
            print_summary(configs, self._load_data(configs[0], run), self.device, self.as_json)


class _Watch:
    """Opens the display when a run is there, and closes it whatever happens; replicas share one.

    `at_start` is called once, when the first run is there.
    """

    def __init__(self, console: Console, tensorboard: bool, count: int, at_start: Callable[[], None]) -> None:
        self.console, self.tensorboard, self.count = console, tensorboard, count
        self.at_start: Callable[[], None] | None = at_start
        self.stack = ExitStack()
        self.replicas: ReplicaDisplay | None = None

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def __call__(self, run: Run, total_steps: int) -> Observer:
        if self.at_start is not None:
            self.at_start()
            self.at_start = None
        start = run.latest_step() or 0
        tell(f"Training {run.path} on {run.data.name}: {total_steps:,} steps from {start:,}")
        display = self._display(run, total_steps, start)
        if self.tensorboard:
            from gantool.training.record.tensorboard import TensorBoardObserver

            display = TensorBoardObserver(run.path / "tensorboard", display)
        return display

    def _display(self, run: Run, total_steps: int, start: int) -> Observer:
        from gantool.cli.progress import Display
        from gantool.cli.replicas import ReplicaDisplay

        if self.count == 1:
            return self.stack.enter_context(Display(self.console, total_steps, start))
        if self.replicas is None:
            subject = f"mean of {self.count} replicas"
            display = self.stack.enter_context(Display(self.console, total_steps, start, subject))
            self.replicas = self.stack.enter_context(ReplicaDisplay(display))
        return self.replicas.observer(run.path.name)


def report(outcomes: Sequence[Outcome], json_output: bool, replicas: int | None) -> None:
    """Says where everything is. Exits with 128 + a signal's number where one stopped the runs, 1 where one failed."""
    if json_output:
        own = [outcome.to_dict() for outcome in outcomes]
        print_json(own[0] if replicas is None else {"replicas": own})
    for outcome in outcomes:
        _report_alarms(outcome.run)
        for sentence in outcome.notes:
            note(sentence)
    failed = [outcome for outcome in outcomes if outcome.failure]
    for outcome in failed:
        tell(f"{outcome.run.path} failed: {outcome.failure}", "bold red")
    going = [outcome for outcome in outcomes if not outcome.failure]
    one, signal_number = going[0], going[0].signal_number
    option = "" if replicas is None else f" --replicas {replicas}"
    path = shlex.quote(str(one.run.path))
    if signal_number is not None:
        tell(
            f"Stopped at step {one.step:,} of {one.total_steps:,} and saved. "
            f"Go on with: gantool train --resume {path}{option}"
        )
    elif option:
        tell(f"Done: {one.step:,} steps in each run, {one.step_impl}. Next: gantool eval parzen {path} --replicas.")
    else:
        tell(f"Done: {one.step:,} steps, {one.step_impl}. Pictures: {one.run.samples}.")
        tell("Next: gantool sample, gantool eval parzen.")
    for outcome in [] if json_output else going:
        say(str(outcome.run.path))
    if signal_number is not None or failed:
        raise typer.Exit(1 if signal_number is None else 128 + signal_number)


def _report_alarms(run: Run) -> None:
    alarms = run.alarms()
    if alarms:
        first = alarms[0]
        tell(
            f"Alarms raised in {run.path}: {len(alarms)}; the first at step {first['step']:,}: {first['sentence']}",
            "bold red",
        )

"""What a reproduction says while it trains, and where a signal stops it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NoReturn

import typer

from gantool.cli.terminal import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from gantool.reproduce.training import Watch
    from gantool.runs import Run
    from gantool.training.record.member import Observer
    from gantool.training.session import Outcome


def watch_on(console: Console, seeds: int) -> Watch:
    from gantool.cli.progress import Display

    def watch(run: Run, total_steps: int) -> AbstractContextManager[Observer]:
        start = run.latest_step() or 0
        seed = run.config.training.seed
        line = f"Seed {seed} ({seed + 1} of {seeds}): training {run.path}, {total_steps:,} steps from {start:,}"
        console.print(line, markup=False, soft_wrap=True)
        return Display(console, total_steps, start)

    return watch


def report_stop(stopped: Outcome, console: Console, json_output: bool) -> NoReturn:
    assert stopped.signal_number is not None
    if json_output:
        print_json(stopped.to_dict())
    console.print(
        f"Stopped {stopped.run.path} at step {stopped.step:,} of {stopped.total_steps:,} and saved; the same command "
        f"goes on from there.",
        markup=False,
        soft_wrap=True,
    )
    raise typer.Exit(128 + stopped.signal_number)

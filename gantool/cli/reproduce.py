"""`gantool reproduce`: a table of the paper from one command, going on where an earlier one stopped."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gantool.cli.shell import (
    DataDir,
    DebugFlag,
    Device,
    JsonFlag,
    Offline,
    guarded,
    print_json,
    resolve_device,
)
from gantool.cli.sweep import Seeds, Workers
from gantool.cli.terminal import note, say, show, stderr_console, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from gantool.reproduce.curve import Point
    from gantool.reproduce.table1 import Table1
    from gantool.reproduce.training import Watch
    from gantool.runs import Run
    from gantool.sweep.table import SweepTable
    from gantool.training.record.member import Observer
    from gantool.training.session import Outcome

app = typer.Typer(
    no_args_is_help=True,
    help="Reproduce a table of the paper, end to end.\n\nExample: gantool reproduce table1 --dataset mnist",
)


@app.callback()
def about() -> None:
    """Reproduce a table of the paper, end to end.

    Example: gantool reproduce table1 --dataset mnist
    """


@app.command("table1")
@guarded
def table1(
    dataset: Annotated[
        str,
        typer.Option(help="The table's column: mnist (the preset mnist-average), mnist-long (no average) or digits."),
    ] = "mnist",
    seeds: Annotated[int, typer.Option(help="How many training seeds: 0, 1, … Each is a run of its own.")] = 3,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training data.", show_default="the preset's")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Iterations, instead of epochs.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "--runs-dir", help="The folder of the runs and the table.", show_default="runs/table1-DATASET"
        ),
    ] = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    device: Device = "auto",
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Train at several seeds, score by the paper's protocol, and print the paper's rows beside ours.

    Stopped by Ctrl-C, it saves; the same command again goes on. Finished runs are not trained again.

    Example: gantool reproduce table1 --dataset mnist

    Example: gantool reproduce table1 --dataset digits --seeds 5 --json
    """
    from gantool.cli.stages import shown_progress
    from gantool.data import load_dataset
    from gantool.evaluation.subject import Place
    from gantool.reproduce.table1 import score_table
    from gantool.reproduce.training import Plan, train_seeds

    console = stderr_console()
    plan = Plan(dataset, out or Path("runs") / f"table1-{dataset}", seeds, epochs, steps)
    place = Place(resolve_device(device), data_dir, offline)
    data = load_dataset(plan.config(seed=0).data, root=data_dir, offline=offline)
    trained = train_seeds(plan, data, place.device, _watch_on(console, seeds))
    if trained.stopped is not None:
        _report_stop(trained.stopped, console, json_output)
    with shown_progress() as progress:
        table = score_table(plan, data, trained.runs, place, progress)
    if json_output:
        print_json(table.to_dict())
    else:
        _print_table(table, plan.folder)


@app.command("toys")
@guarded
def toys(
    seeds: Seeds = 3,
    quick: Annotated[bool, typer.Option("--quick", help="Runs of 1,000 updates: to see it work, not to cite.")] = False,
    published: Annotated[
        bool, typer.Option("--published", help="PacGAN's own protocol, whole, for its plain GAN: hours a run.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--runs-dir", help="The folder of the runs and the table.", show_default="runs/toys"),
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Count modes on the ring of 8 and the grid of 25: every objective, order, play and packing, beside the papers'.

    About 66 runs of a minute on each set. Stopped by Ctrl-C, it saves; the same command again goes on.

    Example: gantool reproduce toys

    Example: gantool reproduce toys --published --seeds 1
    """
    from gantool.cli.sweep import sweep_on
    from gantool.evaluation.subject import Place
    from gantool.reproduce.toys import published_protocol, toy_measures
    from gantool.reproduce.toys import toys as plan_of_toys

    folder = out or Path("runs") / "toys"
    plan = published_protocol(folder, seeds) if published else plan_of_toys(folder, seeds, quick=quick)
    name = "published" if published else "toys"
    table = sweep_on(plan, toy_measures(), Place(resolve_device(device)), workers, json_output, name)
    if json_output:
        print_json(table.to_dict())
    else:
        _print_toys(table, folder / f"{name}.json")


def _print_toys(table: SweepTable, path: Path) -> None:
    from rich.table import Table

    from gantool.cli.sweep import shown
    from gantool.reproduce.toys import PUBLISHED, SAMPLES

    for group in dict.fromkeys(row.group for row in table.rows):
        say(group)
        show(shown(table, group))
        papers = Table("published", "by", "modes", "good samples", "reverse KL", box=None)
        for line in PUBLISHED:
            if line.group == group:
                papers.add_row(line.model, line.source, line.modes, line.good, line.reverse_kl)
        show(papers)
        say()
    note(
        f"Mean ± standard error over {table.seeds} seeds, {SAMPLES:,} samples each. A sample is good within three "
        f"standard deviations of a mode; reverse KL is KL(samples‖data) over the modes, in nats."
    )
    say(f"Written to {path}.")


def _watch_on(console: Console, seeds: int) -> Watch:
    from gantool.cli.progress import Display

    def watch(run: Run, total_steps: int) -> AbstractContextManager[Observer]:
        start = run.latest_step() or 0
        seed = run.config.training.seed
        line = f"Seed {seed} ({seed + 1} of {seeds}): training {run.path}, {total_steps:,} steps from {start:,}"
        console.print(line, markup=False, soft_wrap=True)
        return Display(console, total_steps, start)

    return watch


def _report_stop(stopped: Outcome, console: Console, json_output: bool) -> NoReturn:
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


def _print_table(table: Table1, folder: Path) -> None:
    from gantool.reproduce.table1 import FILE_NAME

    title = f"Table 1, {table.dataset}: mean log-likelihood of the test set in nats (Parzen window)"
    say(title)
    say()
    show(_lines(table))
    say()
    _print_curve(table.curve)
    for found in table.uncertainties:
        value = "unknown" if found["value"] is None else f"±{found['value']:.2g} nats"
        say(f"Uncertainty, {found['name']}: {value} ({found['method']}).")
    for sentence in table.notes:
        note(sentence)
    for sentence in table.warnings:
        warn(sentence)
    say(f"Written to {folder / FILE_NAME}.")


def _print_curve(curve: Sequence[Point]) -> None:
    """The mean over the seeds at each epoch that all of them have."""
    from statistics import fmean

    seeds = {point.seed for point in curve}
    epochs: dict[float, list[float]] = {}
    for point in curve:
        epochs.setdefault(point.epochs, []).append(point.log_likelihood)
    shown = [f"{epoch:g}: {fmean(values):,.1f}" for epoch, values in epochs.items() if len(values) == len(seeds)]
    if shown:
        rows = f"{curve[0].test_size:,} validation rows"
        line = f"Over epochs, on {rows}, mean of {len(seeds)} seeds in nats: {', '.join(shown)}."
        say(line)


def _lines(table: Table1) -> Table:
    from rich.table import Table

    shown = Table(box=None)
    shown.add_column("model")
    for name in ("nats", "±", "N"):
        shown.add_column(name, justify="right")
    shown.add_column("± is")
    for row in table.rows:
        error = (
            "–" if row.standard_error is None else f"{row.standard_error:.{1 if row.standard_error >= 0.05 else 3}f}"
        )
        shown.add_row(
            f"  {row.model}" if row.origin == "run" else row.model,
            f"{row.log_likelihood:,.1f}",
            error,
            f"{row.num_samples:,}",
            row.uncertainty,
            style="bold" if row.origin == "gantool" else None,
        )
    return shown

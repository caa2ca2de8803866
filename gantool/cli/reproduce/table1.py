"""`gantool reproduce table1`: Table 1 at several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, Where
from gantool.cli.reproduce.watching import report_stop, watch_on
from gantool.cli.terminal import note, say, show, stderr_console, warn
from gantool.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gantool.reproduce.curve import Point
    from gantool.reproduce.table1 import Table1


@command
def table1(
    where: Where,
    output: Output,
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
) -> None:
    """Train at several seeds, score by the paper's protocol, and print the paper's rows beside ours.

    Stopped by Ctrl-C, it saves; the same command again goes on. Finished runs are not trained again.

    Example: gantool reproduce table1 --dataset mnist

    Example: gantool reproduce table1 --dataset digits --seeds 5 --json
    """
    from gantool.cli.stages import shown_progress
    from gantool.data import load_dataset
    from gantool.reproduce.table1 import score_table
    from gantool.reproduce.training import Plan, train_seeds

    console = stderr_console()
    plan = Plan(dataset, out or Path("runs") / f"table1-{dataset}", seeds, epochs, steps)
    place = where.place()
    data = load_dataset(plan.config(seed=0).data, root=where.data_dir, offline=where.offline)
    trained = train_seeds(plan, data, place.device, watch_on(console, seeds))
    if trained.stopped is not None:
        report_stop(trained.stopped, console, output.json)
    with shown_progress() as progress:
        table = score_table(plan, data, trained.runs, place, progress)
    output.give(table.to_dict(), lambda: _print_table(table, plan.folder))


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

    lines = []
    for row in table.rows:
        error = (
            "–" if row.standard_error is None else f"{row.standard_error:.{1 if row.standard_error >= 0.05 else 3}f}"
        )
        name = f"  {row.model}" if row.origin == "run" else row.model
        lines.append((name, f"{row.log_likelihood:,.1f}", error, f"{row.num_samples:,}", row.uncertainty))
    ours = [row.origin for row in table.rows].index("gantool")
    return Table(("model", "nats", "±", "N", "± is"), tuple(lines), strong=ours)

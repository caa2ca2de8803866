"""`gantool sweep`: a grid of settings over seeds, a run a core, one table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, Where
from gantool.cli.processors import own_cores
from gantool.cli.terminal import note, print_json, say, show, tell
from gantool.errors import UsageError
from gantool.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from gantool.evaluation.subject import Place
    from gantool.sweep.plan import Sweep
    from gantool.sweep.table import Cell, SweepTable
    from gantool.sweep.workers import Done

Seeds = Annotated[int, typer.Option("--seeds", help="How many training seeds: 0, 1, … Each is a run of its own.")]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Runs at once, each on one thread.", show_default="one a core; on a GPU one", rich_help_panel="Common"
    ),
]


@command
def sweep(
    where: Where,
    output: Output,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="A setting and its values, as --vary training.k=1,2,5. May be repeated: all combinations."),
    ] = None,
    preset: Annotated[str, typer.Option(help="What every run begins with (`gantool config list`).")] = "digits",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of every run, as after `gantool train --set`.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Iterations of each run.", show_default="the preset's")] = None,
    seeds: Seeds = 3,
    measure: Annotated[str, typer.Option(help="What scores the runs: parzen, features, diversity, or several.")] = (
        "parzen"
    ),
    num_samples: Annotated[int, typer.Option("--num-samples", "--n", help="Samples of each run.")] = 10_000,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--runs-dir", help="The folder of the runs and the table.", show_default="runs/sweep"),
    ] = None,
    workers: Workers = None,
) -> None:
    """Train a grid of settings over seeds, a run a core, and set the scores side by side.

    Stopped by Ctrl-C, it saves; the same command goes on, and more seeds or values only add what is missing.

    Example: gantool sweep --preset ring2d --vary training.pack=1,2 --vary objective.name=minimax,hinge --measure
    diversity

    Example: gantool sweep --preset digits --vary training.k=1,2,5 --seeds 5 --measure parzen,diversity
    """
    from gantool.config.sources import apply_settings, preset_text, read_tree
    from gantool.sweep.plan import Sweep, grid

    tree = read_tree(preset_text(preset), f"the preset {preset}")
    length = [] if steps is None else [f"training.steps={steps}"]
    apply_settings(tree, [*(settings or []), *length])
    plan = Sweep(grid(tree, vary) if vary else (), out or Path("runs") / "sweep", seeds)
    measures = _measures(measure, num_samples)
    place = where.place()
    table = sweep_on(plan, measures, place, workers, output.json)
    if output.json:
        print_json(table.to_dict())
    else:
        show(shown(table))
        say(f"Mean ± standard error over {seeds} seeds; {_measured_on(table)}.")
        say(f"Written to {plan.folder / 'sweep.json'} and {plan.folder / 'sweep.png'}.")


def sweep_on(
    plan: Sweep,
    measures: Sequence[tuple[str, Any]],
    place: Place,
    workers: int | None,
    as_json: bool,
    name: str = "sweep",
) -> SweepTable:
    """Runs a sweep with a line on stderr for each run that ends. Where a signal stops it, this ends the command."""
    from gantool.data import load_dataset
    from gantool.sweep.session import run_sweep

    for data in {point.config.data for point in plan.points}:  # fetched once, and refused before anything is trained
        load_dataset(data, root=place.data_root, offline=place.offline)
    count = _workers(workers, place.device)
    tell(f"{len(plan.points)} settings at {plan.seeds} seeds into {plan.folder}, {count} at a time")
    table, signal_number = run_sweep(plan, measures, place, count, _tell, name)
    for row in table.rows:
        for reason in row.failures:
            note(f"{row.group and row.group + ': '}{row.label}: {reason}")
    if signal_number is None:
        return table
    if as_json:
        print_json(table.to_dict())
    missing = sum(row.missing for row in table.rows)
    tell(f"Stopped, with {missing} runs to go; the same command goes on from there.")
    raise typer.Exit(128 + signal_number)


def _workers(wanted: int | None, device: torch.device) -> int:
    if wanted is None:
        return 1 if device.type == "cuda" else len(own_cores())
    if wanted < 1:
        raise UsageError(f"--workers must be a whole number, 1 or more, but is {wanted}.")
    return wanted


def _measures(names: str, num_samples: int) -> tuple[tuple[str, Any], ...]:
    from gantool.evaluation.measures import MEASURES

    wanted = [name.strip() for name in names.split(",")]
    if unknown := next((name for name in wanted if name not in MEASURES), None):
        raise UsageError(f"--measure takes {', '.join(MEASURES)}, several with commas between, but got {unknown!r}.")
    lean = {"parzen": {"references": False}}
    return tuple((name, MEASURES[name].settings(num_samples=num_samples, **lean.get(name, {}))) for name in wanted)


def _tell(done: Done, ended: int, total: int) -> None:
    took = f" in {done.seconds:,.0f} s of training" if done.state == "finished" else ""
    tell(f"{ended} of {total}: {done.label}: {done.state}{took}")


def shown(table: SweepTable, group: str = "") -> Table:
    """The rows of a group, a column a quantity."""

    lines = []
    for row in table.rows:
        if row.group == group:
            cells = [in_words(row.cells.get(name), name) for name in table.columns]
            lost = f", {len(row.failures)} diverged" if row.failures else ""
            lines.append((row.label, *cells, f"{len(row.runs)}{lost}"))
    return Table(("settings", *table.columns, "runs"), tuple(lines))


# How the names of shares begin.
_SHARES = (
    "good samples", "near-duplicates", "near copies", "precision", "recall", "1-NN by", "mistakes, ", "class kept",
)  # fmt: skip


def in_words(cell: Cell | None, name: str) -> str:
    """A cell as it is printed: its mean, and its standard error where it has one."""
    if cell is None:
        return "–"
    percent = name.startswith(_SHARES)
    mean, error = cell.mean, cell.standard_error
    if percent:
        return f"{mean:.1%}" if error is None else f"{mean:.1%} ± {error:.1%}"
    tenths = name in ("modes", "Parzen, nats", "by class, nats")
    digits = 0 if name.startswith("mistakes o") else 1 if tenths else 4 if name.startswith("RMSE") else 2
    return f"{mean:,.{digits}f}" if error is None else f"{mean:,.{digits}f} ± {error:.{digits}f}"


def _measured_on(table: SweepTable) -> str:
    return "; ".join(f"{own['measure']} of {own['num_samples']:,} samples" for own in table.measured)
